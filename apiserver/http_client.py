"""httpx clients for calls that are given up at a deadline of their own.

httpcore closes a connection when connecting to it fails or takes too long by httpx's own clock, but not when the caller
is cancelled in the midst of the TLS handshake: such a connection would stay open for as long as the other side likes.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping

import httpcore
import httpx
from httpcore._backends.anyio import AnyIOBackend, AnyIOStream


def http_client(
    verify: ssl.SSLContext,
    *,
    timeout: httpx.Timeout | None,
    limits: httpx.Limits | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.AsyncClient:
    """One that goes through no proxy, and whose calls may be cancelled at any moment."""
    limits = limits or httpx.Limits(max_connections=100, max_keepalive_connections=20)  # httpx's own
    transport = httpx.AsyncHTTPTransport(verify=verify, limits=limits, trust_env=False)
    transport._pool._network_backend = _Backend()  # httpx passes none on
    return httpx.AsyncClient(transport=transport, timeout=timeout, headers=headers, trust_env=False)


class _Backend(AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream._stream) if isinstance(stream, AnyIOStream) else stream


class _Stream(AnyIOStream):
    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await super().start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self.aclose()
            raise
