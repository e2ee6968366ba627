"""Being somebody else takes a right for each part of who that is, however the headers are written."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from tests.apiserver.conftest import ApiServer

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Headers = Sequence[tuple[str, str]]


def whoami(client: httpx.Client, headers: Headers) -> tuple[int, str, list[str]]:
    """Status, and the name and groups that the server takes the client for."""
    answer = client.post(REVIEWS, json={}, headers=[(name.encode(), value.encode()) for name, value in headers])
    user = answer.json().get("status", {}).get("userInfo", {}) if answer.status_code == 201 else {}
    return answer.status_code, user.get("username", ""), user.get("groups", [])


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate-User", "admin")],
        [("impersonate-user", "admin")],
        [("IMPERSONATE-USER", "admin")],
        [("Impersonate-User", "alice"), ("Impersonate-User", "admin")],
        [("Impersonate-User", "admin"), ("Impersonate-User", "alice")],
        [("Impersonate-User", "alice"), ("Impersonate-Group", "system:masters")],
        [("Impersonate-Group", "system:masters")],
        [("Impersonate-User", ""), ("Impersonate-Group", "system:masters")],
        [("Impersonate-Uid", "admin-uid")],
        [("Impersonate-Extra-Scopes", "all")],
        [("Impersonate-User", "system:serviceaccount:kube-system:default")],
    ],
)
def test_without_the_right_nobody_is_somebody_else(alice: httpx.Client, headers: Headers) -> None:
    status, name, groups = whoami(alice, headers)
    assert status in (400, 403), (name, groups)


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate_User", "admin")],
        [("Impersonate_Group", "system:masters")],
        [("X-Impersonate-User", "admin")],
        [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")],
        [("X_Remote_User", "admin")],
        [("X-Forwarded-User", "admin")],
        [("Authorization-User", "admin")],
    ],
)
def test_headers_that_only_look_alike_mean_nothing(alice: httpx.Client, headers: Headers) -> None:
    status, name, groups = whoami(alice, headers)
    assert (status, name) == (201, "alice")
    assert "system:masters" not in groups


@pytest.fixture
def deputy(admin: httpx.Client, alice: httpx.Client) -> httpx.Client:
    """Alice, who may be bob and in the group devs, and nothing else."""
    path = "/apis/rbac.authorization.k8s.io/v1"
    rules = [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["devs"], "verbs": ["impersonate"]},
    ]
    admin.post(f"{path}/clusterroles", json={"metadata": {"name": "deputy"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deputy"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}
    binding = {"metadata": {"name": "deputy"}, "roleRef": reference, "subjects": [subject]}
    admin.post(f"{path}/clusterrolebindings", json=binding)
    return alice


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate-User", "bob"), ("Impersonate-User", "admin")],
        [("Impersonate-User", "admin"), ("Impersonate-User", "bob")],
        [("Impersonate-User", "bob"), ("impersonate-user", "admin")],
        [("Impersonate-User", "bob"), ("Impersonate-Group", "devs"), ("Impersonate-Group", "system:masters")],
        [("Impersonate-User", "bob"), ("impersonate-group", "system:masters"), ("Impersonate-Group", "devs")],
        [("Impersonate-User", "bob"), ("Impersonate-Group", "devs,system:masters")],
        [("Impersonate-User", "bob"), ("Impersonate-Uid", "admin-uid")],
        [("Impersonate-User", "bob"), ("Impersonate-Extra-a%2fb", "c")],
        [("Impersonate-User", "system:masters")],
        [("Impersonate-User", "bob\u00e9")],
    ],
)
def test_a_right_to_be_one_is_no_right_to_be_another(deputy: httpx.Client, headers: Headers) -> None:
    status, name, groups = whoami(deputy, headers)
    if status == 201:  # of a doubled header one may count, and then that one was judged
        assert name == "bob"
        assert not {"system:masters"} & {*groups}
    else:
        assert status in (400, 403)


def test_the_deputy_is_bob_and_no_more(deputy: httpx.Client) -> None:
    status, name, groups = whoami(deputy, [("Impersonate-User", "bob"), ("Impersonate-Group", "devs")])
    assert (status, name, groups) == (201, "bob", ["devs", "system:authenticated"])
    assert deputy.get("/api/v1/secrets", headers={"Impersonate-User": "bob"}).status_code == 403


def test_anonymous_impersonates_nobody(server: ApiServer) -> None:
    with server.client("") as client:
        assert client.get("/api/v1/secrets", headers={"Impersonate-User": "admin"}).status_code == 403
