"""Requests to one server: TLS, headers, two pools of connections.

One pool, bounded, is for calls that end; the other, unbounded, for watches and other streams that stay open, so that
they never take a connection from the calls.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from client.config import ClientConfig
from client.http1 import Answer, Broken, Connection, Pool


class Unreachable(ConnectionError):
    """No answer came from the server: it is down, restarting, or the connection broke.

    A write that raised this may or may not have happened.
    """


_CONNECT_TIMEOUT = 10.0
_CALL_TIMEOUT = 65.0
"""Seconds for an answer; the server itself gives up after 60."""
_CALL_CONNECTIONS = 24


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
        except FileNotFoundError:
            pass  # no /proc: fall through to a file
        finally:
            os.close(descriptor)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


class Stream:
    """An answer whose body is read as it comes, once."""

    def __init__(self, answer: Answer, connection: Connection) -> None:
        self.status, self.headers = answer.status, answer.headers
        self._connection = connection

    async def read(self) -> bytes:
        """The whole body."""
        return (await self._connection.whole()).body

    def chunks(self) -> AsyncIterator[bytes]:
        return self._connection.chunks()


class Transport:
    """Raises Unreachable whenever no complete answer came back; HTTP error codes are not errors here."""

    def __init__(self, config: ClientConfig, user_agent: str) -> None:
        parts = urlsplit(config.server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{config.server!r} is not the address of a server")
        self.tls = tls_context(config) if parts.scheme == "https" else None
        self._server = config.server
        self._prefix = parts.path.rstrip("/")
        host, port = parts.hostname, parts.port or (443 if self.tls else 80)
        self._calls = Pool(host, port, self.tls, config.tls_server_name, _CALL_CONNECTIONS)
        self._streams = Pool(host, port, self.tls, config.tls_server_name)
        headers = {"Host": parts.netloc, "User-Agent": user_agent}
        if config.token:
            headers["Authorization"] = f"Bearer {config.token}"
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def _encode(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        head = f"{method} {self._prefix}{target} HTTP/1.1\r\n{self._headers}{more}{length}\r\n"
        if head.count("\r\n") != 3 + self._headers.count("\r\n") + len(headers) - (body is None):
            raise ValueError("a request's target and headers cannot contain line breaks")
        return head.encode("latin-1") + (body or b"")

    async def call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = _CALL_TIMEOUT,
    ) -> Answer:
        """Send, and return the answer with its whole body.  `target` is the path with its query, escaped."""
        data = self._encode(method, target, headers, body)
        while True:
            try:
                connection, used = await self._calls.take(_CONNECT_TIMEOUT)
            except OSError as error:
                raise self._unreachable(error) from error
            try:
                connection.send(data)
                async with asyncio.timeout(timeout):
                    return await connection.whole()
            except Broken as error:
                # The server may close an idle connection just as it is used again: reading anew does no harm.
                if not (used and error.unused and method == "GET"):
                    raise self._unreachable(error) from error
            except OSError as error:
                raise self._unreachable(error) from error
            finally:
                self._calls.give(connection)

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[Stream]:
        """Send, and give the answer as soon as its headers are there; its body may go on for ever."""
        data = self._encode(method, target, headers, body)
        try:
            # A watch follows a list: it goes on where that one's answer came from.
            connection = self._calls.move_idle_to(self._streams) if method == "GET" else None
            if connection is None:
                connection, _ = await self._streams.take(_CONNECT_TIMEOUT)
            try:
                connection.send(data)
                async with asyncio.timeout(_CALL_TIMEOUT):
                    answer = await connection.head()
                yield Stream(answer, connection)
            finally:
                self._streams.give(connection)
        except OSError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self._server}: {error or type(error).__name__}")

    async def close(self) -> None:
        """Close every connection, those of open streams too."""
        self._calls.close()
        self._streams.close()
