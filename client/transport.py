"""Requests to one server: TLS, headers, connections; an extension of httpx.

Calls, which end, share a bounded number of connections.  Watches and other streams, which stay open, never take one
of these.  Why not the transport that comes with httpx: docs/adr/0014-httpx-over-a-transport-of-our-own.md.

What is raised when there is no answer, both ours and httpx's:

    httpx.TransportError, ConnectionError
        Unreachable
            NotConnected     also httpx.ConnectError: nothing was sent
            Interrupted      also httpx.ReadError: the connection ended before the answer did
            TimedOut         also httpx.ReadTimeout
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import httpx

from client.config import ClientConfig
from client.http1 import Broken, Connection, Head, Pool

T = TypeVar("T")


class Unreachable(httpx.TransportError, ConnectionError):
    """No answer came from the server: it is down, restarting, or the connection broke.

    A write that raised this may or may not have happened (but for NotConnected: it did not).
    """


class NotConnected(Unreachable, httpx.ConnectError):
    """There is no connection to be had, so the request was not sent."""


class Interrupted(Unreachable, httpx.ReadError):
    """The connection ended before the answer did."""


class TimedOut(Unreachable, httpx.ReadTimeout):
    """The answer did not come in time."""


CONNECT_TIMEOUT = 30.0
CALL_TIMEOUT = 65.0
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


def encode(request: httpx.Request) -> bytes:
    """The request as HTTP/1.1 has it; its body was read already.

    Raises httpx.LocalProtocolError when its target or a header would break out of its line.
    """
    headers = request.headers.raw
    body = b"".join(request.stream) if isinstance(request.stream, httpx.ByteStream) else request.content
    target = request.extensions.get("target") or request.url.raw_path
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%b: %b" % header for header in headers]
    head = b"\r\n".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(headers) or target.count(b" "):
        raise httpx.LocalProtocolError(
            "line breaks in a request's target or headers, or spaces in its target", request=request
        )
    return b"%b\r\n\r\n%b" % (head, body)


def _timeouts(request: httpx.Request) -> tuple[float | None, float | None]:
    """Seconds for connecting and for reading; None: as long as it takes."""
    given = request.extensions.get("timeout")
    return (CONNECT_TIMEOUT, CALL_TIMEOUT) if given is None else (given.get("connect"), given.get("read"))


class Body(httpx.AsyncByteStream):
    """What an answer's body is read from as it comes, once.  `timeout` is seconds without a byte."""

    def __init__(
        self, connection: Connection, failure: Callable[[OSError], Unreachable], timeout: float | None
    ) -> None:
        self._connection: Connection | None = connection
        self._failure, self._timeout = failure, timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while self._connection is not None:
                if self._timeout is None:
                    chunk = await self._connection.chunk()
                else:
                    async with asyncio.timeout(self._timeout):
                        chunk = await self._connection.chunk()
                if not chunk:
                    break
                yield chunk
        except OSError as error:
            raise self._failure(error) from error

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pool.give(connection)


class Transport(httpx.AsyncBaseTransport):
    """How httpx reaches the one server.  Any `httpx.AsyncClient` can use it; `RestClient` calls it directly, since
    the client around it costs four times what the rest of a call does.

    Of a request's timeouts, `connect` and `read` hold (65 s for a call when it names none).  Raises Unreachable
    whenever no complete answer came back; HTTP error codes are not errors here.
    """

    def __init__(self, config: ClientConfig, user_agent: str, *, shared: Transport | None = None) -> None:
        """`shared` is another transport to the same server, whose connections this one uses."""
        self.config = config
        self.url = httpx.URL(config.server)
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError(f"{config.server!r} is not the address of a server")
        self._prefix = self.url.raw_path.rstrip(b"/")
        self.tls: ssl.SSLContext | None = None
        if shared is not None:
            self.tls = shared.tls
        elif self.url.scheme == "https":
            self.tls = tls_context(config)
        port = self.url.port or (443 if self.tls else 80)
        new = partial(Pool, self.url.host, port, self.tls, config.tls_server_name, _CALL_CONNECTIONS)
        self._pool: Pool = shared._pool if shared is not None else new()
        self.headers = httpx.Headers({"Host": self.url.netloc.decode(), "User-Agent": user_agent})
        """What every request carries."""
        if config.token:
            self.headers["Authorization"] = f"Bearer {config.token}"

    def request(
        self, method: str, target: str, *, accept: str, content_type: str = "", body: bytes | None = None
    ) -> httpx.Request:
        """A request to the server.  `target` is the path with its query, escaped.

        It goes into httpx's "target" extension, and `url` names only the server: parsing a URL takes longer than all
        the rest of building a request.
        """
        headers = [*self.headers.raw, (b"Accept", accept.encode())]
        if body is not None:
            headers += (b"Content-Type", content_type.encode()), (b"Content-Length", b"%d" % len(body))
        return httpx.Request(
            method,
            self.url,
            headers=headers,
            stream=httpx.ByteStream(body or b""),
            extensions={"target": self._prefix + target.encode("ascii")},
        )

    async def call(self, request: httpx.Request) -> httpx.Response:
        """Send, and return the answer once all of it is there.  Its `stream` is an `httpx.ByteStream`."""
        connection, (head, body) = await self._send(request, Connection.whole)
        self._pool.give(connection)
        return httpx.Response(head.status, headers=head.headers, stream=httpx.ByteStream(body), request=request)

    async def stream(self, request: httpx.Request) -> httpx.Response:
        """Send, and return the answer as soon as its headers are there; its body may go on for ever.  Close it.

        It takes no connection from the calls.
        """
        connection, head = await self._send(request, Connection.head, stream=True)
        return self._open(request, connection, head, None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's way in: as `stream`, but waiting for its turn among the calls until the headers are there."""
        if (request.url.scheme, request.url.netloc) != (self.url.scheme, self.url.netloc):
            raise httpx.UnsupportedProtocol(f"{request.url} is not at {self.url}", request=request)
        if not isinstance(request.stream, httpx.ByteStream):
            content = await request.aread()  # its length is told, so that no request needs chunks
            request.headers.pop("Transfer-Encoding", None)
            request.headers["Content-Length"] = str(len(content))
        connection, head = await self._send(request, Connection.head)
        if not connection.complete:
            self._pool.is_stream(connection)
        return self._open(request, connection, head, _timeouts(request)[1])

    async def aclose(self) -> None:
        """Close every connection, those of open streams too."""
        self._pool.close()

    async def _send(
        self, request: httpx.Request, answer: Callable[[Connection], Awaitable[T]], *, stream: bool = False
    ) -> tuple[Connection, T]:
        """A connection on which the request was sent, for the caller to give back, and as much of the answer as
        `answer` waits for."""
        data = encode(request)
        connect, read = _timeouts(request)
        while True:
            try:
                connection, used = await self._pool.take(connect, stream=stream)
            except OSError as error:
                raise NotConnected(self._why(error), request=request) from error
            try:
                connection.send(data, bodiless=request.method == "HEAD")
                async with asyncio.timeout(read):
                    return connection, await answer(connection)
            except BaseException as error:
                self._pool.give(connection)
                # The server may close an idle connection just as it is used again: reading anew does no harm.
                if used and request.method == "GET" and isinstance(error, Broken) and error.unused:
                    continue
                if isinstance(error, OSError):
                    raise self._failure(error, request) from error
                raise

    def _open(
        self, request: httpx.Request, connection: Connection, head: Head, timeout: float | None
    ) -> httpx.Response:
        body = Body(connection, partial(self._failure, request=request), timeout)
        return httpx.Response(head.status, headers=head.headers, stream=body, request=request)

    def _failure(self, error: OSError, request: httpx.Request) -> Unreachable:
        kind = TimedOut if isinstance(error, TimeoutError) else Interrupted
        return kind(self._why(error), request=request)

    def _why(self, error: OSError) -> str:
        return f"{self.url}: {error or type(error).__name__}"
