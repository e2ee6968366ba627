"""HTTPS for front proxies: the API server, which passes requests on in the name of its users.

A hand-made responder, as that of the components' health (client/health.py): a web framework would cost more memory than
all the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from api.core_v1 import ConfigMap
from client.rest import RestClient

CONFIG_MAP = "extension-apiserver-authentication"
_IDLE = 90.0
"""Seconds that a connection without a request stays open."""

Answer = Callable[[str, str], Awaitable[tuple[int, bytes]]]
"""From method and target to status code and JSON."""


@dataclass(frozen=True)
class FrontProxies:
    """Who may pass on requests: certificates of `authority` (PEM), for one of `names` or, without any, for anybody."""

    authority: str
    names: frozenset[str]

    @classmethod
    async def read(cls, client: RestClient) -> FrontProxies:
        """As the API server says it.  Raises StatusError; LookupError where it does not."""
        data = (await client.get(ConfigMap, CONFIG_MAP, "kube-system")).data
        if "requestheader-client-ca-file" not in data:
            raise LookupError(f"the ConfigMap {CONFIG_MAP} names no CA of front proxies")
        names = json.loads(data.get("requestheader-allowed-names") or "[]")
        return cls(data["requestheader-client-ca-file"], frozenset(names))

    def admit(self, transport: asyncio.BaseTransport) -> bool:
        certificate = transport.get_extra_info("peercert") or {}
        subject = [pair for part in certificate.get("subject", ()) for pair in part]
        return not self.names or any(name == "commonName" and value in self.names for name, value in subject)


def tls_context(certificate: Path, key: Path, proxies: FrontProxies) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=proxies.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def serving(
    answer: Answer, proxies: FrontProxies, context: ssl.SSLContext, address: str, port: int
) -> AsyncIterator[int]:
    """Listen until the block ends; the port, a free one where `port` is 0.  Raises OSError when it is taken."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                while await _one(answer, proxies, reader, writer):
                    pass
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()
        except asyncio.CancelledError:
            pass  # nobody waits for a connection but the end below
        finally:
            connections.discard(task)
            writer.transport.abort()  # one that is not closed yet would wait for the other end's farewell

    server = await asyncio.start_server(connected, address, port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [*connections]:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _one(
    answer: Answer, proxies: FrontProxies, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer one request; whether the connection stays open for another."""
    async with asyncio.timeout(_IDLE):
        head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if length := int(headers.get("content-length", "0")):
        await reader.readexactly(length)
    if proxies.admit(writer.transport):
        code, body = await answer(method, target)
    else:
        code, body = 403, b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}'
    keep = headers.get("connection", "").lower() != "close" and "chunked" not in headers.get("transfer-encoding", "")
    writer.write(
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
    )
    if method != "HEAD":
        writer.write(body)
    await writer.drain()
    return keep
