"""The kubelet's HTTPS server, over real TLS, in front of real containers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from api.clock import SystemClock
from kubelet.runtime.protocol import ContainerState
from kubelet.server.app import KubeletApp
from kubelet.server.backend import ContainerReference, PodStats, UnknownContainer
from kubelet.server.serve import serve
from kubelet.server.spdy import HeaderCodec, control_frame, data_frame
from tests.kubelet_runtime.conftest import Bench

NAMES = x509.NameOID


class Authority:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NAMES.COMMON_NAME, "test-ca")])
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)
        (directory / "ca.crt").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self.name, name, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(addresses, critical=False)
        return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(
            self.key, hashes.SHA256()
        )

    def issue(self, name: str, group: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(NAMES.ORGANIZATION_NAME, group), x509.NameAttribute(NAMES.COMMON_NAME, name)]
        )
        certificate, private = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        signed = self._sign(subject, key.public_key(), ca=False)
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
        private.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        return certificate, private


class Backend:
    """Pods of namespace "default" by sandbox id, their containers by container id."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def find_container(
        self, namespace: str, pod: str, container: str, *, uid: str = "", previous: bool = False
    ) -> ContainerReference:
        try:
            status = await self.bench.status(container)
        except Exception:
            raise UnknownContainer(f"pod {pod}_{namespace} not found") from None
        running = status.state is ContainerState.RUNNING
        return ContainerReference(status.id, status.log_path, running, status.config.tty, status.config.stdin)

    async def wait_finished(self, container_id: str) -> None:
        await self.bench.ended(container_id)

    async def find_sandbox(self, namespace: str, pod: str, *, uid: str = "") -> str:
        return pod

    def pods_json(self) -> bytes:
        return b'{"kind":"PodList"}'

    async def pod_stats(self, node: str = "") -> list[PodStats]:
        return [PodStats("default", "web", "uid", {"main": s}) for s in await self.bench.runtime.container_stats()]

    def healthy(self) -> bool:
        return True

    def metrics_text(self) -> str:
        return "kubelet_running_pods 1\n"


class Client:
    def __init__(self, port: int, directory: Path, certificate: tuple[Path, Path] | None) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        if certificate is not None:
            self.context.load_cert_chain(*certificate)
        self.left: list[ssl.SSLSocket] = []
        """Connections to close once the server has ended."""
        self.http = httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}", verify=self.context, trust_env=False, timeout=60
        )

    def websocket(self, path: str, *protocols: Any) -> connect:
        return connect(
            f"wss://127.0.0.1:{self.port}{path}", ssl=self.context, subprotocols=protocols, max_size=None, proxy=None
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def client(bench: Bench, authority: Authority) -> AsyncIterator[Client]:
    certificate, key = authority.issue("node-1", "system:nodes")
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = KubeletApp(Backend(bench), bench.runtime, SystemClock(), "node-1")
    ca = authority.directory / "ca.crt"
    serving = asyncio.ensure_future(
        serve(app, certificate=certificate, key=key, client_ca=ca, address="127.0.0.1", port=0, ready=port.set_result)
    )
    client = Client(await port, authority.directory, authority.issue("apiserver", "system:masters"))
    yield client
    await client.http.aclose()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):  # and no other: whatever the clients do, it ends in order
        await serving
    for left in client.left:
        left.close()


async def test_health_pods_metrics_and_stats(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    assert (await client.http.get("/healthz")).text == "ok"
    assert (await client.http.get("/pods")).json() == {"kind": "PodList"}
    assert "kubelet_running_pods" in (await client.http.get("/metrics")).text
    stats = (await client.http.get("/stats/summary")).json()
    assert stats["node"]["nodeName"] == "node-1"
    text = (await client.http.get("/metrics/resource")).text
    assert '\ncontainer_memory_working_set_bytes{container="main",namespace="default",pod="web"} ' in text
    assert "\n# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total " in text
    assert stats["pods"][0]["containers"][0]["memory"]["workingSetBytes"] > 0
    assert (await client.http.get("/nonsense")).status_code == 404
    assert (await client.http.get(f"/exec/default/web/{container}")).status_code == 400


async def test_who_is_not_the_apiserver_gets_nothing(client: Client, authority: Authority) -> None:
    other = Client(client.port, authority.directory, authority.issue("somebody", "developers"))
    assert (await other.http.get("/pods")).status_code == 403
    with pytest.raises(InvalidStatus):
        await other.websocket("/exec/default/web/main?command=id&output=1", "v5.channel.k8s.io")
    await other.http.aclose()
    nobody = Client(client.port, authority.directory, None)
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        await nobody.http.get("/healthz")
    await nobody.http.aclose()


async def test_logs(client: Client, bench: Bench) -> None:
    container = await bench.run("sh", "-c", "for i in 1 2 3; do echo line $i; done")
    await bench.ended(container)
    path = f"/containerLogs/default/web/{container}"
    assert (await client.http.get(path)).text == "line 1\nline 2\nline 3\n"
    assert (await client.http.get(path, params={"tailLines": 1})).text == "line 3\n"
    assert (await client.http.get(path, params={"sinceSeconds": 100, "limitBytes": 3})).text == "lin"
    assert (await client.http.get(path, params={"sinceTime": "2999-01-01T00:00:00Z"})).text == ""
    assert (await client.http.get(path, params={"tailLines": "x"})).status_code == 400
    missing = await client.http.get("/containerLogs/default/web/none")
    assert (missing.status_code, missing.text) == (404, "pod web_default not found")


async def test_logs_are_followed_to_the_containers_end(client: Client, bench: Bench) -> None:
    container = await bench.run("sh", "-c", "echo first; read x; echo last", stdin=True)
    text = ""
    async with client.http.stream("GET", f"/containerLogs/default/web/{container}?follow=true") as answer:
        async for piece in answer.aiter_text():
            text += piece
            if text == "first\n":
                session = await bench.runtime.attach(container, stdin=True)
                await session.write_stdin(b"\n")
                await session.aclose()
    assert text == "first\nlast\n"


async def messages(socket: ClientConnection) -> list[tuple[int, bytes]]:
    async with asyncio.timeout(60):
        return [(data[0], data[1:]) async for data in socket if isinstance(data, bytes)]


def joined(received: list[tuple[int, bytes]], channel: int) -> bytes:
    return b"".join(data for number, data in received if number == channel)


async def test_exec_over_websocket(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    script = "echo+out;echo+err+>%262;exit+3"
    path = f"/exec/default/web/{container}?command=sh&command=-c&command={script}&output=1&error=1"
    for protocol in ("v5.channel.k8s.io", "v4.channel.k8s.io"):
        async with client.websocket(path, protocol) as socket:
            assert socket.subprotocol == protocol
            received = await messages(socket)
        assert received[0] == (1, b"")
        assert (joined(received, 1), joined(received, 2)) == (b"out\n", b"err\n")
        status = json.loads(joined(received, 3))
        assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        assert socket.close_code == 1000


async def test_who_leaves_without_a_goodbye_to_tls_does_not_keep_the_server(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")

    def leave() -> None:
        connection = client.context.wrap_socket(
            socket.create_connection(("127.0.0.1", client.port), 60), server_hostname="127.0.0.1"
        )
        client.left.append(connection)
        lines = [f"GET /exec/default/web/{container}?command=cat&input=1&output=1 HTTP/1.1", "Host: node"]
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: v5.channel.k8s.io"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        connection.sendall(b"\x88\x80\0\0\0\0")  # the WebSocket is closed
        while connection.recv(65536):
            pass

    await asyncio.to_thread(leave)


async def test_exec_with_stdin_and_its_end(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    path = f"/exec/default/web/{container}?command=cat&input=1&output=1"
    async with client.websocket(path, "v5.channel.k8s.io") as socket:
        await socket.send(b"\0some text")
        await socket.send(bytes((255, 0)))
        received = await messages(socket)
    assert joined(received, 1) == b"some text"
    assert json.loads(joined(received, 3)) == {"metadata": {}, "status": "Success"}


async def test_exec_with_a_terminal(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    path = f"/exec/default/web/{container}?command=sh&command=-c&command=read+x;stty+size&input=1&output=1&tty=1"
    async with client.websocket(path, "v5.channel.k8s.io") as socket:
        await socket.send(b"\4" + json.dumps({"Width": 120, "Height": 33}).encode())
        await socket.send(b"\0go\n")
        received = await messages(socket)
    assert joined(received, 1).endswith(b"33 120\r\n")


async def test_exec_that_cannot_start(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    async with client.websocket(f"/exec/default/web/{container}?command=none&output=1", "v5.channel.k8s.io") as socket:
        status = json.loads(joined(await messages(socket), 3))
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    assert 'exec: "none": executable file not found in $PATH' in status["message"]


async def test_what_cannot_be_streamed_is_refused_before_the_upgrade(client: Client, bench: Bench) -> None:
    ended = await bench.run("true")
    await bench.ended(ended)
    for path, protocol, code in (
        (f"/exec/default/web/{ended}?command=id&output=1", "v5.channel.k8s.io", 500),
        ("/exec/default/web/none?command=id&output=1", "v5.channel.k8s.io", 404),
        (f"/exec/default/web/{await bench.run('sleep', '1000')}?command=id&output=1", "v9.channel.k8s.io", 400),
    ):
        with pytest.raises(InvalidStatus) as caught:
            await client.websocket(path, protocol)
        assert caught.value.response.status_code == code


async def test_attach_over_websocket(client: Client, bench: Bench) -> None:
    container = await bench.run("sh", "-c", "read x; echo got $x; exit 5", stdin=True)
    path = f"/attach/default/web/{container}?input=1&output=1&error=1"
    async with client.websocket(path, "v5.channel.k8s.io") as socket:
        await socket.send(b"\0word\n")
        received = await messages(socket)
    assert joined(received, 1) == b"got word\n"
    assert json.loads(joined(received, 3))["status"] == "Success"


@pytest.fixture
async def echo(bench: Bench) -> AsyncIterator[tuple[str, int]]:
    """A sandbox, and a port that answers with what it was sent."""
    sandbox = await bench.sandbox()
    address = (await bench.runtime.list_sandboxes())[-1].ips[0]

    busy: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, address, 0)
    yield sandbox, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await asyncio.wait_for(asyncio.gather(*(task for task in busy if task)), 60)


async def test_port_forward_in_channels(client: Client, echo: tuple[str, int]) -> None:
    sandbox, port = echo
    async with client.websocket(f"/portForward/default/{sandbox}?port={port},1", "v4.channel.k8s.io") as socket:
        heads = [await socket.recv() for _ in range(4)]
        assert heads == [bytes((i,)) + struct.pack("<H", port if i < 2 else 1) for i in range(4)]
        await socket.send(b"\0ping")
        seen = {await socket.recv(), await socket.recv()}
    assert b"\0ping" in seen
    assert any(isinstance(data, bytes) and data.startswith(b"\3error forwarding port 1") for data in seen)


async def test_port_forward_as_kubectl_does_it(client: Client, echo: tuple[str, int]) -> None:
    sandbox, port = echo
    codec = HeaderCodec()

    def open_stream(stream: int, kind: str, target: int) -> bytes:
        headers = codec.encode({"streamtype": kind, "port": str(target), "requestid": str(stream // 4)})
        return control_frame(1, struct.pack(">IIH", stream, 0, 0) + headers)

    async with client.websocket(f"/portForward/default/{sandbox}", "spdy-3.1.portforward.k8s.io") as socket:
        frames = open_stream(1, "error", port) + open_stream(3, "data", port) + data_frame(3, b"ping")
        await socket.send(frames[:20])
        await socket.send(frames[20:])
        received = b""
        async with asyncio.timeout(60):
            while data_frame(3, b"ping") not in received:
                received += await socket.recv()  # type: ignore[operator]
            assert received.count(struct.pack(">HH", 0x8003, 2)) == 2  # SYN_REPLY
            await socket.send(data_frame(3, b"", last=True))
            while data_frame(3, b"", last=True) not in received:
                received += await socket.recv()  # type: ignore[operator]
            await socket.send(open_stream(5, "error", 1) + open_stream(7, "data", 1))
            while b"error forwarding port 1" not in received:
                received += await socket.recv()  # type: ignore[operator]
            await socket.send(control_frame(6, b"\0\0\0\7"))
            while control_frame(6, b"\0\0\0\7") not in received:
                received += await socket.recv()  # type: ignore[operator]
