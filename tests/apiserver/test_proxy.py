"""Requests through the server to pods, services and nodes."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from apiserver.handlers.proxy import split_target
from apiserver.handlers.proxy_rewrite import rewrite_html, rewrite_url
from tests.apiserver.conftest import ApiServer
from tests.apiserver.upgrades import UPGRADE, asking, read_until
from tests.malformed.raw import connection as raw_connection
from tests.malformed.raw import request
from tests.ports import free_port

PAGE = b'<html><a href="/next?a=b">n</a><img src=\'/i.png\'><a href="near">/text</a></html>'


class Backend(BaseHTTPRequestHandler):
    """Tells what it was asked; `/moved` leads elsewhere, `/page` is one of HTML."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/spdy":
            self.close_connection = True
            self.send_response(101)
            for name in ("Connection", "Upgrade"):
                self.send_header(name, self.headers[name])
            self.end_headers()
            while data := self.connection.recv(65536):
                self.wfile.write(data.upper())
        elif self.path == "/moved":
            self.reply(302, b"", Location="/there/")
        elif self.path == "/page":
            self.reply(200, PAGE, **{"Content-Type": "text/html; charset=utf-8"})
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = {"method": self.command, "path": self.path, "headers": headers, "body": body.decode()}
            self.reply(200, json.dumps(told).encode(), **{"Access-Control-Allow-Origin": "*"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are silent."""


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    """The port of a server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server of a cluster that lives on this machine's loopback."""
    running = ApiServer(tmp_path_factory.mktemp("local"), "--service-cluster-ip-range", "127.96.0.0/16")
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def place_pod(client: httpx.Client, port: int) -> str:
    """A namespace with a pod, named p, that has an address and a port; the namespace's URL."""
    url = f"/api/v1/namespaces/test-{uuid.uuid4().hex[:8]}"
    assert client.post("/api/v1/namespaces", json={"metadata": {"name": url.rpartition("/")[2]}}).status_code == 201
    client.post(f"{url}/serviceaccounts", json={"metadata": {"name": "default"}})
    container = {"name": "c", "image": "i", "ports": [{"containerPort": port}]}
    pod = client.post(f"{url}/pods", json={"metadata": {"name": "p"}, "spec": {"containers": [container]}}).json()
    pod["status"]["podIPs"] = [{"ip": "127.0.0.1"}]
    assert client.put(f"{url}/pods/p/status", json=pod).status_code == 200
    return url


@pytest.fixture
def client(local: ApiServer) -> Iterator[httpx.Client]:
    with local.client() as client:
        yield client


@pytest.fixture
def placed(client: httpx.Client, backend: int) -> str:
    return place_pod(client, backend)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_arrives_as_it_was_sent(client: httpx.Client, placed: str, method: str) -> None:
    answer = client.request(
        method, f"{placed}/pods/p/proxy/a/b%20c%25/?x=1&x=2", content=b"hello", headers={"X-Own": "z"}
    )
    told = answer.json()
    assert (told["method"], told["path"], told["body"]) == (method, "/a/b%20c%25/?x=1&x=2", "hello")
    assert told["headers"]["x-own"] == "z"
    assert told["headers"]["x-forwarded-uri"] == f"{placed}/pods/p/proxy/a/b%20c%25/"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_credentials_and_who_may_read_are_kept_back(client: httpx.Client, placed: str) -> None:
    answer = client.get(
        f"{placed}/pods/p/proxy/", headers={"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}
    )
    assert answer.status_code == 200
    assert not {"authorization", "impersonate-user", "impersonate-group"} & set(answer.json()["headers"])
    assert "access-control-allow-origin" not in answer.headers


def test_links_lead_through_the_proxy(client: httpx.Client, placed: str) -> None:
    base = f"{placed}/pods/p/proxy"
    assert client.get(base).headers["location"] == f"{base}/"
    assert client.get(f"{base}/moved").headers["location"] == f"{base}/there/"
    page = client.get(f"{base}/page").text
    assert page == PAGE.decode().replace('"/next', f'"{base}/next').replace("'/i.png", f"'{base}/i.png")


def test_a_service_leads_to_one_of_its_ready_pods(client: httpx.Client, placed: str, backend: int) -> None:
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}}
    assert client.post(f"{placed}/services", json=service).status_code == 201
    nobody = client.get(f"{placed}/services/s:web/proxy/x")
    assert (nobody.status_code, nobody.json()["message"]) == (503, 'no endpoints available for service "s:web"')
    of = {"kind": "Pod", "namespace": placed.rpartition("/")[2], "name": "p"}
    subset = {
        "addresses": [{"ip": "127.0.0.1", "targetRef": of}, {"ip": "192.0.2.1"}],
        "ports": [{"name": "web", "port": backend}],
    }
    assert client.post(f"{placed}/endpoints", json={"metadata": {"name": "s"}, "subsets": [subset]}).status_code == 201
    for name in ("s:web", "http:s:web", "s:80"):
        assert client.get(f"{placed}/services/{name}/proxy/x").json()["path"] == "/x"
    other = client.get(f"{placed}/services/s:81/proxy/x")
    assert (other.status_code, other.json()["message"]) == (503, 'no service port 81 found for service "s"')


def test_a_node_is_its_kubelet_or_another_port(client: httpx.Client, backend: int) -> None:
    node = client.post("/api/v1/nodes", json={"metadata": {"name": "here"}}).json()
    node["status"]["addresses"] = [{"type": "InternalIP", "address": "127.0.0.1"}]
    node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": free_port()}}
    assert client.put("/api/v1/nodes/here/status", json=node).status_code == 200
    assert client.get(f"/api/v1/nodes/here:{backend}/proxy/stats").json()["path"] == "/stats"
    kubelet = client.get("/api/v1/nodes/here/proxy/healthz")
    assert kubelet.status_code == 503
    assert kubelet.json()["message"].endswith("connect: connection refused")


def test_websockets(local: ApiServer, client: httpx.Client) -> None:
    def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        connection.send(connection.request.path)
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = place_pod(client, server.socket.getsockname()[1])
            address = f"{local.url}{url}/pods/p/proxy/talk?x=1".replace("https", "wss")
            token = {"Authorization": "Bearer admintoken"}
            with connect(address, ssl=local.trust(), additional_headers=token, proxy=None, open_timeout=60) as socket:
                assert socket.recv(timeout=60) == "/talk?x=1"
                socket.send(b"bytes")
                assert socket.recv(timeout=60) == b"bytes"
        finally:
            server.shutdown()
            thread.join()


def test_other_upgrades(local: ApiServer, placed: str) -> None:
    with asking(local, f"{placed}/pods/p/proxy/spdy", **UPGRADE) as talking:
        head = read_until(talking, b"\r\n\r\n").decode().split("\r\n")
        assert head[0] == "HTTP/1.1 101 Switching Protocols"
        assert "Upgrade: SPDY/3.1" in head
        talking.sendall(b"\x00frame")
        assert read_until(talking, b"E") == b"\x00FRAME"
    with asking(local, f"{placed}/pods/p/proxy/page", **UPGRADE) as talking:
        assert read_until(talking, b"</html>").startswith(b"HTTP/1.1 200 OK\r\n")


def test_half_a_body_does_not_pass_for_all_of_it(local: ApiServer, client: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        url = place_pod(client, target.getsockname()[1])
        head = request(b"POST", f"{url}/pods/p/proxy/x".encode(), b"Transfer-Encoding: chunked\r\n")
        with raw_connection(local) as talking:
            talking.sendall(head + b"5\r\nhello\r\n")
            target.settimeout(60)
            connection, _ = target.accept()
            connection.settimeout(60)
            received = b""
            while b"hello\r\n" not in received:
                received += connection.recv(65536)
        with connection:
            assert connection.recv(65536) == b"", "the target is not left waiting either"


def test_the_machine_itself_is_out_of_reach(admin: httpx.Client, backend: int) -> None:
    url = place_pod(admin, backend)
    answer = admin.get(f"{url}/pods/p/proxy/")
    assert (answer.status_code, answer.json()["message"]) == (400, "address not allowed")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("pods/gone/proxy/", 404, 'pods "gone" not found'),
        ("pods/ftp:p:1/proxy/", 400, 'invalid pod request "ftp:p:1"'),
        ("services/a:b:c:d/proxy/", 400, 'invalid service request "a:b:c:d"'),
        ("services/gone/proxy/", 404, 'services "gone" not found'),
    ],
)
def test_nowhere_to_go(admin: httpx.Client, namespace: str, path: str, status: int, words: str) -> None:
    answer = admin.get(f"/api/v1/namespaces/{namespace}/{path}")
    assert (answer.status_code, answer.json()["message"]) == (status, words)


def test_names_of_targets() -> None:
    assert split_target("p") == ("", "p", "")
    assert split_target("p:http") == ("", "p", "http")
    assert split_target("https:p:") == ("https", "p", "")
    assert split_target("") is split_target("ftp:p:1") is split_target("a:b:c:d") is None


@pytest.mark.parametrize(
    ("link", "rewritten"),
    [
        ("/a/../b/?q#f", "/proxy/b/?q#f"),
        ("http://host/a", "/proxy/a"),
        ("http://other/a", "http://other/a"),
        ("near", "near"),
        ("/proxy/a", "/proxy/a"),
        ("http://[", "http://["),
    ],
)
def test_links(link: str, rewritten: str) -> None:
    assert rewrite_url(link, "/proxy", "host") == rewritten


def test_only_attributes_are_links() -> None:
    page = b'<p title="/a">href="/b"</p><FORM ACTION = "/c">'
    assert rewrite_html(page, "/x") == b'<p title="/a">href="/b"</p><FORM ACTION = "/x/c">'
