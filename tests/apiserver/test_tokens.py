"""Tokens of service accounts: what they can be asked to be bound to."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer


@pytest.fixture
def token(admin: httpx.Client, namespace: str) -> str:
    """Where the account "default", which the pod p runs as and the pod q does not, gets its tokens."""
    base = f"/api/v1/namespaces/{namespace}"
    assert admin.post(f"{base}/serviceaccounts", json={"metadata": {"name": "other"}}).status_code == 201
    for name, account in (("p", "default"), ("q", "other")):
        spec = {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]}
        assert admin.post(f"{base}/pods", json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    return f"{base}/serviceaccounts/default/token"


def test_a_token_says_what_it_was_asked_to(admin: httpx.Client, token: str) -> None:
    spec = {"audiences": ["a"], "expirationSeconds": 700, "boundObjectRef": {"kind": "Pod", "name": "p"}}
    answer = admin.post(token, json={"spec": spec})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["kind"], made["metadata"]["name"]) == ("TokenRequest", "default")
    assert {name: made["spec"][name] for name in ("audiences", "expirationSeconds")} == {
        "audiences": ["a"],
        "expirationSeconds": 700,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["status"]["expirationTimestamp"])


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "ConfigMap", "name": "c"}}, 400, "cannot bind token to object of type"),
        ({"boundObjectRef": {"kind": "Secret", "name": "s"}}, 404, 'secrets "s" not found'),
        ({"boundObjectRef": {"kind": "Pod", "name": "q"}}, 400, "to pod running with different serviceaccount name"),
        ({"boundObjectRef": {"kind": "Pod", "name": "p", "uid": "u"}}, 409, "(u) does not match the UID in record"),
    ],
)
def test_requests_that_make_no_sense(
    admin: httpx.Client, token: str, spec: dict[str, Any], status: int, words: str
) -> None:
    answer = admin.post(token, json={"spec": spec})
    assert answer.status_code == status
    assert words in answer.json()["message"]


def test_a_token_ends_with_what_it_is_bound_to(server: ApiServer, admin: httpx.Client, token: str) -> None:
    made = admin.post(token, json={"spec": {"boundObjectRef": {"kind": "Pod", "name": "p"}}}).json()["status"]["token"]
    with server.client(made) as client:
        assert client.get("/api").status_code == 200
        pod = token.replace("serviceaccounts/default/token", "pods/p")
        assert admin.delete(f"{pod}?gracePeriodSeconds=0").status_code == 200
        assert client.get("/api").status_code == 401
