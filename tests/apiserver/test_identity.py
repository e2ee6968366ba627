"""Who may ask: certificates, tokens, nobody in particular."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import httpx
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from tests.apiserver.conftest import ApiServer


def test_wrong_token_is_unauthorized(server: ApiServer) -> None:
    with server.client("wrong") as client:
        answer = client.get("/api/v1/namespaces")
    assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_without_credentials_only_the_public_is_served(server: ApiServer) -> None:
    with server.client("") as client:
        answer = client.get("/api/v1/namespaces")
        assert answer.status_code == 403
        assert 'User "system:anonymous" cannot list resource "namespaces"' in answer.json()["message"]
        assert client.get("/healthz").text == "ok"
        assert client.get("/version").json()["minor"] == "36"


def test_known_user_without_rights_is_forbidden(server: ApiServer) -> None:
    with server.client("alicetoken") as client:
        answer = client.get("/api/v1/namespaces/default/secrets/x")
        assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
        assert client.get("/api").status_code == 200


def test_admin_certificate_of_the_kubeconfig_may_do_everything(server: ApiServer, tmp_path: Path) -> None:
    config = yaml.safe_load((server.folder / "data/kubeconfig").read_text())
    user = config["users"][0]["user"]
    for name, key in (("crt", "client-certificate-data"), ("key", "client-key-data")):
        (tmp_path / name).write_bytes(base64.b64decode(user[key]))
    context = ssl.create_default_context(
        cadata=base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    )
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with httpx.Client(verify=context, timeout=60) as client:
        review = client.post(
            f"{config['clusters'][0]['cluster']['server']}/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}
        )
    assert review.status_code == 201, review.text
    info = review.json()["status"]["userInfo"]
    assert info["username"] == "kubernetes-admin"
    assert "system:masters" in info["groups"]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert((tmp_path / "crt").read_text())).hexdigest()
    assert info["extra"] == {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}


def test_keys_are_readable_by_their_owner_only(server: ApiServer) -> None:
    data = server.folder / "data"
    for path in [data / "kubeconfig", *(data / "pki").glob("*.key"), *(data / "kubeconfigs").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("token", "verb", "resource", "allowed"),
    [("admintoken", "delete", "nodes", True), ("alicetoken", "get", "pods", False)],
)
def test_can_i(server: ApiServer, token: str, verb: str, resource: str, allowed: bool) -> None:
    body = {"spec": {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": "default"}}}
    with server.client(token) as client:
        answer = client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body)
    assert answer.status_code == 201
    assert answer.json()["status"]["allowed"] is allowed


def test_a_review_has_no_table(server: ApiServer) -> None:
    """ "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does
    not implement metadata [Conformance]" """
    body = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/"}}}
    url, table = (
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    )
    with server.client() as client:
        refused = client.post(url, json=body, headers={"Accept": table})
        plain = client.post(url, json=body, headers={"Accept": f"{table},application/json"})
    assert (refused.status_code, refused.json()["reason"]) == (406, "NotAcceptable")
    assert (plain.status_code, plain.json()["kind"]) == (201, "SelfSubjectAccessReview")


def test_rules_of_a_user_can_be_listed(server: ApiServer) -> None:
    body = {"spec": {"namespace": "default"}}
    url = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    with server.client() as client:
        everything = client.post(url, json=body).json()["status"]["resourceRules"]
    with server.client("alicetoken") as client:
        little = client.post(url, json=body).json()["status"]
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in everything
    assert all(rule["verbs"] == ["create"] for rule in little["resourceRules"])
    assert "/version" in little["nonResourceRules"][0]["nonResourceURLs"]


def test_service_account_token_speaks_for_its_account(server: ApiServer) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    with server.client() as client:
        assert client.post(accounts, json={"metadata": {"name": "speaker"}}).status_code == 201
        token = client.post(f"{accounts}/speaker/token", json={"spec": {}}).json()["status"]["token"]
    with server.client(token) as client:
        review = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:speaker"
    with server.client() as client:
        client.delete(f"{accounts}/speaker")
    with server.client(token) as client:
        assert client.get("/api").status_code == 401, "the account is gone, and its tokens with it"


@pytest.mark.parametrize("forgery", ["unsigned", "other key"])
def test_forged_tokens_are_unauthorized(server: ApiServer, forgery: str) -> None:
    claims = {"sub": "system:serviceaccount:default:default", "iss": "https://kubernetes.default.svc"}
    claims |= {"aud": claims["iss"], "exp": 4102444800, "iat": 0}
    key = ec.generate_private_key(ec.SECP256R1())
    forged = jwt.encode(claims, None if forgery == "unsigned" else key, "none" if forgery == "unsigned" else "ES256")
    with server.client(forged) as client:
        assert client.get("/api").status_code == 401
