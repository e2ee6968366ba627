"""A server with a secret in it, and people who are not to see it."""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace

__all__ = ["admin", "namespace"]

SECRET = "c2VzYW1l"
"""What the secret of the victim's namespace holds, as it is in answers."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path_factory.mktemp("security"), "--enable-admission-plugins", "NodeRestriction")
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def victim(admin: httpx.Client) -> str:
    """A namespace with a secret called `treasure` that only the admin may read."""
    name = f"victim-{uuid.uuid4().hex[:8]}"
    assert admin.post("/api/v1/namespaces", json={"metadata": {"name": name}}).status_code == 201
    secret = {"metadata": {"name": "treasure"}, "data": {"key": SECRET}}
    assert admin.post(f"/api/v1/namespaces/{name}/secrets", json=secret).status_code == 201
    return name


@pytest.fixture
def alice(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client("alicetoken") as client:
        yield client


def raw(server: ApiServer, target: str, token: str = "alicetoken", method: str = "GET") -> tuple[int, str]:
    """Status and body of a request whose target is sent as it is: no library puts it in order."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.trust(), timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True)
        connection.putheader("Host", f"127.0.0.1:{server.port}")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def allow(admin: httpx.Client, namespace: str, user: str, *rules: dict[str, Any]) -> None:
    """Give a user these rights in a namespace."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    name = f"r-{uuid.uuid4().hex[:8]}"
    role = {"metadata": {"name": name}, "rules": list(rules)}
    assert admin.post(f"{path}/roles", json=role).status_code == 201
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    account = user.removeprefix("system:serviceaccount:").partition(":")
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    if user.startswith("system:serviceaccount:"):
        subject = {"kind": "ServiceAccount", "namespace": account[0], "name": account[2]}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    assert admin.post(f"{path}/rolebindings", json=binding).status_code == 201


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return found | ({"resourceNames": names.split()} if names else {})
