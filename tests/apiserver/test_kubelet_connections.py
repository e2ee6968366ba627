"""What the server passes on to a kubelet: exec, attach and port-forward as client-go speaks them without WebSockets,
and logs over WebSockets."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from apiserver.pki import Authority
from tests.apiserver.conftest import ApiServer
from tests.apiserver.upgrades import UPGRADE, asking, read_until
from tests.ports import free_port

PODS = "/api/v1/namespaces/default/pods"
PROTOCOL = {"X-Stream-Protocol-Version": "v4.channel.k8s.io"}


class Kubelet(BaseHTTPRequestHandler):
    """Switches to a protocol that echoes in capitals; knows no container called `none`.  Logs have two lines, and do
    not end where they are followed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        for line in (b"one\n", b"two\n"):
            self.wfile.write(line)
        if "follow=" in self.path:
            self.connection.recv(1)  # until the server leaves

    def do_POST(self) -> None:
        self.close_connection = True
        if "/none?" in self.path:
            self.send_error(404, "container not found", f'container not found ("{self.path}")')
            return
        self.send_response(101)
        for name in ("Connection", "Upgrade", "X-Stream-Protocol-Version"):
            self.send_header(name, self.headers[name])
        self.end_headers()
        told = [self.path, "Authorization" in self.headers, self.connection.getpeercert()["subject"]]
        self.wfile.write(json.dumps(told).encode() + b"\n")
        while data := self.connection.recv(65536):
            self.wfile.write(data.upper())

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are silent."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path_factory.mktemp("spdy"), "--issue-kubeconfig-for", "here")
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@contextmanager
def serving(certificate: Path, key: Path, client_ca: Path) -> Iterator[int]:
    """The port of a kubelet that shows this certificate and asks for the server's."""
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
    trust.load_cert_chain(certificate, key)
    trust.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubelet)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def kubelet(cluster: ApiServer) -> Iterator[int]:
    """The port of one with the node's certificate."""
    pki = cluster.folder / "data/pki"
    with serving(pki / "node-here.crt", pki / "node-here.key", pki / "ca.crt") as port:
        yield port


def place(client: httpx.Client, name: str, pod: str, port: int) -> None:
    """A node whose kubelet is at a port of this machine, and a pod on it."""
    node = client.post("/api/v1/nodes", json={"metadata": {"name": name}}).json()
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    node["status"] = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    assert client.put(f"/api/v1/nodes/{name}/status", json=node).status_code == 200
    client.post("/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "default"}})
    containers = [{"name": "c", "image": "i"}, {"name": "none", "image": "i"}]
    made = {"metadata": {"name": pod}, "spec": {"nodeName": name, "containers": containers}}
    assert client.post(PODS, json=made).status_code == 201


@pytest.fixture(scope="module")
def pods(cluster: ApiServer, kubelet: int) -> str:
    """The URL of pods: `p` is on the kubelet's node, `lost` on one that nobody answers for."""
    with cluster.client() as client:
        place(client, "here", "p", kubelet)
        place(client, "gone", "lost", free_port())
    return PODS


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("exec?container=c&command=ls&command=a+b&stdout=true", "/exec/default/p/c?command=ls&command=a+b&output=1"),
        ("attach?container=c&stdin=true&tty=true", "/attach/default/p/c?input=1&tty=1"),
        ("portforward", "/portForward/default/p?"),
        ("portforward?ports=80&ports=90", "/portForward/default/p?port=80%2C90"),
    ],
)
def test_client_and_kubelet_speak_with_each_other(cluster: ApiServer, pods: str, asked: str, passed: str) -> None:
    with asking(cluster, f"{pods}/p/{asked}", **UPGRADE, **PROTOCOL) as talking:
        head = read_until(talking, b"\r\n\r\n").decode().split("\r\n")
        assert head[0] == "HTTP/1.1 101 Switching Protocols"
        assert {"Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io"} <= set(head)
        path, has_token, subject = json.loads(read_until(talking, b"\n"))
        assert path.rstrip("?") == passed.rstrip("?")
        assert not has_token, "the kubelet is shown the server's certificate, not the client's token"
        assert [["commonName", "kube-apiserver-kubelet-client"]] in subject
        talking.sendall(b"\x80frame")
        assert read_until(talking, b"E") == b"\x80FRAME"


def test_what_the_kubelet_refuses_is_passed_on(cluster: ApiServer, pods: str) -> None:
    with asking(cluster, f"{pods}/p/exec?container=none&command=ls", **UPGRADE, **PROTOCOL) as talking:
        answer = read_until(talking, b"</html>\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"container not found" in answer


@contextmanager
def log_of(cluster: ApiServer, pods: str, query: str, *protocols: Any) -> Iterator[ClientConnection]:
    url = f"{cluster.url}{pods}/p/log?container=c{query}".replace("https", "wss")
    token = {"Authorization": "Bearer admintoken"}
    with connect(
        url, ssl=cluster.trust(), subprotocols=protocols or None, additional_headers=token, proxy=None, open_timeout=60
    ) as socket:
        yield socket


@pytest.mark.parametrize("protocols", [(), ("binary.k8s.io",), ("other.k8s.io", "binary.k8s.io")])
def test_logs_over_websocket(cluster: ApiServer, pods: str, protocols: tuple[str, ...]) -> None:
    """ "[sig-node] Pods should support retrieving logs from the container over websockets [NodeConformance]
    [Conformance]" """
    with log_of(cluster, pods, "", *protocols) as socket:
        assert socket.subprotocol == (protocols[-1] if protocols else None)
        messages = list(socket)
    assert messages[0] == b""
    assert b"".join(each for each in messages if isinstance(each, bytes)) == b"one\ntwo\n"


def test_logs_over_websocket_as_text(cluster: ApiServer, pods: str) -> None:
    with log_of(cluster, pods, "", "base64.binary.k8s.io") as socket:
        messages = list(socket)
    assert messages[0] == ""
    assert b"".join(base64.b64decode(each) for each in messages) == b"one\ntwo\n"


def test_logs_over_websocket_can_be_left(cluster: ApiServer, pods: str) -> None:
    """That nothing is logged of it is seen when the server ends."""
    with log_of(cluster, pods, "&follow=true") as socket:
        seen = b""
        while seen != b"one\ntwo\n":
            message = socket.recv(timeout=60)
            assert isinstance(message, bytes)
            seen += message
    with pytest.raises(InvalidStatus) as refusal, log_of(cluster, pods, "", "other.k8s.io"):
        pass
    assert refusal.value.response.status_code == 403


def test_without_an_upgrade_there_is_nothing_to_pass_on(cluster: ApiServer, pods: str) -> None:
    with cluster.client() as client:
        answer = client.post(f"{pods}/p/exec?container=c&command=ls")
    assert (answer.status_code, answer.json()["message"]) == (400, "Upgrade request required")


def test_a_node_is_found_by_the_preferred_of_its_addresses(tmp_path: Path) -> None:
    started = ApiServer(tmp_path, "--kubelet-preferred-address-types", "ExternalIP,InternalDNS")
    started.start()
    try:
        with started.client() as client:
            place(client, "here", "p", free_port())
            asked = f"{PODS}/p/log?container=c"
            unknown = client.get(asked)
            assert unknown.status_code == 500
            message = "no preferred addresses found; known addresses: [{InternalIP 127.0.0.1}]"
            assert unknown.json()["message"] == message
            node = client.get("/api/v1/nodes/here").json()
            node["status"]["addresses"] += [
                {"type": "InternalDNS", "address": "node.invalid"},
                {"type": "ExternalIP", "address": "127.0.0.2"},
            ]
            assert client.put("/api/v1/nodes/here/status", json=node).status_code == 200
            assert 'Get "https://127.0.0.2:' in client.get(asked).json()["message"]
    finally:
        assert started.stop() == 0


def test_a_kubelet_that_does_not_answer(cluster: ApiServer, pods: str) -> None:
    with cluster.client() as client:
        asked = [
            ("error dialing backend: ", client.post(f"{pods}/lost/exec?container=c&command=ls", headers=UPGRADE)),
            ('Get "https://127.0.0.1:', client.get(f"{pods}/lost/log?container=c")),
        ]
    for begin, answer in asked:
        status = answer.json()
        assert (answer.status_code, status.get("reason", "")) == (500, "")
        assert status["message"].startswith(begin)
        assert re.search(r"dial tcp 127\.0\.0\.1:\d+: connect: connection refused$", status["message"])


def test_kubelets_may_serve_with_certificates_of_another_ca(
    cluster: ApiServer, pods: str, tmp_path: Path, ends_with_test: Callable[[ApiServer], ApiServer]
) -> None:
    """`--kubelet-certificate-authority` says whose; given empty, anybody's, such as one that a kubelet signs itself."""
    other = Authority(tmp_path / "other")
    pair = other.issue("kubelet", "kubelet", hosts=["127.0.0.1"], client=False)
    with serving(pair.certificate, pair.key, cluster.folder / "data/pki/ca.crt") as port, cluster.client() as client:
        place(client, "elsewhere", "apart", port)
        refused = client.get(f"{PODS}/apart/log?container=c")
    assert refused.status_code == 500
    assert refused.json()["message"].endswith("x509: certificate signed by unknown authority")
    client_pair = Authority(tmp_path / "clients").issue("server", "apiserver")
    shown = ("--kubelet-client-certificate", str(client_pair.certificate), "--kubelet-client-key", str(client_pair.key))
    with serving(pair.certificate, pair.key, tmp_path / "clients/ca.crt") as port:
        for ca in ("", str(tmp_path / "other/ca.crt")):
            folder = tmp_path / ("named" if ca else "any")
            folder.mkdir()
            server = ends_with_test(ApiServer(folder, f"--kubelet-certificate-authority={ca}", *shown))
            server.start()
            with server.client() as client:
                place(client, "elsewhere", "apart", port)
                assert client.get(f"{PODS}/apart/log?container=c").text == "one\ntwo\n"
            assert server.stop() == 0
