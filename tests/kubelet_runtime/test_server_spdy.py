"""exec, attach and port-forward over SPDY/3.1, as client-go speaks it where it speaks no WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections import defaultdict
from collections.abc import AsyncIterator

from kubelet.runtime.protocol import ContainerState
from kubelet.server.spdy import FIN, FrameReader, HeaderCodec, control_frame, data_frame
from tests.kubelet_runtime.conftest import Bench
from tests.kubelet_runtime.test_server import Client, authority, client, echo

__all__ = ["authority", "client", "echo"]

_SYN_STREAM, _SYN_REPLY, _PING, _GOAWAY = 1, 2, 6, 7


class Spdy:
    """The client's side of a connection; every frame that came is in `data`, by stream, or in `control`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._codec, self._frames = HeaderCodec(), FrameReader()
        self._streams = 0
        self.data: defaultdict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.control: list[tuple[int, bytes]] = []

    async def open(self, **headers: str) -> int:
        """A new stream, once it has been answered."""
        stream = self._streams * 2 + 1
        self._streams += 1
        self.write(control_frame(_SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._codec.encode(headers)))
        while sum(kind == _SYN_REPLY for kind, _ in self.control) < self._streams:
            await self.take_in()
        return stream

    async def opened(self, *kinds: str, **headers: str) -> list[int]:
        return [await self.open(streamtype=kind, **headers) for kind in kinds]

    def write(self, frame: bytes) -> None:
        self._writer.write(frame)

    async def take_in(self) -> bool:
        """False at the end of the connection."""
        async with asyncio.timeout(60):
            data = await self._reader.read(65536)
        for first, flags, body in self._frames.of(data):
            if first & 0x80000000:
                self.control.append((first & 0xFFFF, body))
            else:
                self.data[first] += body
                if flags & FIN:
                    self.ended.add(first)
        return bool(data)

    async def until_over(self) -> None:
        while await self.take_in():
            pass


@contextlib.asynccontextmanager
async def upgraded(client: Client, path: str, *protocols: str) -> AsyncIterator[Spdy]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, ssl=client.context)
    try:
        lines = [f"POST {path} HTTP/1.1", "Host: node", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0"]
        lines += [f"X-Stream-Protocol-Version: {name}" for name in protocols]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().split("\r\n")
        assert head[0] == "HTTP/1.1 101 Switching Protocols"
        assert f"X-Stream-Protocol-Version: {protocols[0]}" in head
        yield Spdy(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):  # of a kubelet that hung up at once
            await asyncio.wait_for(writer.wait_closed(), 60)


async def test_exec(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    path = (
        f"/exec/default/web/{container}?command=sh&command=-c&command=cat;echo+err>%262;exit+3&input=1&output=1&error=1"
    )
    async with upgraded(client, path, "v4.channel.k8s.io", "v3.channel.k8s.io") as spdy:
        error, stdin, stdout, stderr = [
            await spdy.open(streamtype=kind) for kind in ("error", "stdin", "stdout", "stderr")
        ]
        spdy.write(control_frame(_PING, b"\0\0\0\7"))
        word = b"x" * 200_000
        spdy.write(data_frame(stdin, word) + data_frame(stdin, b"", last=True))
        await spdy.until_over()
    assert (spdy.data[stdout], spdy.data[stderr]) == (word, b"err\n")
    status = json.loads(spdy.data[error])
    assert (status["reason"], status["details"]["causes"][0]["message"]) == ("NonZeroExitCode", "3")
    assert {error, stdout, stderr} <= spdy.ended
    assert (_PING, b"\0\0\0\7") in spdy.control


async def test_a_terminal_has_a_size(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    command = "&".join(f"command={word}" for word in ("sh", "-c", "read+x;stty+size"))
    async with upgraded(
        client, f"/exec/default/web/{container}?{command}&input=1&output=1&tty=1", "v4.channel.k8s.io"
    ) as spdy:
        error, stdin, stdout, resize = [
            await spdy.open(streamtype=kind) for kind in ("error", "stdin", "stdout", "resize")
        ]
        spdy.write(data_frame(resize, b'{"Width":100,"Height":40}\n'))
        spdy.write(data_frame(stdin, b"go\n"))
        await spdy.until_over()
    assert b"40 100" in spdy.data[stdout]
    assert json.loads(spdy.data[error])["status"] == "Success"


async def test_attach_ends_with_the_client(client: Client, bench: Bench) -> None:
    container = await bench.run("sh", "-c", "read x; echo got $x; sleep 1000", stdin=True)
    async with upgraded(client, f"/attach/default/web/{container}?input=1&output=1", "v4.channel.k8s.io") as spdy:
        _, stdin, stdout = await spdy.opened("error", "stdin", "stdout")
        spdy.write(data_frame(stdin, b"word\n"))
        while spdy.data[stdout] != b"got word\n":
            assert await spdy.take_in()
        spdy.write(control_frame(_GOAWAY, b"\0" * 8))
        await spdy.until_over()
    assert (await bench.status(container)).state is ContainerState.RUNNING


async def test_port_forward(client: Client, echo: tuple[str, int]) -> None:
    sandbox, port = echo
    async with upgraded(client, f"/portForward/default/{sandbox}", "portforward.k8s.io") as spdy:
        error, data = await spdy.opened("error", "data", port=str(port), requestid="0")
        spdy.write(data_frame(data, b"ping"))
        spdy.write(data_frame(data, b"", last=True))
        while not {error, data} <= spdy.ended:
            assert await spdy.take_in()
    assert (spdy.data[data], spdy.data[error]) == (b"ping", b"")


async def test_what_cannot_be_is_said_before_the_upgrade(client: Client, bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    url = f"/exec/default/web/{container}?command=ls&output=1"
    unknown = await client.http.post(url, headers=upgrade | {"X-Stream-Protocol-Version": "v9.channel.k8s.io"})
    assert unknown.status_code == 403
    assert "unable to negotiate protocol" in unknown.text
    assert (await client.http.post(url.replace("output=1", ""), headers=upgrade)).status_code == 400
    assert (await client.http.post("/exec/default/web/none?command=ls&output=1", headers=upgrade)).status_code == 404
    assert (await client.http.post(url, headers={"Connection": "Upgrade", "Upgrade": "else"})).status_code == 400
