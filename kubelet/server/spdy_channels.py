"""exec and attach over SPDY/3.1: each of the channels (see channels.py) is a stream of its own.

The client opens them, one after the other and each only when the one before has been answered, with the header
`streamType`: error, stdin, stdout, stderr, resize (https://pkg.go.dev/k8s.io/client-go/tools/remotecommand).
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Collection

from kubelet.server.channels import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, Receive, Send
from kubelet.server.spdy import (
    FIN,
    GOAWAY,
    PING,
    RST_STREAM,
    SYN_REPLY,
    SYN_STREAM,
    FrameReader,
    HeaderCodec,
    control_frame,
    data_frame,
)

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_KINDS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
_PATIENCE = 30.0
"""Seconds in which the client has opened its streams."""


class SpdyChannels:
    """One connection; used as `channels.Channels` is."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._codec = HeaderCodec()
        self._frames = FrameReader()
        self._streams: dict[int, int] = {}
        """Channels by stream."""
        self._came: deque[tuple[int, bytes]] = deque()

    async def opened(self, wanted: Collection[int]) -> bool:
        """Wait for the client to open the streams of these channels.  Returns whether it did."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while not set(wanted) <= set(self._streams.values()):
                    if not await self._read():
                        return False
        except TimeoutError:
            return False
        return True

    async def receive(self) -> tuple[int, bytes] | None:
        """(channel, data) of what came next; CLOSE names a stream that has ended; None when the client has left."""
        while not self._came:
            if not await self._read():
                return None
        return self._came.popleft()

    async def send(self, channel: int, data: bytes) -> None:
        stream = next((stream for stream, of in self._streams.items() if of == channel), None)
        if data and stream is not None:
            await self._write(data_frame(stream, data))

    async def close(self) -> None:
        for stream in self._streams:
            await self._write(data_frame(stream, b"", last=True))
        await self._send({"type": "websocket.close"})

    async def _write(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})

    async def _read(self) -> bool:
        """Take in what comes next; False when nothing will."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return False
        for first, flags, body in self._frames.of(message["bytes"]):
            if not first & 0x80000000:
                self._take(first, body, ended=bool(flags & FIN))
            elif first & 0xFFFF == SYN_STREAM:
                await self._open(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF, self._codec.decode(body[10:]))
            elif first & 0xFFFF == PING:
                await self._write(control_frame(PING, body))
            elif first & 0xFFFF == RST_STREAM:
                self._take(struct.unpack_from(">I", body)[0], b"", ended=True)
            elif first & 0xFFFF == GOAWAY:
                return False
        return True

    async def _open(self, stream: int, headers: dict[str, str]) -> None:
        channel = _KINDS.get(headers.get("streamtype", ""))
        if channel is not None:
            self._streams[stream] = channel
        await self._write(control_frame(SYN_REPLY, struct.pack(">I", stream) + self._codec.encode({})))

    def _take(self, stream: int, data: bytes, *, ended: bool) -> None:
        channel = self._streams.get(stream)
        if channel is None:
            return
        if data:
            self._came.append((channel, data))
        if ended:
            self._came.append((CLOSE, bytes((channel,))))
