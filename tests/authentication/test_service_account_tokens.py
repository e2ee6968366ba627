"""Service-account tokens: which keys and issuers sign them, how long they last, what the issuer publishes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from apiserver.authentication.flags import KEY_ALGORITHMS
from apiserver.authentication.token_keys import PublicKey, TokenKeys
from apiserver.pki import PKIError
from tests.apiserver.conftest import ApiServer
from tests.authentication.users import user_of

FIRST, SECOND = "https://first.example.com", "https://second.example.com"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
HOUR, YEAR = 3600, 365 * 24 * 3600


def pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def old_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, old_key: rsa.RSAPrivateKey) -> Iterator[ApiServer]:
    """A server that signs with an elliptic-curve key and believes another as well."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "sign.key").write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    (folder / "old.pub").write_bytes(b"kept for what is still about\n" + public_pem(old_key))
    running = ApiServer(
        folder, f"--service-account-issuer={FIRST}", f"--service-account-issuer={SECOND}", "--api-audiences=api,other",
        f"--service-account-signing-key-file={folder / 'sign.key'}", f"--service-account-key-file={folder / 'old.pub'}",
        "--service-account-max-token-expiration=2h", f"--service-account-jwks-uri={FIRST}/keys",
    )  # fmt: skip
    running.start()
    with running.client() as admin:
        assert admin.post(ACCOUNTS, json={"metadata": {"name": "robot"}}).status_code == 201
    yield running
    assert running.stop() == 0


def issued(server: ApiServer, **spec: Any) -> httpx.Response:
    with server.client() as admin:
        answer = admin.post(f"{ACCOUNTS}/robot/token", json={"spec": spec})
    assert answer.status_code == 201, answer.text
    return answer


def token_of(answer: httpx.Response) -> str:
    token: str = answer.json()["status"]["token"]
    return token


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_the_first_issuer_signs_with_the_key_it_was_given(server: ApiServer) -> None:
    token = token_of(issued(server))
    header = jwt.get_unverified_header(token)
    assert set(header) == {"alg", "kid"}
    assert header["alg"] == "ES384"
    claims = claims_of(token)
    assert (claims["iss"], claims["aud"]) == (FIRST, ["api", "other"])
    assert claims["exp"] - claims["iat"] == HOUR
    assert not (server.folder / "data/pki/sa.key").exists()
    assert user_of(server, token)["extra"] == {
        "authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"],
    }


def test_other_issuers_and_keys_are_believed(server: ApiServer, old_key: rsa.RSAPrivateKey) -> None:
    claims = claims_of(token_of(issued(server)))
    for issuer, status in ((FIRST, 200), (SECOND, 200), ("https://third.example.com", 401)):
        for headers in ({"kid": PublicKey.of(old_key.public_key()).id}, None):
            forged = jwt.encode({**claims, "iss": issuer}, old_key, "RS256", headers)
            with server.client(forged) as client:
                assert client.get("/api").status_code == status, issuer


def test_a_token_lasts_as_long_as_the_server_allows(server: ApiServer) -> None:
    answer = issued(server, expirationSeconds=3 * HOUR)
    assert answer.headers["warning"] == '299 - "requested expiration of 10800 seconds shortened to 7200 seconds"'
    assert answer.json()["spec"]["expirationSeconds"] == 2 * HOUR
    claims = claims_of(token_of(answer))
    assert claims["exp"] - claims["iat"] == 2 * HOUR


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exp": int(time.time()) - 120}, "service account token has expired"),
        ({"nbf": int(time.time()) + YEAR}, "service account token is not valid yet"),
        ({"aud": ["elsewhere"]}, 'token audiences ["elsewhere"] is invalid for the target audiences ["api" "other"]'),
        ({"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "nobody", "uid": "x"}}},
         'serviceaccounts "nobody" not found'),
        ({"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": "x"}}},
         "does not match claim (x)"),
        ({"kubernetes.io": {}}, "not found"),
        ({"pod": {"name": "p", "uid": "u"}}, "service account token has been invalidated"),
        ({"node": {"name": "n", "uid": "u"}}, "service account token has been invalidated"),
        ({"secret": {"name": "s", "uid": "u"}}, "service account token has been invalidated"),
    ],
)  # fmt: skip
def test_why_a_token_does_not_hold(
    server: ApiServer, old_key: rsa.RSAPrivateKey, change: dict[str, Any], words: str
) -> None:
    claims = claims_of(token_of(issued(server)))
    bound = {kind: change.pop(kind) for kind in ("pod", "node", "secret") if kind in change}
    claims |= {"kubernetes.io": {**claims["kubernetes.io"], **bound}, **change}
    with server.client() as admin:
        review = {"spec": {"token": jwt.encode(claims, old_key, "RS256")}}
        status = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review).json()["status"]
    assert "authenticated" not in status
    assert status["error"].startswith("[invalid bearer token, ")
    assert words in status["error"]


def test_a_review_is_about_an_audience(server: ApiServer) -> None:
    token = token_of(issued(server, audiences=["a", "b"]))
    with server.client() as admin:

        def review(**spec: Any) -> dict[str, Any]:
            answer = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": token, **spec}})
            status: dict[str, Any] = answer.json()["status"]
            return status

        assert review(audiences=["b", "c"])["audiences"] == ["b"]
        assert review(audiences=["b", "a"])["audiences"] == ["b", "a"]
        assert review(audiences=["c"])["user"] == {}
        assert "error" in review()
    with server.client(token) as client:
        assert client.get("/api").status_code == 401


def test_what_the_issuer_publishes(server: ApiServer, old_key: rsa.RSAPrivateKey) -> None:
    token = token_of(issued(server))
    with server.client() as admin:
        configuration = admin.get("/.well-known/openid-configuration")
        keys = admin.get("/openid/v1/jwks", headers={"Accept": "application/jwk-set+json"})
    assert configuration.headers["cache-control"] == "public, max-age=3600"
    assert configuration.json()["issuer"] == FIRST
    assert configuration.json()["jwks_uri"] == f"{FIRST}/keys"
    assert configuration.json()["id_token_signing_alg_values_supported"] == ["ES384", "RS256"]
    published = {key.key_id: key for key in jwt.PyJWKSet.from_dict(keys.json()).keys}
    assert len(published) == 2
    key = published[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, ["ES384"], audience="api", issuer=FIRST)["sub"].endswith(":robot")
    assert not any("d" in key for key in keys.json()["keys"]), "nothing private"


def test_a_pod_that_asks_for_an_hour_gets_a_year(tmp_path: Path) -> None:
    running = ApiServer(tmp_path)
    (tmp_path / "data/pki").mkdir(parents=True)
    before = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "data/pki/sa.key").write_bytes(pem(before))
    running.start()
    try:
        with running.client() as admin:
            admin.post(ACCOUNTS, json={"metadata": {"name": "robot"}})
            pod = {"serviceAccountName": "robot", "nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
            admin.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})
            made = admin.post("/api/v1/namespaces/default/pods", json={"metadata": {"name": "p"}, "spec": pod})
            assert made.status_code == 201, made.text
        reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
        lives = {}
        for seconds, audiences in ((3607, None), (3600, None), (3607, ["elsewhere"])):
            spec = {"expirationSeconds": seconds, "boundObjectRef": reference, "audiences": audiences or []}
            answer = issued(running, **spec)
            claims = claims_of(token_of(answer))
            warned = claims["kubernetes.io"].get("warnafter", claims["iat"]) - claims["iat"]
            lives[seconds, bool(audiences)] = claims["exp"] - claims["iat"], warned
            if not audiences:
                assert jwt.decode(token_of(answer), before.public_key(), ["ES256"], audience=claims["aud"]), "as before"
                user = user_of(running, token_of(answer))
        assert lives == {(3607, False): (YEAR, 3607), (3600, False): (3600, 0), (3607, True): (3607, 0)}
        extra = {key.partition("/")[2]: values for key, values in user["extra"].items()}
        assert (extra["pod-name"], extra["node-name"]) == (["p"], ["n1"])
        assert {"pod-uid", "node-uid", "credential-id"} <= set(extra)
    finally:
        running.stop()


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    one, two = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "both.pem").write_bytes(public_pem(one) + pem(two))
    keys = TokenKeys(tmp_path / "own.key", others=[tmp_path / "both.pem"]).read()
    assert [key.algorithm for key in keys.public] == ["RS256", "RS256", "ES256"]
    assert keys.signer.id == keys.public[0].id
    assert [key.id for key in keys.candidates(keys.public[1].id)] == [keys.public[1].id]
    assert len(keys.candidates("unknown")) == 3
    assert TokenKeys(tmp_path / "own.key").read().signer.id == keys.signer.id, "it is made once"
    assert (tmp_path / "own.key").stat().st_mode & 0o077 == 0


def test_the_clusters_own_key_is_made_for_the_algorithm_that_is_wanted(tmp_path: Path) -> None:
    wanted = {"RSA-2048": 2048, "RSA-3072": 3072, "ECDSA-P256": 256}  # a longer one takes seconds
    made = {algorithm: TokenKeys(tmp_path / algorithm, algorithm=algorithm).read() for algorithm in wanted}
    assert {algorithm: keys.private.key_size for algorithm, keys in made.items()} == wanted
    assert wanted.keys() < set(KEY_ALGORITHMS)
    assert made["ECDSA-P256"].signer.algorithm == "ES256"
    changed = TokenKeys(tmp_path / "RSA-2048", algorithm="ECDSA-P256").read()
    assert changed.signer.id == made["RSA-2048"].signer.id, "one that is there is kept: tokens in use are signed by it"


@pytest.mark.parametrize(
    "content", [None, b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_files_that_hold_no_key(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "k").write_bytes(content)
    with pytest.raises(PKIError, match="k"):
        TokenKeys(tmp_path / "own.key", others=[tmp_path / "k"]).read()
    (tmp_path / "public").write_bytes(public_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(PKIError, match="holds no private key"):
        TokenKeys(tmp_path / "own.key", signing=tmp_path / "public").read()
