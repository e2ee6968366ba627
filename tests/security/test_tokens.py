"""Tokens that nobody has issued, or not for this, or not any more."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.apiserver.conftest import ApiServer

ISSUER = "https://kubernetes.default.svc"


class Forger:
    """Knows the cluster's public key and a true token, and makes others of it."""

    def __init__(self, server: ApiServer, token: str) -> None:
        pem = (server.folder / "data/pki/sa.key").read_bytes()
        self.private = serialization.load_pem_private_key(pem, None)
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.token = token
        self.header: dict[str, Any] = jwt.get_unverified_header(token)
        self.claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        self.algorithm: str = self.header["alg"]

    def signed(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """By the cluster itself, as only it could; a claim of None is left out."""
        body = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        rest = {name: value for name, value in self.header.items() if name not in ("alg", "typ")}
        key: Any = self.private
        return jwt.encode(body, key, algorithm=self.algorithm, headers={**rest, **(header or {})})


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
def forger(server: ApiServer, admin: httpx.Client, namespace: str) -> Forger:
    made = admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token", json={"spec": {}}).json()
    return Forger(server, made["status"]["token"])


def status_of(server: ApiServer, token: str) -> int:
    with server.client("") as client:
        return client.get("/api", headers={"Authorization": f"Bearer {token}"}).status_code


def test_the_true_one_is_good(server: ApiServer, forger: Forger) -> None:
    assert status_of(server, forger.token) == 200
    assert status_of(server, forger.signed()) == 200


def unsigned(forger: Forger, algorithm: str, signature: str = "") -> str:
    claims = {**forger.claims, "sub": "system:serviceaccount:kube-system:default"}
    return f"{encoded({**forger.header, 'alg': algorithm})}.{encoded(claims)}.{signature}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_no_signature_is_not_a_signature(server: ApiServer, forger: Forger, algorithm: str, signature: str) -> None:
    assert status_of(server, unsigned(forger, algorithm, signature)) == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(server: ApiServer, forger: Forger, algorithm: str) -> None:
    import hashlib
    import hmac

    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    head = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(forger.claims)}"
    for key in (forger.public, forger.public.strip(), b"", b"null"):
        signature = encoded(hmac.new(key, head.encode(), digest).digest())
        assert status_of(server, f"{head}.{signature}") == 401


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "' OR '1'='1"},
        {"kid": ""},
        {"kid": ["a"]},
        {"jku": "https://attacker.example.com/keys"},
        {"x5u": "https://attacker.example.com/chain"},
    ],
)
def test_whoever_signs_does_not_say_with_what(server: ApiServer, forger: Forger, header: dict[str, Any]) -> None:
    """Keys that are named, linked or brought along are not looked at."""
    own = ec.generate_private_key(ec.SECP256R1())
    numbers = own.public_key().public_numbers()
    coordinates = {name: encoded(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
    brought = {"jwk": {"kty": "EC", "crv": "P-256", **coordinates}}
    head = f"{encoded({'alg': 'ES256', 'typ': 'JWT', **brought, **header})}.{encoded(forger.claims)}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(head.encode(), own)
    assert status_of(server, f"{head}.{encoded(signature)}") == 401


def test_other_keys_sign_nothing(server: ApiServer, forger: Forger) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    plain = rsa.generate_private_key(65537, 2048)
    assert status_of(server, jwt.encode(forger.claims, elliptic, algorithm="ES256")) == 401
    for algorithm in ("RS256", "PS256"):
        assert status_of(server, jwt.encode(forger.claims, plain, algorithm=algorithm)) == 401


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 120},
        {"exp": None},
        {"exp": "never"},
        {"exp": -1},
        {"nbf": NOW + 1_000_000},
        {"aud": ["vault"]},
        {"aud": "https://kubernetes.default.svc.evil.example.com"},
        {"iss": "https://kubernetes.default.svc.evil.example.com"},
        {"iss": None},
        {"kubernetes.io": None},
        {"kubernetes.io": {}},
        {"kubernetes.io": "all"},
        {"kubernetes.io": {"namespace": ["a"], "serviceaccount": "default"}},
        {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": {}, "uid": []}}},
        {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "gone", "uid": "u"}}},
    ],
)
def test_even_a_true_signature_is_not_enough(server: ApiServer, forger: Forger, claims: dict[str, Any]) -> None:
    assert status_of(server, forger.signed(**claims)) == 401


def test_another_account_of_that_name_is_another(
    server: ApiServer, admin: httpx.Client, namespace: str, forger: Forger
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert admin.delete(f"{path}/default").status_code == 200
    assert status_of(server, forger.token) == 401
    assert admin.post(path, json={"metadata": {"name": "default"}}).status_code == 201
    assert status_of(server, forger.token) == 401


def test_a_subject_is_only_told(server: ApiServer, namespace: str, forger: Forger) -> None:
    """Who it is, the account says that the token names and that exists."""
    token = forger.signed(sub="system:serviceaccount:kube-system:default")
    with server.client(token) as client:
        review = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"


def test_a_token_that_was_changed_or_is_none(server: ApiServer, forger: Forger) -> None:
    head, body, signature = forger.token.split(".")
    other = encoded({**forger.claims, "sub": "system:serviceaccount:kube-system:default"})
    for token in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}",
        f".{body}.{signature}",
        "..",
        "...",
        f"{encoded(b'[]')}.{body}.{signature}",
        f"{head}.{encoded(b'null')}.{signature}",
        "a" * 10_000,
        f"{'a' * 5_000}.{'b' * 5_000}.c",
        "admintoke",
        "admintokenn",
        "ADMINTOKEN",
    ):
        assert status_of(server, token) == 401, token[:50]


@pytest.mark.parametrize("kind", ["Basic", "Token", "Bearer:", "bearerx", ""])
def test_only_bearers_are_believed(server: ApiServer, kind: str) -> None:
    """Any other kind is no credential: the request is anonymous's, or nobody's."""
    with server.client("") as client:
        answer = client.get("/api/v1/secrets", headers={"Authorization": f"{kind} admintoken".strip()})
    assert answer.status_code in (401, 403)


def test_a_token_in_the_url_is_none(server: ApiServer) -> None:
    with server.client("") as client:
        for name in ("access_token", "token", "authorization", "bearer_token"):
            assert client.get("/api/v1/secrets", params={name: "admintoken"}).status_code == 403
