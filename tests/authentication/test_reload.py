"""Files of configuration are taken over when they change, unless they are wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from tests.apiserver.conftest import ApiServer
from tests.authentication.issuer import CLIENT, OIDCIssuer, issuing

_PATIENCE = 60.0


def write(path: Path, kind: str, **members: Any) -> Path:
    """All at once: half a file would be one more that is wrong."""
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump({"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, **members}))
    return new.replace(path)


def believe(issuer: OIDCIssuer, prefix: str) -> dict[str, Any]:
    ca = issuer.ca_file.read_text()
    return {
        "issuer": {"url": issuer.url, "audiences": [CLIENT], "certificateAuthority": ca},
        "claimMappings": {"username": {"claim": "sub", "prefix": prefix}},
    }


def user_with(server: ApiServer, token: str) -> str:
    with server.client(token) as client:
        answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    return answer.json()["status"]["userInfo"]["username"] if answer.status_code == 201 else ""


def test_issuers_and_authorizers_can_be_changed(tmp_path: Path) -> None:
    with issuing(tmp_path / "issuer") as issuer:
        authn = write(tmp_path / "authn.yaml", "AuthenticationConfiguration", jwt=[believe(issuer, "a:")])
        authorizers = [{"type": "RBAC", "name": "rbac"}]
        authz = write(tmp_path / "authz.yaml", "AuthorizationConfiguration", authorizers=authorizers)
        (tmp_path / "server").mkdir()
        server = ApiServer(tmp_path / "server", f"--authentication-config={authn}", f"--authorization-config={authz}")
        server.start()

        def eventually(true: Any) -> None:
            deadline = time.monotonic() + _PATIENCE
            while not true():
                assert time.monotonic() < deadline

        try:
            token = issuer.token()
            assert user_with(server, token) == "a:jane"
            write(authn, "AuthenticationConfiguration", jwt=[believe(issuer, "b:")])
            eventually(lambda: user_with(server, token) == "b:jane")
            write(authn, "AuthenticationConfiguration", jwt=[{}])
            write(authz, "AuthorizationConfiguration", authorizers=[])
            eventually(lambda: server.log.read_text().count("stays as it was") == 2)
            assert user_with(server, token) == "b:jane"
            write(authn, "AuthenticationConfiguration", jwt=[])
            eventually(lambda: user_with(server, token) == "")
            with server.client("alicetoken") as alice:
                assert alice.get("/api/v1/nodes").status_code == 403
                more = [*authorizers, {"type": "AlwaysAllow", "name": "all"}]
                write(authz, "AuthorizationConfiguration", authorizers=more)
                eventually(lambda: alice.get("/api/v1/nodes").status_code == 200)
        finally:
            assert server.stop() == 0
