"""One HTTP/1.1 connection and a pool of them, on asyncio and llhttp: what `client.transport` gives httpx to send by.

Why not httpx's own transport: see docs/adr/0014-httpx-over-a-transport-of-our-own.md.  An API client needs only this
much of HTTP: requests with a body of known length, one at a time on each connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from typing import cast

import httptools

_PAUSE_AT = 1 << 20
"""Bytes of an answer waiting to be read above which the server is made to wait."""
_LONGEST_IDLE = 90.0
"""Seconds.  Servers close what was idle for long, ours after two minutes: of a write that is on its way at that moment
nobody can say whether it was done."""
_FRAMING = (b"content-length", b"transfer-encoding")
_RESET = "the server closed the connection"


class Broken(ConnectionError):
    """The connection ended before the answer did.  `unused`: no byte of an answer had come."""

    def __init__(self, message: str, *, unused: bool = False) -> None:
        super().__init__(message)
        self.unused = unused


class Head:
    """An answer's status and its headers, as they came."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers


class Connection(asyncio.Protocol):
    """Sends a request, then hands out the answer's head and body.  Never two requests at once."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self.idle_since = 0.0
        self._reset(False)

    def _reset(self, bodiless: bool) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless, self._framed = bodiless, False
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head: Head | None = None
        self._complete = self._stays_open = False
        self._untouched = True
        self._paused = False

    # --- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._untouched = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Broken(f"the answer is not HTTP: {error}"))
            self.abort()
            return
        if self._buffered > _PAUSE_AT and not (self._complete or self._paused) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._head is not None and not self._framed:
            self._complete = True  # the end of the connection is the end of a body whose length was never told
        self._fail(error or Broken(_RESET, unused=self._untouched))
        self.pool.lost(self)

    # --- llhttp ----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        self._framed = self._framed or name.lower() in _FRAMING

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx announces another head
            self._head = Head(status, self._headers)
            self._complete = self._bodiless
        self._headers = []

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        self._complete = self._head is not None
        self._stays_open = self._parser.should_keep_alive()  # llhttp knows it only now

    # --- for the pool's users --------------------------------------------------------------------

    def send(self, data: bytes, *, bodiless: bool = False) -> None:
        """Write a whole request.  `bodiless`: as to HEAD, the answer has no body, whatever length it names."""
        self._reset(bodiless)
        if self._lost is not None or self._transport is None:
            raise Broken(_RESET, unused=True)
        self._transport.write(data)

    async def head(self) -> Head:
        """The answer's as soon as it is there."""
        while self._head is None:
            await self._more()
        return self._head

    async def whole(self) -> tuple[Head, bytes]:
        """The answer with its whole body."""
        while not self._complete:
            self.resume()
            await self._more()
        assert self._head is not None
        return self._head, self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def chunk(self) -> bytes:
        """What has come of the body since the last time, at least a byte; empty at its end."""
        while not self._chunks:
            if self._complete:
                return b""
            self.resume()
            await self._more()
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        return chunk

    @property
    def complete(self) -> bool:
        """The whole answer has come."""
        return self._complete

    @property
    def reusable(self) -> bool:
        """The answer has ended and the server keeps the connection open."""
        return self._complete and self._lost is None and self._stays_open

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._lost = self._lost or error
        self._wake()

    def resume(self) -> None:
        """Let the server send: what came so far was taken, or is wanted no more."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()


class Pool:
    """Connections to one server.  Calls share up to `limit` of them; streams come on top, as many as are asked for.

    The connection used last is used next; a stream takes the one that was idle longest.  One that the server closes
    while idle is dropped at once, without being asked first.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, server_name: str, limit: int) -> None:
        self._host, self._port, self._context, self._limit = host, port, context, limit
        self._server_name = (server_name or host) if context is not None else None
        self._idle: list[Connection] = []
        self._calls: set[Connection] = set()  # idle ones too
        self._streams: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def _full(self) -> bool:
        return len(self._calls) + self._opening >= self._limit

    async def take(self, patience: float | None, *, stream: bool = False) -> tuple[Connection, bool]:
        """A connection to send one request on, and whether it was used before; then `give` it back.

        Raises OSError when none can be opened within `patience` seconds.
        """
        self._drop_old()
        while not stream and not self._idle and self._full:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()  # the turn goes to someone who still wants it
                raise
        if self._closed:
            raise Broken("the client was closed", unused=True)
        if self._idle:
            connection = self._idle.pop(0 if stream else -1)
            if stream:
                self.is_stream(connection)
            return connection, True
        connection = Connection(self)
        self._opening += not stream
        try:
            async with asyncio.timeout(patience):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    self._host,
                    self._port,
                    ssl=self._context,
                    server_hostname=self._server_name,
                )
        except BaseException as error:
            connection.abort()  # given up just as it was made, it would go on until the server takes its leave
            if isinstance(error, TimeoutError):
                raise Broken(f"no connection within {patience:g} s", unused=True) from error
            raise
        finally:
            self._opening -= not stream
            self._next()
        if self._closed:
            connection.abort()
            raise Broken("the client was closed", unused=True)
        (self._streams if stream else self._calls).add(connection)
        _keep_alive(connection)
        return connection, False

    def is_stream(self, connection: Connection) -> None:
        """What was taken for a call carries a stream, and takes no connection from the calls any more."""
        self._calls.discard(connection)
        self._streams.add(connection)
        self._next()

    def give(self, connection: Connection) -> None:
        """Done with it, well or not."""
        if connection in self._streams:
            self._streams.discard(connection)
            if not self._full:
                self._calls.add(connection)
        if connection in self._calls and connection.reusable and not self._closed:
            connection.resume()
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            self._calls.discard(connection)
            connection.abort()
        self._next()

    def _drop_old(self) -> None:
        """Those that stand first in the list have been idle for longest."""
        latest = asyncio.get_running_loop().time() - _LONGEST_IDLE
        while self._idle and self._idle[0].idle_since < latest:
            connection = self._idle.pop(0)
            self._calls.discard(connection)
            connection.abort()
            self._next()

    def lost(self, connection: Connection) -> None:
        """Called by a connection that has ended."""
        self._calls.discard(connection)
        self._streams.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._next()

    def close(self) -> None:
        self._closed = True
        for connection in [*self._calls, *self._streams]:
            connection.abort()
        self._idle.clear()
        while self._waiting:
            self._next()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


def _keep_alive(connection: Connection) -> None:
    """Notice within about a minute that the peer of an idle watch has vanished without a word."""
    transport = connection._transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
