"""What an attacker tries with tokens of another issuer, and with the issuer itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.clock import SystemClock
from apiserver.authentication import issuer_keys
from apiserver.authentication.issuer_keys import IssuerKeys
from apiserver.authentication.jose import JoseError
from tests.apiserver.conftest import ApiServer
from tests.authentication.issuer import CLIENT, OIDCIssuer, issuing

_PATIENCE = 60.0  # seconds, of which the server gives an issuer ten


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OIDCIssuer]:
    with issuing(tmp_path_factory.mktemp("issuer")) as running:
        yield running


def serving(folder: Path, issuer: OIDCIssuer) -> ApiServer:
    return ApiServer(
        folder, f"--oidc-issuer-url={issuer.url}", f"--oidc-client-id={CLIENT}", f"--oidc-ca-file={issuer.ca_file}"
    )


@pytest.fixture(scope="module")
def oidc_server(tmp_path_factory: pytest.TempPathFactory, issuer: OIDCIssuer) -> Iterator[ApiServer]:
    running = serving(tmp_path_factory.mktemp("server"), issuer)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def abused(tmp_path: Path) -> Iterator[OIDCIssuer]:
    """An issuer of the test's own, to do bad things with."""
    with issuing(tmp_path / "issuer") as running:
        yield running


def keys_of(issuer: OIDCIssuer) -> IssuerKeys:
    url = f"{issuer.url}/.well-known/openid-configuration"
    return IssuerKeys(issuer.url, url, issuer.ca_file.read_text(), SystemClock())


def status_with(server: ApiServer, token: str) -> int:
    with server.client("") as client:
        return client.get("/api", headers=[(b"Authorization", b"Bearer " + token.encode())]).status_code


def encoded(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    return read[0], read[1], signature


def test_forged_tokens_are_refused(oidc_server: ApiServer, issuer: OIDCIssuer) -> None:
    good = issuer.token()
    assert status_with(oidc_server, good) == 200
    header, claims, signature = parts_of(good)
    now = int(time.time())

    for algorithm in ("none", "None", "NONE", ""):
        unsigned = f"{encoded({**header, 'alg': algorithm})}.{encoded(claims)}."
        assert status_with(oidc_server, unsigned) == 401, algorithm

    pem = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
    shared = f"{signed}.{encoded(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"
    assert status_with(oidc_server, shared) == 401, "the public key is no shared secret"

    changed = f"{encoded(header)}.{encoded({**claims, 'sub': 'root'})}.{signature}"
    assert status_with(oidc_server, changed) == 401, "the signature is of other claims"

    other = rsa.generate_private_key(65537, 2048)
    assert status_with(oidc_server, issuer.token(key=other)) == 401, "another's key under the issuer's name of its own"
    assert status_with(oidc_server, issuer.token(key=other, key_id="")) == 401
    own = {"jwk": {"kty": "RSA", "alg": "RS256"}, "jku": f"{issuer.url}/mine", "x5u": f"{issuer.url}/mine"}
    assert status_with(oidc_server, f"{encoded({**header, **own})}.{encoded(claims)}.{signature}") == 401
    assert "/mine" not in issuer.asked, "a token does not say where its keys are"

    assert status_with(oidc_server, issuer.token(aud="somebody else")) == 401
    assert status_with(oidc_server, issuer.token(aud=None)) == 401
    assert status_with(oidc_server, issuer.token(iss="https://other.example.com")) == 401
    assert status_with(oidc_server, issuer.token(iss=f"{issuer.url}/")) == 401
    assert status_with(oidc_server, issuer.token(exp=now - 1)) == 401
    assert status_with(oidc_server, issuer.token(exp=None)) == 401
    assert status_with(oidc_server, issuer.token(exp="never")) == 401
    assert status_with(oidc_server, issuer.token(nbf=now + 3600)) == 401
    assert status_with(oidc_server, issuer.token(algorithm="RS512")) == 401, "RS256 is all that is accepted"
    assert status_with(oidc_server, issuer.token(iss="https://kubernetes.default.svc")) == 401
    for nonsense in ("a.b.c", "...", good + ".x", good[:-3], "é.é.é", f"{encoded([])}.{encoded([])}.x", "x" * 70000):
        assert status_with(oidc_server, nonsense) in (401, 431), nonsense[:20]
    assert status_with(oidc_server, good) == 200


def test_tokens_cannot_take_the_names_of_the_system(oidc_server: ApiServer, issuer: OIDCIssuer) -> None:
    with oidc_server.client(issuer.token(sub="system:admin", groups=["system:masters"])) as client:
        review = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()
        assert review["status"]["userInfo"] == {
            "username": f"{issuer.url}#system:admin",
            "groups": ["system:authenticated"],
        }
        assert client.get("/api/v1/secrets").status_code == 403


def test_invented_keys_do_not_make_the_server_ask_again_and_again(oidc_server: ApiServer, issuer: OIDCIssuer) -> None:
    assert status_with(oidc_server, issuer.token()) == 200
    assert status_with(oidc_server, issuer.token(key_id="invented")) == 401
    looked, began = issuer.asked.count("/keys"), time.monotonic()
    for number in range(20):
        assert status_with(oidc_server, issuer.token(key_id=f"invented-{number}")) == 401
    assert issuer.asked.count("/keys") - looked <= 1 + (time.monotonic() - began) / issuer_keys._PAUSE


def test_keys_that_hang_keep_nobody_else_waiting(tmp_path: Path, abused: OIDCIssuer) -> None:
    abused.hang = True
    (tmp_path / "server").mkdir()
    running = serving(tmp_path / "server", abused)
    running.start()
    found: list[int] = []
    waiting = Thread(target=lambda: found.append(status_with(running, abused.token())))
    begun = time.monotonic()
    try:
        waiting.start()
        with running.client() as admin:
            while not abused.asked and time.monotonic() < begun + _PATIENCE:
                assert admin.get("/api/v1/namespaces").status_code == 200
            assert abused.asked
            assert admin.get("/api/v1/namespaces").status_code == 200
        assert not found or time.monotonic() - begun >= issuer_keys._TIMEOUT, "it was given all the time it may take"
        abused.over.set()
        waiting.join(_PATIENCE)
        assert found == [401]
    finally:
        running.stop()


async def test_an_issuer_has_a_deadline(abused: OIDCIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    abused.hang = True
    monkeypatch.setattr(issuer_keys, "_TIMEOUT", 0.2)
    with pytest.raises(JoseError, match="took too long"):
        await keys_of(abused).named("k")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        return  # who asked has heard enough


async def test_keys_without_end_are_not_read_to_it(abused: OIDCIssuer) -> None:
    abused.answers["/keys"] = endless
    with pytest.raises(JoseError, match="answered with more than"):
        await keys_of(abused).named("k")


@pytest.mark.parametrize(
    "nonsense",
    [b"<html>", b"[]", b"{}", b'{"keys":[1,{"kty":"RSA"},{"kty":"oct","k":"c2VjcmV0"},{"kty":"EC","crv":"P-256"}]}'],
)
async def test_keys_that_are_none(abused: OIDCIssuer, nonsense: bytes) -> None:
    abused.answers["/keys"] = nonsense
    with pytest.raises(JoseError, match="fetching keys"):
        await keys_of(abused).named("k")


async def test_another_issuers_metadata_is_not_believed(abused: OIDCIssuer) -> None:
    abused.answers["/.well-known/openid-configuration"]["issuer"] = "https://other.example.com"
    with pytest.raises(JoseError, match="calls itself"):
        await keys_of(abused).named("k")
    abused.publish()
    abused.answers["/.well-known/openid-configuration"]["jwks_uri"] = "http://127.0.0.1/keys"
    with pytest.raises(JoseError, match="not by https"):
        await keys_of(abused).named("k")
