"""The userspace mode on this machine's own loopback addresses: no root."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from api.clock import ManualClock, SystemClock
from proxy.service_map import PortRules
from proxy.tcp_relay import Side
from proxy.userspace import Userspace
from tests.client.waiting import eventually
from tests.ports import free_port
from tests.proxy.objects import mapped, service, slice_of

CLUSTER_IP = "127.1.10.10"


@contextlib.asynccontextmanager
async def answering(ip: str, port: int = 0) -> AsyncIterator[int]:
    """A server that greets with its own address, then echoes until the end of input."""

    busy: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            writer.write(f"{ip}\n".encode())
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, ip, port)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.wait_for(asyncio.gather(*(task for task in busy if task)), 60)


async def who(ip: str, port: int, source: str = "127.0.0.1") -> str:
    """Which endpoint answers."""
    reader, writer = await asyncio.open_connection(ip, port, local_addr=(source, 0))
    line = (await reader.readline()).decode().strip()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return line


@pytest.fixture
async def proxy() -> AsyncIterator[Userspace]:
    mode = Userspace(SystemClock(), nodeport_addresses=("127.0.0.1",))
    yield mode
    await mode.remove()
    await asyncio.sleep(0)


async def test_balancing_between_endpoints(proxy: Userspace) -> None:
    async with answering("127.1.0.1") as port, answering("127.1.0.2", port):
        node_port = free_port()
        slices = slice_of("web", "127.1.0.1", "127.1.0.2", port=port)
        objects = service(ip=CLUSTER_IP, port=8080, node_port=node_port), slices
        assert await proxy.apply(mapped(*objects))
        assert not await proxy.apply(mapped(*objects))
        assert {await who(CLUSTER_IP, 8080) for _ in range(4)} == {"127.1.0.1", "127.1.0.2"}
        assert {await who("127.0.0.1", node_port) for _ in range(4)} == {"127.1.0.1", "127.1.0.2"}


async def test_affinity_by_client_address_until_it_times_out() -> None:
    clock = ManualClock()
    proxy = Userspace(clock)
    sticky = service(
        ip=CLUSTER_IP,
        port=8081,
        sessionAffinity="ClientIP",
        sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10}},
    )
    try:
        async with answering("127.1.0.1") as port, answering("127.1.0.2", port):
            await proxy.apply(mapped(sticky, slice_of("web", "127.1.0.1", "127.1.0.2", port=port)))
            first = await who(CLUSTER_IP, 8081, "127.0.0.5")
            assert {await who(CLUSTER_IP, 8081, "127.0.0.5") for _ in range(5)} == {first}
            others = {await who(CLUSTER_IP, 8081, f"127.0.0.{i}") for i in range(6, 12)}
            assert len(others) == 2
            await clock.advance(11)
            assert len({await who(CLUSTER_IP, 8081, f"127.0.0.{i}") for i in range(6, 12)}) == 2
    finally:
        await proxy.remove()


async def test_an_endpoint_that_does_not_answer_is_passed_over(proxy: Userspace) -> None:
    async with answering("127.1.0.1") as port:
        slices = slice_of("web", "127.1.0.1", "127.1.0.9", port=port)
        await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8082), slices))
        assert {await who(CLUSTER_IP, 8082) for _ in range(4)} == {"127.1.0.1"}


async def test_without_endpoints_connections_are_refused(proxy: Userspace) -> None:
    plain = service(ip=CLUSTER_IP, port=8083)
    await proxy.apply(mapped(plain))
    with pytest.raises(ConnectionRefusedError):
        await who(CLUSTER_IP, 8083)
    async with answering("127.1.0.1") as port:
        await proxy.apply(mapped(plain, slice_of("web", "127.1.0.1", port=port)))
        assert await who(CLUSTER_IP, 8083) == "127.1.0.1"
        await proxy.apply(mapped(plain))
        with pytest.raises(ConnectionRefusedError):
            await who(CLUSTER_IP, 8083)


async def test_when_no_endpoint_answers_the_connection_is_reset(proxy: Userspace) -> None:
    await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8084), slice_of("web", "127.1.0.9", port=free_port())))
    with pytest.raises(ConnectionResetError):
        await who(CLUSTER_IP, 8084)


async def test_clients_that_speak_first_are_heard(proxy: Userspace) -> None:
    async with answering("127.1.0.1") as port:
        await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8088), slice_of("web", "127.1.0.1", port=port)))
        for _ in range(20):
            with socket.create_connection((CLUSTER_IP, 8088)) as client:  # all is sent before the proxy gets a turn
                client.sendall(b"early\n")
                client.shutdown(socket.SHUT_WR)
                client.setblocking(False)
                reader, writer = await asyncio.open_connection(sock=client.dup())
                assert await read_all(reader) == b"127.1.0.1\nearly\n"
                writer.close()
                await writer.wait_closed()


async def test_endpoints_that_speak_and_hang_up_first_are_heard(proxy: Userspace) -> None:
    def serve(listener: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.sendall(b"first!")
                connection.close()

    stop = threading.Event()
    with socket.create_server(("127.1.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener, stop))
        thread.start()
        slices = slice_of("web", "127.1.0.1", port=listener.getsockname()[1])
        await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8089), slices))
        for _ in range(300):
            reader, writer = await asyncio.open_connection(CLUSTER_IP, 8089)
            assert await asyncio.wait_for(read_all(reader), 60) == b"first!"
            writer.close()
            await writer.wait_closed()
        stop.set()
        thread.join()


async def test_ends_that_are_both_finished_before_they_are_joined() -> None:
    """A client and an endpoint that hang up at once: nothing else will tell that they are done."""
    sides = []
    for _ in range(2):
        inner, end = socket.socketpair()
        end.close()
        _, side = await asyncio.get_running_loop().create_connection(Side, sock=inner)
        await eventually(lambda side=side: side._ended)
        sides.append(side)
    sides[0].join(sides[1])
    await eventually(lambda: all(side.transport is not None and side.transport.is_closing() for side in sides))
    await asyncio.sleep(0)


async def test_large_transfers_arrive_whole_and_half_closed_connections_go_on(proxy: Userspace) -> None:
    payload = os.urandom(1 << 22)
    async with answering("127.1.0.1") as port:
        await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8085), slice_of("web", "127.1.0.1", port=port)))
        reader, writer = await asyncio.open_connection(CLUSTER_IP, 8085)
        await reader.readline()

        async def send() -> None:
            writer.write(payload)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        assert await read_all(reader) == payload
        await sending
        writer.close()
        await writer.wait_closed()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while data := await reader.read(1 << 16):
        parts.append(data)
    return b"".join(parts)


async def test_connections_outlive_the_removal_of_their_endpoint(proxy: Userspace) -> None:
    async with answering("127.1.0.1") as port, answering("127.1.0.2", port):
        plain = service(ip=CLUSTER_IP, port=8086)
        await proxy.apply(mapped(plain, slice_of("web", "127.1.0.1", port=port)))
        reader, writer = await asyncio.open_connection(CLUSTER_IP, 8086)
        assert await reader.readline() == b"127.1.0.1\n"
        await proxy.apply(mapped(plain, slice_of("web", "127.1.0.2", port=port)))
        assert await who(CLUSTER_IP, 8086) == "127.1.0.2"
        await proxy.apply(mapped())
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()
        await writer.wait_closed()


async def test_udp(proxy: Userspace) -> None:
    loop = asyncio.get_running_loop()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: object) -> None:
            self.transport.sendto(b"echo " + data, address)  # type: ignore[attr-defined]

    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.1.0.1", 0))
    port = server.get_extra_info("sockname")[1]
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: object) -> None:
            answers.put_nowait(data)

    slices = slice_of("web", "127.1.0.1", port=port, protocol="UDP")
    await proxy.apply(mapped(service(ip=CLUSTER_IP, port=8087, protocol="UDP"), slices))
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=(CLUSTER_IP, 8087))
    for word in (b"one", b"two"):
        client.sendto(word)
        assert await asyncio.wait_for(answers.get(), 60) == b"echo " + word
    client.close()
    server.close()


@pytest.mark.parametrize(
    ("ip", "words"),
    [("192.0.2.1", "service range must be part of 127.0.0.0/8"), ("127.1.10.11", "another program uses the port")],
)
async def test_what_cannot_be_listened_on_is_said_once(ip: str, words: str) -> None:
    said: list[str] = []

    def problem(rules: PortRules, message: str) -> None:
        said.append(f"{rules.label}: {message}")

    proxy = Userspace(SystemClock(), on_problem=problem)
    async with answering("127.1.10.11") as port:
        objects = service(ip=ip, port=port), slice_of("web", "127.1.0.1")
        await proxy.apply(mapped(*objects))
        await proxy.apply(mapped(*objects))
    await proxy.remove()
    (message,) = said
    assert message.startswith(f"default/web:http: cannot listen on {ip}:{port}: ")
    assert words in message
