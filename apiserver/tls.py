"""HTTPS, and who is at the other end: uvicorn's HTTP protocol with the client certificate's user in the scope."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apiserver.filters.authentication import user_of_certificate

if TYPE_CHECKING:
    from apiserver.filters.request_header import FrontProxies


class ServerContext(ssl.SSLContext):
    """What the server's connections have in common."""

    front_proxies: FrontProxies | None = None
    client_roots: frozenset[bytes] = frozenset()
    """The CAs of client certificates in DER, known once their file has changed."""
    revoked: frozenset[bytes] = frozenset()
    """Those that were among them before.  OpenSSL forgets none."""

    def admit(self, front_proxies: FrontProxies, ca_file: str) -> None:
        """Take client certificates of the front proxies' CA, too, on connections from now on."""
        self.load_verify_locations(ca_file)
        self.front_proxies = front_proxies

    def replace_client_ca(self, former: frozenset[bytes], ca_file: str) -> None:
        """Take client certificates of these CAs, and no others, on connections from now on; `former` are the CAs
        before.  Raises OSError for a file that is no bundle of certificates."""
        from apiserver.filters.request_header import certificates_of

        self.client_roots = certificates_of(Path(ca_file))
        self.load_verify_locations(ca_file)
        self.revoked = (self.revoked | former) - self.client_roots
        if self.front_proxies is not None:
            self.front_proxies.client_roots = self.client_roots

    def trusts(self, connection: Any) -> bool:
        """Whether the CA of a client certificate is still one.  A connection that resumes a TLS session does not say
        whose it was: where there are some that are not, it has to be made anew."""
        from apiserver.filters.request_header import root_of

        root = root_of(connection)
        return root is not None and root not in self.revoked


def server_context(certificate: str, key: str, client_ca: str) -> ServerContext:
    """TLS 1.2 or newer; a client may show a certificate, which then must be of `client_ca`."""
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # making two is a third of a handshake, and the clients of Kubernetes resume no session
    context.set_alpn_protocols(["http/1.1"])
    return context


def peer(transport: Any) -> Any:
    """The user, or the front proxy, of a connection's client certificate, worked out once per connection."""
    connection = transport.get_extra_info("ssl_object")
    encoded = connection.getpeercert(binary_form=True) if connection is not None else None
    certificate = transport.get_extra_info("peercert")
    if encoded is not None and connection.context.revoked and not connection.context.trusts(connection):
        return None
    if encoded is not None and connection.context.front_proxies is not None:
        return connection.context.front_proxies.peer(connection, certificate, encoded)
    return user_of_certificate(certificate, encoded)


_HEAD_LIMIT = 1024 * 1024
"""Bytes of request line and headers, as Go's server takes them."""
_HEAD_DEADLINE, _REQUEST_DEADLINE = 32.0, 60.0
"""Seconds in which they, and the whole request, must have come, as in Kubernetes' server."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n431 Request Header Fields Too Large"
)


class _OneWrite:
    """The transport of one answer: its head waits for the first piece of the body, and both go out as one.

    Each write is a TLS record and a system call for both sides, as dear as all else in a small answer.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        if self._head is not None:
            data, self._head = self._head + data, None
        elif not self._begun and not data.startswith(_INTERIM):
            self._begun, self._head = True, data
            return
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._head is not None:
            self._transport.write(self._head)
        self._transport.close()


_INTERIM = b"HTTP/1.1 100 "


class HTTPProtocol(HttpToolsProtocol):
    """Adds `client_user` to every request's scope, sends small answers in one piece, and ends connections whose
    request has no end."""

    _client_user: Any = None
    _since: float | None = None
    """When the request began that is being read; None between requests."""
    _head_size: int | None = 0
    """How much has been read of its head; None once that is complete."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client_user = peer(transport)
        self._since = self.loop.time()
        self.loop.call_later(_HEAD_DEADLINE, self._check_progress)

    def _check_progress(self) -> None:
        """One timer a connection, not one a request: late by a period at most."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        deadline = _REQUEST_DEADLINE if self._head_size is None else _HEAD_DEADLINE
        if self._since is not None and self.loop.time() - self._since >= deadline:
            self.transport.close()
        else:
            self.loop.call_later(_HEAD_DEADLINE, self._check_progress)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._head_size is not None:
            self._head_size += len(data)
            if self._head_size > _HEAD_LIMIT and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since, self._head_size = self.loop.time(), 0
        scope = cast(dict[str, Any], self.scope)
        scope["client_user"] = self._client_user

    def on_headers_complete(self) -> None:
        self._head_size = None
        before = self.cycle
        super().on_headers_complete()
        # What answers the request has been made and not begun.  An answer to HEAD has no body to wait for.
        if self.cycle is not before and self.scope["method"] != "HEAD":
            self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment]
        if self.cycle is not before and self.parser.should_upgrade():
            cast(dict[str, Any], self.scope)["take_over"] = self._take_over

    def _take_over(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection itself, for who speaks what the request asks to upgrade to.  What is sent as an answer
        afterwards goes nowhere."""
        self.cycle.disconnected = True
        self.connections.discard(self)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        return reader, asyncio.StreamWriter(self.transport, protocol, reader, self.loop)

    def _unsupported_upgrade_warning(self) -> None:
        """A server need not upgrade, and who is asked to may (RFC 9110, 7.8): nothing to warn of."""

    def on_message_complete(self) -> None:
        self._since = None
        super().on_message_complete()


def web_socket_protocol(**arguments: Any) -> asyncio.Protocol:
    """uvicorn's protocol for WebSockets, whose library is loaded with the first of them."""
    from apiserver.web_sockets import WebSocketProtocol

    return WebSocketProtocol(**arguments)
