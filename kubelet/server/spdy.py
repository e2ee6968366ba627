"""As much of SPDY/3.1 as Kubernetes' clients speak, and `kubectl port-forward` inside its WebSocket (KEP-4006): the
server's side.

For each forwarded connection the client opens two streams with one request id: `streamType: error`, then `data`, both
with the `port`.  What goes wrong is written to the first; bytes flow in the second.  Flow-control windows are not used
by either side (the Go implementation on the other end ignores them, too); a full WebSocket is what slows us down.
Format: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.runtime.protocol import RuntimeFailure

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
_PROTOCOL_ERROR = 1

_NAMES = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow|"
    "authorization|cache-control|connection|content-base|content-encoding|content-language|content-length|"
    "content-location|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|"
    "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|"
    "proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|"
    "user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|"
    "keep-alive|origin"
)
_VALUES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset="
    "iso-8859-1,utf-,*,enq=0."
)
# What both ends' compressors have "seen" before the first header (section 2.6.10.1 of the draft).
DICTIONARY = b"".join(struct.pack(">I", len(name)) + name.encode() for name in _NAMES.split("|")) + _VALUES.encode()


def control_frame(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body


def data_frame(stream: int, data: bytes, *, last: bool = False) -> bytes:
    return struct.pack(">II", stream, (FIN if last else 0) << 24 | len(data)) + data


class HeaderCodec:
    """One connection's two compression contexts."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def encode(self, headers: dict[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for pair in headers.items():
            for text in pair:
                block += struct.pack(">I", len(text.encode())) + text.encode()
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def decode(self, data: bytes) -> dict[str, str]:
        block = self._inflate.decompress(data)
        (count,) = struct.unpack_from(">I", block)
        position, texts = 4, []
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", block, position)
            texts.append(block[position + 4 : position + 4 + length].decode())
            position += 4 + length
        return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}


class FrameReader:
    """Finds the frames in bytes as they come."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The first word (of a control frame its kind, with the highest bit set; else the stream), flags and body."""
        self._rest += data
        while len(self._rest) >= 8:
            first, second = struct.unpack_from(">II", self._rest)
            end = 8 + (second & 0xFFFFFF)
            if len(self._rest) < end:
                return
            body, self._rest = self._rest[8:end], self._rest[end:]
            yield first, second >> 24, body


@dataclass
class _Connection:
    """One forwarded connection: its two streams, and what came for it before it stood."""

    port: int
    error: int = 0
    data: int = 0
    input: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(64))


class SpdyForwarder:
    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        connect: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    ) -> None:
        self._receive = receive
        self._send = send
        self._connect = connect
        self._codec = HeaderCodec()
        self._connections: dict[str, _Connection] = {}
        self._by_stream: dict[int, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the client leaves."""
        frames = FrameReader()
        try:
            while (message := await self._receive())["type"] != "websocket.disconnect":
                for frame in frames.of(message.get("bytes") or b""):
                    if not await self._frame(*frame):
                        return
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})

    async def _frame(self, first: int, flags: int, body: bytes) -> bool:
        """False when the client says goodbye."""
        if not first & 0x80000000:
            connection = self._by_stream.get(first)
            if connection is not None and connection.data == first:
                if body:
                    await connection.input.put(body)
                if flags & FIN:
                    await connection.input.put(b"")
            return True
        kind = first & 0xFFFF
        if kind == SYN_STREAM:
            await self._open(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF, self._codec.decode(body[10:]))
        elif kind == PING:
            await self._write(control_frame(PING, body))
        elif kind == RST_STREAM:
            connection = self._by_stream.get(struct.unpack_from(">I", body)[0])
            if connection is not None:
                await connection.input.put(b"")
        return kind != GOAWAY

    async def _open(self, stream: int, headers: dict[str, str]) -> None:
        port, request = headers.get("port", ""), headers.get("requestid", "")
        if not port.isdigit():
            await self._write(control_frame(RST_STREAM, struct.pack(">II", stream, _PROTOCOL_ERROR)))
            return
        await self._write(control_frame(SYN_REPLY, struct.pack(">I", stream) + self._codec.encode({})))
        connection = self._connections.setdefault(request, _Connection(int(port)))
        self._by_stream[stream] = connection
        if headers.get("streamtype") == "error":
            connection.error = stream
        else:
            connection.data = stream
        if connection.error and connection.data:
            del self._connections[request]
            task = asyncio.create_task(self._forward(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, connection: _Connection) -> None:
        try:
            try:
                reader, writer = await self._connect(connection.port)
            except (OSError, RuntimeFailure) as error:
                text = f"error forwarding port {connection.port} to pod: {error}"
                await self._write(data_frame(connection.error, text.encode()))
                return
            sending = asyncio.create_task(send_input(connection.input, writer))
            try:
                with contextlib.suppress(OSError):
                    while data := await reader.read(32768):
                        await self._write(data_frame(connection.data, data))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                writer.close()
        finally:
            for stream in (connection.data, connection.error):
                self._by_stream.pop(stream, None)
                await self._write(data_frame(stream, b"", last=True))


async def send_input(queue: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    """What the client sent, to the pod; empty bytes are the end."""
    with contextlib.suppress(OSError):
        while data := await queue.get():
            writer.write(data)
            await writer.drain()
        writer.write_eof()
