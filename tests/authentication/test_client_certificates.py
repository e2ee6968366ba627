"""Client certificates of several CAs, which come and go while the server runs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apiserver.filters.authentication import user_of_certificate
from apiserver.pki import Authority, KeyPair
from tests.apiserver.conftest import ApiServer

_PATIENCE = 60.0


@pytest.fixture
def authorities(tmp_path: Path) -> dict[str, Authority]:
    return {name: Authority(tmp_path / name) for name in ("one", "two", "three")}


def bundle(authorities: dict[str, Authority], *names: str) -> bytes:
    return b"".join(authorities[name].ca_pem for name in names)


@pytest.fixture
def server(tmp_path: Path, authorities: dict[str, Authority]) -> Iterator[ApiServer]:
    (tmp_path / "clients.pem").write_bytes(bundle(authorities, "one", "two"))
    (tmp_path / "server").mkdir()
    running = ApiServer(tmp_path / "server", f"--client-ca-file={tmp_path / 'clients.pem'}")
    running.start()
    yield running
    assert running.stop() == 0


def user_with(server: ApiServer, pair: KeyPair) -> str:
    """Who the server takes the owner of a certificate for; empty for nobody, or for one that is refused."""
    context = server.trust()
    context.load_cert_chain(pair.certificate, pair.key)
    try:
        with httpx.Client(base_url=server.url, verify=context, timeout=60) as client:
            answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    except (httpx.HTTPError, ssl.SSLError):
        return ""
    return answer.json()["status"]["userInfo"]["username"] if answer.status_code == 201 else ""


def until(server: ApiServer, pair: KeyPair, user: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while user_with(server, pair) != user:
        assert time.monotonic() < deadline, f"still not {user!r}"


def test_the_cas_of_clients_can_be_changed(
    tmp_path: Path, server: ApiServer, authorities: dict[str, Authority]
) -> None:
    pairs = {name: authority.issue("client", f"user-{name}") for name, authority in authorities.items()}
    assert [user_with(server, pairs[name]) for name in ("one", "two", "three")] == ["user-one", "user-two", ""]
    clients = tmp_path / "clients.pem"
    clients.write_bytes(bundle(authorities, "two", "three"))
    until(server, pairs["three"], "user-three")
    until(server, pairs["one"], "")
    assert user_with(server, pairs["two"]) == "user-two"
    clients.write_bytes(b"nonsense")
    deadline = time.monotonic() + _PATIENCE
    while "stay as they were" not in server.log.read_text():
        assert time.monotonic() < deadline
    assert user_with(server, pairs["two"]) == "user-two"
    clients.write_bytes(bundle(authorities, "one"))
    until(server, pairs["one"], "user-one")
    until(server, pairs["two"], "")


def test_a_subject_may_name_a_uid() -> None:
    def subject(*attributes: tuple[str, str]) -> dict[str, object]:
        return {"subject": tuple((each,) for each in attributes)}

    name, uid = ("commonName", "jane"), ("1.3.6.1.4.1.57683.2", "u-1")
    user = user_of_certificate(subject(name, uid, ("organizationName", "g")), b"der")
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("jane", "u-1", ("g", "system:authenticated"))
    assert user_of_certificate(subject(name, uid, uid), b"der") is None, "which of them would it be"
    assert user_of_certificate(subject(uid), b"der") is None
