"""ID tokens of an OpenID Connect issuer, by flags: from claims to a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import ApiServer
from tests.authentication.issuer import CLIENT, OIDCIssuer, issuing
from tests.authentication.users import user_of


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OIDCIssuer]:
    with issuing(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def oidc_server(tmp_path_factory: pytest.TempPathFactory, issuer: OIDCIssuer) -> Iterator[ApiServer]:
    running = ApiServer(
        tmp_path_factory.mktemp("server"),
        f"--oidc-issuer-url={issuer.url}", f"--oidc-client-id={CLIENT}", f"--oidc-ca-file={issuer.ca_file}",
        "--oidc-groups-claim=roles", "--oidc-groups-prefix=oidc:", "--oidc-required-claim=tier=gold",
        "--oidc-signing-algs=RS256,ES256",
    )  # fmt: skip
    running.start()
    yield running
    assert running.stop() == 0


def test_claims_become_a_user(oidc_server: ApiServer, issuer: OIDCIssuer) -> None:
    token = issuer.token(tier="gold", roles=["dev", "ops"], jti="42")
    assert user_of(oidc_server, token) == {
        "username": f"{issuer.url}#jane",
        "groups": ["oidc:dev", "oidc:ops", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=42"]},
    }
    assert user_of(oidc_server, issuer.token(tier="gold", roles="dev", aud=["x", CLIENT]))["groups"][0] == "oidc:dev"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"tier": "silver"}, "required claim tier"),
        ({"tier": None}, "required claim tier"),
        ({"sub": None}, 'oidc: parse username claims "sub": claim not present'),
        ({"sub": 7}, 'oidc: parse username claims "sub"'),
        ({"roles": [1]}, "groups claim"),
    ],
)
def test_claims_that_do_not_do(oidc_server: ApiServer, issuer: OIDCIssuer, claims: dict[str, Any], words: str) -> None:
    token = issuer.token(**{"tier": "gold", **claims})
    with oidc_server.client() as admin:
        review = {"spec": {"token": token}}
        status = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review).json()["status"]
    assert "authenticated" not in status
    assert status["error"].startswith("[invalid bearer token, ")
    assert words in status["error"]


def test_a_new_key_is_fetched_when_a_token_names_it(tmp_path: Path) -> None:
    with issuing(tmp_path / "issuer") as issuer:
        folder = tmp_path / "server"
        folder.mkdir()
        running = ApiServer(
            folder, f"--oidc-issuer-url={issuer.url}", f"--oidc-client-id={CLIENT}",
            f"--oidc-ca-file={issuer.ca_file}", "--oidc-signing-algs=RS256,ES256", "--oidc-username-claim=email",
        )  # fmt: skip
        # Nobody has looked yet: the first token makes the server look, and finds the new key at once.
        old = issuer.token(email="jane@example.com")
        issuer.rotate()
        running.start()
        try:
            assert user_of(running, issuer.token(email="jane@example.com"))["username"] == "jane@example.com"
            with running.client(old) as client:
                assert client.get("/api").status_code == 401
            with running.client(issuer.token(email="jane@example.com", email_verified=False)) as client:
                assert client.get("/api").status_code == 401
        finally:
            running.stop()
