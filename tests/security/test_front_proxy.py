"""Front proxies are believed for their certificate, and nobody else is."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.errors import Unauthorized
from apiserver.aggregation.identity import identity_headers
from apiserver.filters.request_header import FrontProxy, RequestHeaders
from apiserver.front_proxy import merge
from apiserver.pki import Authority, KeyPair
from apiserver.request import Request, User
from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until

AS_ALICE = {"X-Remote-User": "alice", "X-Remote-Group": "devs", "X-Remote-Uid": "7", "X-Remote-Extra-A%2fb": "c"}
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server whose own front-proxy CA exists: what is read first waits for it."""
    server = ApiServer(tmp_path_factory.mktemp("front-proxy"))
    server.start()
    with server.client() as admin:
        assert admin.get(CONFIG_MAP).status_code == 200
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def pki(server: ApiServer) -> Path:
    return server.folder / "data/pki"


def issue(server: ApiServer, ca: str, name: str, *groups: str) -> KeyPair:
    authority = Authority(pki(server), file_name=ca)
    return authority.issue(f"test-{ca}-{name}", name, groups)


def context_of(server: ApiServer, pair: KeyPair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki(server) / "ca.crt"))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def who(server: ApiServer, pair: KeyPair | None, headers: Any) -> dict[str, Any] | int:
    """The user a request comes from, or the status of its refusal."""
    with httpx.Client(base_url=server.url, verify=context_of(server, pair), timeout=60) as client:
        body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
        answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=body, headers=headers)
    if answer.status_code != 201:
        return answer.status_code
    found: dict[str, Any] = answer.json()["status"]["userInfo"]
    return found


def own(server: ApiServer) -> KeyPair:
    return KeyPair(pki(server) / "front-proxy-client.crt", pki(server) / "front-proxy-client.key")


def test_a_front_proxy_speaks_for_others(running: ApiServer) -> None:
    assert who(running, own(running), AS_ALICE) == {
        "username": "alice",
        "uid": "7",
        "groups": ["devs", "system:authenticated"],
        "extra": {"a/b": ["c"]},
    }


def test_repeated_headers_add_up_and_spelling_does_not_matter(running: ApiServer) -> None:
    headers = [("x-remote-user", "alice"), ("X-REMOTE-GROUP", "a"), ("x-remote-group", "b"), ("X-Remote-Group", "")]
    found = who(running, own(running), headers)
    assert isinstance(found, dict)
    assert found["groups"] == ["a", "b", "system:authenticated"]


def test_anonymous_stays_unauthenticated(running: ApiServer) -> None:
    assert who(running, own(running), {"X-Remote-User": "system:anonymous"}) == 403


def test_nobody_else_is_believed(running: ApiServer) -> None:
    token = {"Authorization": "Bearer bobtoken"}
    assert who(running, None, AS_ALICE) == 403  # anonymous
    for pair, name in ((issue(running, "ca", "eve"), "eve"), (issue(running, "ca", "front-proxy-client"), None)):
        found = who(running, pair, AS_ALICE)
        assert isinstance(found, dict)
        assert found["username"] == (name or "front-proxy-client")
        assert "devs" not in found["groups"]
    found = who(running, None, {**AS_ALICE, **token})
    assert isinstance(found, dict)
    assert (found["username"], found["groups"]) == ("bob", ["devs", "testers", "system:authenticated"])


@pytest.mark.parametrize("name", ["X_Remote_User", "X-Forwarded-User", "Remote-User", "X-Remote-Users"])
def test_a_header_of_another_name_names_nobody(running: ApiServer, name: str) -> None:
    assert who(running, own(running), {name: "alice"}) in (400, 401)


def test_the_proxys_certificate_is_nobody_by_itself(running: ApiServer) -> None:
    masters = issue(running, "front-proxy-ca", "front-proxy-client", "system:masters")
    assert who(running, masters, {}) == 401
    assert who(running, masters, {"X-Remote-Group": "system:masters"}) == 401
    found = who(running, masters, {"Authorization": "Bearer alicetoken"})
    assert isinstance(found, dict)
    assert found["username"] == "alice"


def test_only_allowed_names_are_front_proxies(running: ApiServer) -> None:
    stranger = issue(running, "front-proxy-ca", "stranger", "system:masters")
    assert who(running, stranger, AS_ALICE) == 401


def test_a_resumed_session_is_still_a_front_proxys(running: ApiServer) -> None:
    context = context_of(running, issue(running, "front-proxy-ca", "front-proxy-client", "system:masters"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session: ssl.SSLSession | None = None
    for resumed in (False, True):
        with context.wrap_socket(_connect(running), server_hostname="127.0.0.1", session=session) as tls:
            assert tls.session_reused is resumed
            tls.sendall(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert tls.recv(12) == b"HTTP/1.1 401"
            session = tls.session


def test_no_ticket_is_made_that_nobody_takes(running: ApiServer) -> None:
    context = context_of(running, own(running))
    with context.wrap_socket(_connect(running), server_hostname="127.0.0.1") as tls:
        tls.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert tls.recv(9) == b"HTTP/1.1 "  # behind the tickets, if there are any
        assert tls.version() == "TLSv1.3"
        assert tls.session is None or not tls.session.has_ticket


def _connect(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def test_a_certificate_of_no_ca_is_refused(running: ApiServer, tmp_path: Path) -> None:
    foreign = Authority(tmp_path, file_name="front-proxy-ca", common_name="front-proxy-ca")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
        who(running, foreign.issue("front-proxy-client", "front-proxy-client"), AS_ALICE)


def test_what_others_need_to_know_is_published(running: ApiServer) -> None:
    with running.client() as admin:
        data = admin.get(CONFIG_MAP).json()["data"]
        assert data == {
            "client-ca-file": (pki(running) / "ca.crt").read_text(),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-client-ca-file": (pki(running) / "front-proxy-ca.crt").read_text(),
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }
        role = (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader"
        )
        assert admin.get(role).json()["rules"][0]["resourceNames"] == ["extension-apiserver-authentication"]


def test_what_is_published_adds_to_what_is_there() -> None:
    one, two = (f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n" for name in "ab")
    existing = {"data": {"client-ca-file": one, "requestheader-allowed-names": '["x"]', "own": "kept"}}
    wanted = {"data": {"client-ca-file": two, "requestheader-allowed-names": '["y","x"]'}}
    assert merge(existing, wanted)
    names = json.dumps(["x", "y"], separators=(",", ":"))
    assert existing["data"] == {"client-ca-file": one + two, "requestheader-allowed-names": names, "own": "kept"}
    assert not merge(existing, wanted)


def test_a_ca_and_headers_of_the_users_choice(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "theirs", common_name="theirs")
    server = ApiServer(
        tmp_path,
        "--requestheader-client-ca-file", str(authority.pair.certificate),
        "--requestheader-username-headers", "X-Who",
        "--requestheader-group-headers", "X-Team,X-Role",
    )  # fmt: skip
    server.start()
    try:
        found = who(server, authority.issue("p", "any name"), [("X-Who", "zoe"), ("x-role", "r"), ("x-team", "t")])
        assert isinstance(found, dict)
        assert (found["username"], found["groups"]) == ("zoe", ["t", "r", "system:authenticated"])
        assert who(server, authority.issue("p", "any name"), AS_ALICE) == 401
    finally:
        assert server.stop() == 0


def test_a_client_ca_that_changes_is_published(tmp_path: Path) -> None:
    one, two = (Authority(tmp_path / name, common_name=name).ca_pem.decode() for name in ("one", "two"))
    clients = tmp_path / "clients.pem"
    clients.write_text(one)
    server = ApiServer(tmp_path, "--client-ca-file", str(clients))
    server.start()
    try:
        with server.client() as admin:
            assert admin.get(CONFIG_MAP).json()["data"]["client-ca-file"] == one
            clients.write_text(two)
            until(lambda: admin.get(CONFIG_MAP).json()["data"]["client-ca-file"] == one + two)
    finally:
        assert server.stop() == 0


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.crt")
    for flags in (
        ("--requestheader-client-ca-file", missing),
        ("--proxy-client-cert-file", missing, "--proxy-client-key-file", missing),
    ):
        server = ApiServer(tmp_path, *flags)
        with pytest.raises(AssertionError, match=r"apiserver: cannot read .*missing\.crt"):
            server.start()
        assert server.process is not None
        assert server.process.wait(60) == 1


async def _nothing() -> dict[str, Any]:
    return {}


def test_who_is_asked_for_survives_the_headers() -> None:
    """Whatever a name or an attribute contains, the other side reads the same user."""
    user = User("äöü", "7", ("a b", "system:authenticated"), {"k/é%": ["1", "2"], "plain": [""]})
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": identity_headers(user)}
    proxy = FrontProxy("p", None, RequestHeaders())
    found = proxy.user(Request(scope, _nothing))
    assert found is not None
    assert found == user
    with pytest.raises(Unauthorized):
        proxy.user(Request({**scope, "headers": []}, _nothing))
