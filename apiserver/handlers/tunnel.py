"""Upgrades that are not to WebSocket, such as SPDY: the two connections become one, byte by byte."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from apiserver.request import Request, Send

if TYPE_CHECKING:
    import httpx

_READ = 64 * 1024


def upgrade_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """How a target is asked for the protocol that a client wants to speak from now on; empty where it wants none."""
    tokens = [token.strip().lower() for token in request.header("connection").split(",")]
    wanted = request.header("upgrade").encode("latin-1")
    asks = wanted and "upgrade" in tokens and "take_over" in request.scope
    return [(b"connection", b"Upgrade"), (b"upgrade", wanted)] if asks else []


async def tunnel(answer: httpx.Response, request: Request, send: Send) -> None:
    """Pass on that the target has switched protocols, and everything after that, until either side leaves.

    Only after that: an answer that refuses leaves the client with this server, which judges its next request.
    """
    import httpcore

    headers = [(name, value) for name, value in answer.headers.raw if name.lower() != b"audit-id"]
    headers.append((b"Audit-Id", request.audit_id.encode()))
    reader, writer = request.scope["take_over"]()
    # Goes nowhere: those who count and record answers learn of it.
    await send({"type": "http.response.start", "status": HTTPStatus.SWITCHING_PROTOCOLS, "headers": headers})
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
    writer.write(b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n")
    stream: Any = answer.extensions["network_stream"]

    async def to_client() -> None:
        while data := await stream.read(_READ):
            writer.write(data)
            await writer.drain()

    async def to_server() -> None:
        while data := await reader.read(_READ):
            await stream.write(data)

    tasks = [asyncio.create_task(to_client()), asyncio.create_task(to_server())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not isinstance(task.exception(), OSError | httpcore.NetworkError | None):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
