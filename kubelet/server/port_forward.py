"""Port-forward over WebSocket: for each port a channel for data (even) and one for errors (odd), each beginning with
the port's number in two bytes, little end first (subprotocol v4.channel.k8s.io), or kubectl's own way, SPDY frames
inside the WebSocket (SPDY/3.1+portforward.k8s.io, KEP-4006: see spdy.py)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from kubelet.runtime.protocol import RuntimeFailure
from kubelet.server.channels import Channels, Receive, Send
from kubelet.server.spdy import SpdyForwarder, send_input

Connect = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

# The second is what our apiserver asks for when a client asked it for the first: that is no token of HTTP's, and many
# WebSocket libraries refuse it.
_TUNNELS = ("SPDY/3.1+portforward.k8s.io", "spdy-3.1.portforward.k8s.io")
_CHANNELS = "v4.channel.k8s.io"


async def serve(
    scope: MutableMapping[str, Any], receive: Receive, send: Send, ports: list[str], connect: Connect
) -> None:
    """Forward until the client leaves.  `connect` raises RuntimeFailure or OSError."""
    offered = scope.get("subprotocols") or []
    tunnel = next((name for name in _TUNNELS if name in offered), None)
    if tunnel is not None:
        await send({"type": "websocket.accept", "subprotocol": tunnel})
        await SpdyForwarder(receive, send, connect).run()
        return
    await send({"type": "websocket.accept", "subprotocol": _CHANNELS if _CHANNELS in offered else None})
    numbers = [int(port) for text in ports for port in text.split(",") if port.isdigit()]
    await _Forwarder(Channels(receive, send), numbers, connect).run()


class _Forwarder:
    def __init__(self, channels: Channels, ports: list[int], connect: Connect) -> None:
        self._channels = channels
        self._ports = ports
        self._connect = connect

    async def run(self) -> None:
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                await self._channels.send(channel, struct.pack("<H", port))
        inputs: list[asyncio.Queue[bytes]] = [asyncio.Queue(64) for _ in self._ports]
        copies = [
            asyncio.ensure_future(self._copy(*item))
            for item in zip(range(len(inputs)), self._ports, inputs, strict=True)
        ]
        try:
            while (message := await self._channels.receive()) is not None:
                channel, data = message
                if channel % 2 == 0 and channel // 2 < len(inputs) and not copies[channel // 2].done():
                    await inputs[channel // 2].put(data)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)

    async def _copy(self, index: int, port: int, incoming: asyncio.Queue[bytes]) -> None:
        try:
            reader, writer = await self._connect(port)
        except (OSError, RuntimeFailure) as error:
            await self._channels.send(2 * index + 1, f"error forwarding port {port} to pod: {error}".encode())
            return
        sending = asyncio.ensure_future(send_input(incoming, writer))
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    await self._channels.send(2 * index, data)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()
