"""Ways of writing a path by which authorization could see something else than what is served."""

from __future__ import annotations

import base64
import json
from http.client import InvalidURL

import httpx
import pytest

from tests.apiserver.conftest import ApiServer
from tests.security.conftest import SECRET, allow, raw, rule

TARGETS = (
    "/api/v1/namespaces/{v}/secrets/treasure",
    "//api/v1/namespaces/{v}/secrets/treasure",
    "/api//v1/namespaces/{v}/secrets/treasure",
    "/api/v1//namespaces//{v}//secrets//treasure",
    "/api/v1/namespaces/{v}/secrets/treasure/",
    "/api/v1/namespaces/{v}/secrets/treasure//",
    "/api/v1/namespaces/{v}/secrets/",
    "/api/v1/namespaces/{v}/secrets/treasure;a=b",
    "/api/v1;/namespaces/{v}/secrets/treasure",
    "/%61pi/v1/namespaces/{v}/secrets/treasure",
    "/api/v1/namespaces/{v}/secret%73/treasure",
    "/api/v1/namespaces/{v}/secrets%2ftreasure",
    "/api/v1/namespaces/{v}%2fsecrets/treasure",
    "/api/v1/namespaces/{v}%2Fsecrets%2Ftreasure",
    "/api/v1/namespaces%2f{v}%2fsecrets%2ftreasure",
    "/api/v1/namespaces/{own}/../{v}/secrets/treasure",
    "/api/v1/namespaces/{own}/%2e%2e/{v}/secrets/treasure",
    "/api/v1/namespaces/{own}/secrets/../../{v}/secrets/treasure",
    "/api/v1/namespaces/{own}/secrets/..%2f..%2f{v}%2fsecrets%2ftreasure",
    "/api/v1/namespaces/{own}%2f..%2f{v}/secrets/treasure",
    "/api/v1/namespaces/{own}/secrets/treasure?namespace={v}",
    "/api/v1/./namespaces/{v}/secrets/treasure",
    "/healthz/../api/v1/namespaces/{v}/secrets/treasure",
    "/healthz/%2e%2e/api/v1/namespaces/{v}/secrets/treasure",
    "/version/..;/api/v1/namespaces/{v}/secrets/treasure",
    "/apis/../api/v1/namespaces/{v}/secrets/treasure",
    "/apis//v1/namespaces/{v}/secrets/treasure",
    "/API/v1/namespaces/{v}/secrets/treasure",
    "/api/V1/namespaces/{v}/secrets/treasure",
    "/api/v1/Namespaces/{v}/Secrets/treasure",
    "/api/v1/namespaces/{v}/SECRETS/treasure",
    "/api/v1/namespaces/{v}/secrets/TREASURE",
    "/api/v1/secrets",
    "/api/v1/secrets/",
    "/api/v1/secrets?fieldSelector=metadata.name%3Dtreasure",
    "/api/v1/watch/namespaces/{v}/secrets/treasure",
    "/api/v1/watch/secrets",
    "/api/v1/proxy/namespaces/{v}/secrets/treasure",
    "/api/v1/namespaces/{v}/secrets/treasure/status",
    "/api/v1/namespaces/{v}/secrets/treasure%00",
    "/api/v1/namespaces/{v}/secrets/treasure%20",
    "/api/v1/namespaces/{v}\\secrets\\treasure",
    "/api/v1/namespaces/{v}/secrets/treasure#",
    "/api/v1/namespaces/{v}/secrets/treasure%23",
    "https://127.0.0.1/api/v1/namespaces/{v}/secrets/treasure",
    "*",
)


@pytest.mark.parametrize("target", TARGETS)
def test_no_path_leads_around_authorization(
    server: ApiServer, admin: httpx.Client, namespace: str, victim: str, target: str
) -> None:
    """Alice may read all secrets of a namespace of her own, and nothing in the other."""
    allow(admin, namespace, "alice", rule("get list watch", "secrets"))
    target = target.format(v=victim, own=namespace)
    for method in ("GET", "HEAD", "POST", "DELETE"):
        try:
            status, body = raw(server, target, method=method)
        except InvalidURL:
            pytest.skip("not even the client sends this")
        assert status >= 300, (method, target)
        assert SECRET not in body
    assert raw(server, f"/api/v1/namespaces/{victim}/secrets/treasure", "admintoken")[0] == 200


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"])
def test_headers_do_not_change_what_is_asked_for(alice: httpx.Client, victim: str, name: str) -> None:
    path = f"/api/v1/namespaces/{victim}/secrets/treasure"
    assert alice.get("/version", headers={name: path}).json()["major"] == "1"
    assert alice.get(path, headers={name: "/version"}).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "fieldSelector=metadata.name%3Dmine&fieldSelector=metadata.name%3Dtreasure",
        "fieldSelector=metadata.name%3Dmine&fieldSelector=",
        "fieldSelector=metadata.name%3Dmine,metadata.name%3Dtreasure",
        "fieldSelector=metadata.name%21%3Dmine,metadata.name%3Dmine",
        "fieldSelector=metadata.name%3Dmine%5C,metadata.name%3Dtreasure",
        "fieldSelector=type%3DOpaque%5C,metadata.name%5C%3Dmine",
        "fieldSelector=metadata.namespace%3Dmine",
        "fieldselector=metadata.name%3Dmine",
        "labelSelector=metadata.name%3Dmine",
        "fieldSelector=metadata.name%3Dmine;fieldSelector=",
        "watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dmine",
    ],
)
def test_who_may_read_one_reads_one(server: ApiServer, admin: httpx.Client, victim: str, query: str) -> None:
    allow(admin, victim, "alice", rule("get list watch", "secrets", names="mine"))
    path = f"/api/v1/namespaces/{victim}/secrets"
    assert admin.post(path, json={"metadata": {"name": "mine"}}).status_code == 201
    _, body = raw(server, f"{path}?{query}")
    assert SECRET not in body
    assert raw(server, f"{path}?fieldSelector=metadata.name%3Dmine")[0] == 200


@pytest.mark.parametrize("start", ["../{v}/", "/../{v}/t", "", "{v}/", "../../secrets/{v}/"])
def test_a_made_up_continue_token_leads_to_no_other_namespace(
    server: ApiServer, admin: httpx.Client, namespace: str, victim: str, start: str
) -> None:
    allow(admin, namespace, "alice", rule("list", "secrets"))
    token = {"v": "meta.k8s.io/v1", "rv": -1, "start": start.format(v=victim)}
    encoded = base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")
    _, body = raw(server, f"/api/v1/namespaces/{namespace}/secrets?limit=10&continue={encoded}")
    assert SECRET not in body


@pytest.mark.parametrize(
    ("verbs", "method", "query"),
    [
        ("get", "GET", ""),
        ("list", "GET", "watch=1"),
        ("list", "GET", "watch=true"),
        ("list", "GET", "watch=yes"),
        ("list", "GET", "watch"),
        ("watch", "GET", "watch=false"),
        ("watch", "GET", "watch=0"),
        ("delete get list", "DELETE", ""),
    ],
)
def test_a_verb_is_not_another(
    server: ApiServer, admin: httpx.Client, victim: str, verbs: str, method: str, query: str
) -> None:
    allow(admin, victim, "alice", rule(verbs, "secrets"))
    status, body = raw(server, f"/api/v1/namespaces/{victim}/secrets?{query}", method=method)
    assert status == 403
    assert SECRET not in body
