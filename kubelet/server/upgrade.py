"""An HTTP connection that becomes one of SPDY/3.1, which client-go speaks where it does not speak WebSocket.

What the client and the server say from then on is told in ASGI's words for WebSockets, without the messages' bounds:
whoever reads them takes bytes as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from kubelet.server.channels import Message, Receive, Send

_READ = 64 * 1024
_VERSION = b"x-stream-protocol-version"


def wants_spdy(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request asks for it and its connection can be taken over (`UpgradableProtocol`)."""
    asked = {value.strip().lower() for name, value in scope.get("headers", ()) if name == b"upgrade"}
    return b"spdy/3.1" in asked and "take_over" in scope


def offered_protocols(scope: MutableMapping[str, Any]) -> list[str]:
    """What the client can speak inside, best first."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == _VERSION]
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


@contextlib.asynccontextmanager
async def switched(scope: MutableMapping[str, Any], protocol: str) -> AsyncIterator[tuple[Receive, Send]]:
    """Accept; `protocol` is what is spoken inside.  The connection ends with the context."""
    reader, writer = scope["take_over"]()
    head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: SPDY/3.1"]
    writer.write("\r\n".join([*head, f"X-Stream-Protocol-Version: {protocol}", "", ""]).encode("latin-1"))

    async def receive() -> Message:
        try:
            data = await reader.read(_READ)
        except OSError:
            data = b""
        return {"type": "websocket.receive", "bytes": data} if data else {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            writer.close()
        elif not writer.is_closing():
            writer.write(message["bytes"])
            await writer.drain()

    try:
        yield receive, send
    finally:
        writer.close()


def taken_over(
    transport: asyncio.Transport, opened: set[asyncio.Transport]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose HTTP protocol has no more to do with it; one of `opened` until it is lost."""

    class Protocol(asyncio.StreamReaderProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            opened.discard(transport)

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = Protocol(reader)
    protocol.connection_made(transport)
    transport.set_protocol(protocol)
    opened.add(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
