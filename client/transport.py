"""HTTP: the only module that knows httpx.

httpx is used at the level of its transport: the layers above it (redirects, cookies, authentication flows,
environment proxies) cost more time per call than the call itself and do nothing for an API client.

Two connection pools: one, bounded, for calls that end; one, unbounded, for watches and other streams that stay
open, so that they never take a connection from the calls.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from client.config import ClientConfig


class Unreachable(ConnectionError):
    """No answer came from the server: it is down, restarting, or the connection broke.

    A write that raised this may or may not have happened.
    """


_CONNECT_TIMEOUT = 10.0
_CALL_TIMEOUT = 65.0
"""Seconds for an answer; the server itself gives up after 60."""
_CALL_CONNECTIONS = 24


def _keepalive_options() -> list[tuple[int, int, int]]:
    """Notice within about a minute that the peer of an idle watch has vanished without a word."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def tls_context(config: ClientConfig) -> ssl.SSLContext:
    """A context that trusts the cluster's CA (the system's when it names none) and presents the user's certificate."""
    if config.insecure_skip_tls_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cadata=config.ca_data.decode() if config.ca_data else None)
        # Python 3.13 turned on a check that many clusters' CA certificates do not pass.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if config.client_cert_data:
        _load_pair(context, config.client_cert_data, config.client_key_data)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads key pairs only from files: give it one in memory, or one nobody else can read."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate")
        try:
            os.write(descriptor, certificate + b"\n" + key)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
            return
        except OSError:
            pass  # no /proc: fall through to a file
        finally:
            os.close(descriptor)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


class Transport:
    """Requests to one server.  `response.read` has been done for `call`; `stream` leaves the body to be iterated.

    Raises Unreachable whenever no complete answer came back; HTTP error codes are not errors here.
    """

    def __init__(self, config: ClientConfig, user_agent: str) -> None:
        self.tls = tls_context(config) if config.server.startswith("https:") else None
        self._base = httpx.URL(config.server)
        self._headers = {
            "Host": self._base.netloc.decode(),
            "User-Agent": user_agent,
            "Accept-Encoding": "identity",  # compression costs more than the loopback's bandwidth
        }
        if config.token:
            self._headers["Authorization"] = f"Bearer {config.token}"
        self._extensions = {"sni_hostname": config.tls_server_name} if config.tls_server_name else {}
        self._calls = self._pool(_CALL_CONNECTIONS)
        self._streams = self._pool(None)

    def _pool(self, connections: int | None) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=self.tls or False,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections or 0, keepalive_expiry=90
            ),
            socket_options=_keepalive_options(),
        )

    def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float | None
    ) -> httpx.Request:
        timeouts = {"connect": _CONNECT_TIMEOUT, "read": read_timeout, "write": _CALL_TIMEOUT, "pool": None}
        return httpx.Request(
            method,
            self._base.copy_with(raw_path=target.encode()),
            headers={**self._headers, **headers},
            content=body,
            extensions={"timeout": timeouts, **self._extensions},
        )

    async def call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = _CALL_TIMEOUT,
    ) -> httpx.Response:
        """Send, and return the answer with its whole body.  `target` is the path with its query, escaped."""
        request = self._request(method, target, headers, body, timeout)
        try:
            response = await self._calls.handle_async_request(request)
            try:
                await response.aread()
            finally:
                await response.aclose()
        except (httpx.TransportError, OSError) as error:
            raise Unreachable(f"{self._base}: {error or type(error).__name__}") from error
        return response

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send, and give the answer as soon as its headers are there; its body may go on for ever."""
        request = self._request(method, target, headers, body, None)
        try:
            response = await self._streams.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.TransportError, OSError) as error:
            raise Unreachable(f"{self._base}: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection, those of open streams too."""
        await self._calls.aclose()
        await self._streams.aclose()
