"""What an extension API server is sent, and what comes back; servers that answer badly, or not at all."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from apiserver.pki import Authority
from tests.aggregation.conftest import SERVICES, api_service, available, condition, extended, local_server
from tests.aggregation.extension_server import ExtensionServer
from tests.apiserver.conftest import ApiServer
from tests.apiserver.upgrades import UPGRADE, asking, read_until
from tests.cluster.support import until


def echo(handler: Any) -> None:
    body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
    headers = {name.lower(): handler.headers.get_all(name) for name in handler.headers}
    told = {"method": handler.command, "path": handler.path, "headers": headers, "body": body.decode()}
    handler.reply(200, told, **{"Access-Control-Allow-Origin": "*"})


@pytest.fixture
def url(extension: ExtensionServer) -> str:
    """Of a resource that tells what it was asked."""
    extension.special[f"{extension.root}/echoes"] = echo
    return f"{extension.root}/echoes"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_requests_are_passed_on_with_their_user(admin: httpx.Client, url: str, method: str) -> None:
    sent = {"X-Own": "z", "Content-Type": "application/x", "X-Remote-User": "eve", "X-Remote-Group": "evil"}
    answer = admin.request(method, f"{url}?a=1&a=2", content=b"hello", headers=sent)
    told = answer.json()
    assert (told["method"], told["path"], told["body"]) == (method, f"{url}?a=1&a=2", "hello")
    headers = told["headers"]
    assert headers["x-remote-user"] == ["admin"]
    assert headers["x-remote-uid"] == ["admin-uid"]
    assert headers["x-remote-group"] == ["system:masters", "system:authenticated"]
    assert headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-own"] == ["z"]
    assert headers["content-type"] == ["application/x"]
    assert headers["host"][0].startswith("127.0.0.1:")
    assert "authorization" not in headers
    assert "access-control-allow-origin" not in answer.headers


def test_an_impersonated_user_is_the_user(admin: httpx.Client, url: str) -> None:
    sent = [
        ("Impersonate-User", "zoe"), ("Impersonate-Group", "system:masters"), ("Impersonate-Extra-a%2fb", "1"),
        ("X-Remote-Extra-a%2fb", "2"),
    ]  # fmt: skip
    headers = admin.get(url, headers=sent).json()["headers"]
    assert headers["x-remote-user"] == ["zoe"]
    assert headers["x-remote-group"] == ["system:masters", "system:authenticated"]
    assert headers["x-remote-extra-a%2fb"] == ["1"]
    assert not [name for name in headers if name.startswith("impersonate")]


def test_a_large_body_arrives_whole(admin: httpx.Client, extension: ExtensionServer) -> None:
    def count(handler: Any) -> None:
        left = size = int(handler.headers["Content-Length"])
        while left:
            left -= len(handler.rfile.read(min(left, 65536)))
        handler.reply(200, {"size": size})

    extension.special[f"{extension.root}/sizes"] = count
    size = 20 * 1024 * 1024
    assert admin.post(f"{extension.root}/sizes", content=bytes(size)).json() == {"size": size}


def test_a_watch_is_flushed_at_once(admin: httpx.Client, extension: ExtensionServer, namespace: str) -> None:
    notes = f"{extension.root}/namespaces/{namespace}/notes"
    with admin.stream("GET", f"{notes}?watch=1", timeout=60) as watch:
        assert watch.status_code == 200  # before there is any event
        lines = watch.iter_lines()
        for name in ("a", "b"):
            assert admin.post(notes, json={"kind": "Note", "metadata": {"name": name}}).status_code == 201
            event = json.loads(next(lines))
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", name)
        assert len(extension.watchers) == 1
    until(lambda: not extension.watchers or _stir(extension, namespace))


def _stir(extension: ExtensionServer, namespace: str) -> bool:
    """The server of the tests sees that a watcher has gone when it writes to it."""
    extension.change("MODIFIED", namespace, {"kind": "Note", "metadata": {"name": "a"}})
    return not extension.watchers


def test_redirects_are_not_passed_on(admin: httpx.Client, extension: ExtensionServer) -> None:
    where = f"{extension.root}/moved"
    extension.special[where] = lambda handler: handler.reply(302, b"", Location="https://elsewhere.example/")
    answer = admin.get(where)
    assert (answer.status_code, answer.headers.get("location")) == (502, None)
    assert answer.text == "the backend attempted to redirect this request, which is not permitted"


def test_a_head_request_has_no_body(admin: httpx.Client, extension: ExtensionServer, namespace: str) -> None:
    answer = admin.head(f"{extension.root}/namespaces/{namespace}/notes")
    assert (answer.status_code, answer.content) == (200, b"")


def test_websockets(server: ApiServer, admin: httpx.Client, extension: ExtensionServer, namespace: str) -> None:
    def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        connection.send(f"{connection.request.path} {connection.request.headers['X-Remote-User']}")
        for message in connection:
            connection.send(message)

    def checked(connection: ServerConnection, asked: Request) -> Response | None:
        """It is well: else nobody would be sent there as soon as that has been seen."""
        return connection.respond(200, "") if asked.path == extension.root else None

    with serve(talk, "127.0.0.1", 0, ssl=extension.tls, process_request=checked) as upstream:
        thread = threading.Thread(target=upstream.serve_forever)
        thread.start()
        try:
            slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/notes-1"
            port = {"ports": [{"name": "https", "port": upstream.socket.getsockname()[1]}]}
            patch = {"Content-Type": "application/merge-patch+json"}
            assert admin.patch(slices, json=port, headers=patch).status_code == 200
            address = f"{server.url}{extension.root}/talks?x=1".replace("https", "wss")
            token = {"Authorization": "Bearer admintoken", "X-Remote-User": "eve"}
            with connect(address, ssl=server.trust(), additional_headers=token, proxy=None, open_timeout=60) as talking:
                assert talking.recv(timeout=60) == f"{extension.root}/talks?x=1 admin"
                talking.send(b"bytes")
                assert talking.recv(timeout=60) == b"bytes"
        finally:
            upstream.shutdown()
            thread.join()


def _spdy(handler: Any) -> None:
    """Agrees to what it is asked for, tells who has asked, and says everything back in capitals."""
    if any(handler.headers[name] != value for name, value in UPGRADE.items()):
        handler.reply(400, {"reason": "no upgrade was asked for"})
        return
    handler.close_connection = True
    handler.send_response(101)
    for name, value in {**UPGRADE, "X-Who": handler.headers["X-Remote-User"]}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(b"hello")  # may come with the head
    while data := handler.connection.recv(65536):
        handler.wfile.write(data.upper())


def test_any_upgrade_is_relayed(server: ApiServer, admin: httpx.Client, extension: ExtensionServer) -> None:
    path = f"{extension.root}/namespaces/x/notes/a/exec"
    extension.special[path] = _spdy
    with asking(server, path, **UPGRADE, **{"X-Remote-User": "eve"}) as talking:
        head, _, _ = read_until(talking, b"hello").partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 101 Switching Protocols"
        assert {"Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Who: admin"} <= set(lines)
        for _ in range(20):
            talking.sendall(b"\x00some frames\xff" * 1000 + b"end")
            assert read_until(talking, b"END") == b"\x00SOME FRAMES\xff" * 1000 + b"END"
    until(lambda: 'code="101"' in admin.get("/metrics").text, "the upgrade is counted", 60)


def test_who_is_refused_an_upgrade_stays_with_this_server(server: ApiServer, extension: ExtensionServer) -> None:
    """Else the next request would reach the other server with our name and without any check (CVE-2018-1002105)."""
    path = f"{extension.root}/namespaces/x/notes/a/exec"
    extension.special[path] = lambda handler: handler.reply(403, {"reason": "no"})
    with asking(server, path, **UPGRADE) as talking:
        assert read_until(talking, b"}").startswith(b"HTTP/1.1 403 ")
        talking.sendall(b"GET /api/v1/namespaces/kube-system/secrets HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'User \\"system:anonymous\\" cannot list resource' in read_until(talking, b"}\n")
        assert [asked for _, asked, _, _ in extension.asked if "secrets" in asked] == []


def test_a_server_with_another_certificate_is_not_spoken_to(
    admin: httpx.Client, extension: ExtensionServer, tmp_path: Path
) -> None:
    name = f"v1.{extension.group}"
    other = base64.b64encode(Authority(tmp_path / "other").ca_pem).decode()
    patch = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"caBundle": other}}, headers=patch)

    def refused() -> bool:
        answer = admin.get(f"{extension.root}/notes")
        why = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        return (answer.status_code, answer.text) == (503, f"error trying to reach service: {why}\n")

    until(refused)
    asked = len([path for _, path, _, _ in extension.asked if path.endswith("/notes")])
    for nonsense in (b"\xff\xfe\xfd", b"nonsense"):
        bundle = base64.b64encode(nonsense).decode()
        admin.patch(f"{SERVICES}/{name}", json={"spec": {"caBundle": bundle}}, headers=patch)
        until(lambda: admin.get(f"{extension.root}/notes").status_code == 500)
        told = admin.get(f"{extension.root}/notes").text
        assert told == "unable to load root certificates: unable to parse bytes as PEM block\n"
    assert len([path for _, path, _, _ in extension.asked if path.endswith("/notes")]) == asked
    own = base64.b64encode("# Főtanúsítvány\n".encode() + extension.authority.ca_pem).decode()
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"caBundle": own}}, headers=patch)
    until(lambda: admin.get(f"{extension.root}/notes").status_code == 200)
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"caBundle": other}}, headers=patch)
    until(refused)
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}, headers=patch)
    until(lambda: admin.get(f"{extension.root}/notes").status_code == 200)


def test_gigabytes_pass_by_and_hurt_nobody(admin: httpx.Client, server: ApiServer, extension: ExtensionServer) -> None:
    sent = 0

    def endless(handler: Any) -> None:
        nonlocal sent
        handler.begin_stream("application/octet-stream")
        while not extension.stopping.is_set():
            handler.chunk(bytes(1024 * 1024))
            sent += 1024 * 1024

    extension.special[f"{extension.root}/endless"] = endless
    before = _resident(server)
    with admin.stream("GET", f"{extension.root}/endless") as answer:
        chunks = answer.iter_raw()
        next(chunks)
        while sent < 4 * 1024 * 1024:  # nobody reads any more: what is not taken is not fetched
            next(chunks)
        with server.client() as other:
            took = sorted(other.get("/api/v1/namespaces/default").elapsed.total_seconds() for _ in range(20))
        assert took[10] < 2
        assert _resident(server) - before < 40 * 1024
    assert admin.get("/readyz").text == "ok"


def _resident(server: ApiServer) -> int:
    """kB."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def hang_up(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_a_server_that_breaks_off(admin: httpx.Client, extension: ExtensionServer) -> None:
    def half(handler: Any) -> None:
        handler.begin_stream("application/json")
        handler.chunk(b'{"kind":')
        hang_up(handler)

    extension.special |= {f"{extension.root}/halves": half, f"{extension.root}/nothings": hang_up}
    with pytest.raises(httpx.RemoteProtocolError):
        admin.get(f"{extension.root}/halves")
    answer = admin.get(f"{extension.root}/nothings")
    assert answer.status_code == 503
    assert answer.text.startswith("error trying to reach service: ")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_client_that_leaves_is_not_waited_for(server: ApiServer, extension: ExtensionServer) -> None:
    asked, ended = threading.Event(), threading.Event()

    def hang(handler: Any) -> None:
        asked.set()
        handler.connection.settimeout(60)
        with contextlib.suppress(ConnectionError):
            handler.connection.recv(1)  # returns when the other side closes
        ended.set()

    extension.special[f"{extension.root}/hangs"] = hang
    client = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.trust())
    client.request("GET", f"{extension.root}/hangs?watch=1", headers={"Authorization": "Bearer admintoken"})
    assert asked.wait(60)
    client.close()
    assert ended.wait(60)


def test_nonsense_spoils_nothing(admin: httpx.Client, tmp_path: Path, group: str, namespace: str) -> None:
    nonsense = [b"<html>", b"[1]", b'{"items":[{"versions":5}],"paths":7}', b"[" * 100_000, b""]

    def babble(handler: Any) -> None:
        kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        handler.reply(200, nonsense[len(handler.server.asked) % len(nonsense)], kind)

    def swagger(handler: Any) -> None:
        handler.reply(200, json.dumps({"paths": {f"/apis/{group}/v1/": 5}, "definitions": [1]}).encode())

    def nothing_told() -> bool:
        groups = admin.get("/apis", headers={"Accept": _AGGREGATED}).json()["items"]
        ours = next(each for each in groups if each["metadata"]["name"] == group)
        return not ours["versions"][0].get("resources")

    with extended(admin, tmp_path, group, namespace) as running:
        running.special |= {"/apis": babble, "/openapi/v3": babble, "/openapi/v2": swagger}
        patch = {"Content-Type": "application/merge-patch+json"}
        priority = 11
        for _ in nonsense:
            before = len(running.asked)
            admin.patch(f"{SERVICES}/v1.{group}", json={"spec": {"versionPriority": priority}}, headers=patch)
            priority += 1
            until(lambda: [path for _, path, *_ in running.asked[before:] if path == "/openapi/v3"])  # noqa: B023
            assert admin.get("/openapi/v2").status_code == 200
            assert admin.get("/openapi/v3").status_code == 200
            until(nothing_told)  # what was told before there was nonsense may be known for a moment longer
        until(lambda: available(admin, f"v1.{group}"))


_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_a_server_that_hangs(admin: httpx.Client, extension: ExtensionServer, server: ApiServer) -> None:
    def hang(handler: Any) -> None:
        extension.stopping.wait(300)

    extension.special |= dict.fromkeys(("/apis", "/openapi/v2", "/openapi/v3", extension.root), hang)
    name = f"v1.{extension.group}"
    patch = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"versionPriority": 12}}, headers=patch)
    failed = until(lambda: (found := condition(admin, name))["reason"] == "FailedDiscoveryCheck" and found)
    assert failed["message"].startswith("failing or missing response from https://127.0.0.1:")
    assert failed["message"].endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    answer = admin.get(f"{extension.root}/notes")
    assert (answer.status_code, answer.text) == (503, "service unavailable\n")
    asked = [path for _, path, *_ in extension.asked if path != extension.root]
    for path in ("/apis", "/openapi/v2", "/openapi/v3", "/readyz", "/api/v1/namespaces"):
        assert admin.get(path).status_code == 200
    assert [path for _, path, *_ in extension.asked if path != extension.root] == asked, "nobody has to wait for it"


def test_watches_that_hang_take_nobodys_place(tmp_path: Path) -> None:
    """Watchers of a server that does not answer wait for that, and count no more."""
    flags = ("--max-requests-inflight", "4", "--max-mutating-requests-inflight", "2")
    admins = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    alice = {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "alice"}, "roleRef": role, "subjects": [alice]}
    with (
        local_server(tmp_path, *flags) as server,
        server.client() as admin,
        extended(admin, tmp_path / "extension", "g.example.com", "default") as running,
    ):
        assert admin.post(admins, json=binding).status_code == 201
        running.special[f"{running.root}/hangs"] = lambda handler: running.stopping.wait(60)
        sockets = []
        try:
            for _ in range(30):
                raw = socket.create_connection(("127.0.0.1", server.port), timeout=60)
                sockets.append(server.trust().wrap_socket(raw, server_hostname="127.0.0.1"))
                head = (
                    f"GET {running.root}/hangs?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alicetoken\r\n\r\n"
                )
                sockets[-1].sendall(head.encode())
            until(lambda: len([1 for _, path, *_ in running.asked if "hangs" in path]) == 30)
            with server.client("alicetoken") as client:
                assert client.get("/api/v1/configmaps", timeout=30).status_code == 200
        finally:
            for each in sockets:
                each.close()


def test_nothing_is_asked_without_an_api_service(admin: httpx.Client, extension: ExtensionServer) -> None:
    spec = api_service(extension, "nowhere")
    assert admin.delete(f"{SERVICES}/{spec['metadata']['name']}").status_code == 200
    until(lambda: admin.get(f"{extension.root}/notes").status_code == 404)
    assert admin.get(f"{extension.root}/notes").text == "404 page not found\n"
    assert extension.group not in admin.get("/apis").text
