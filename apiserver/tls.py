"""HTTPS, and who is at the other end: uvicorn's HTTP protocol with the client certificate's user in the scope."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from apiserver.filters.authentication import user_of_certificate


def server_context(certificate: str, key: str, client_ca: str) -> ssl.SSLContext:
    """TLS 1.2 or newer; a client may show a certificate, which then must be of `client_ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def _peer(transport: Any) -> Any:
    """The user of a connection's client certificate, worked out once per connection."""
    connection = transport.get_extra_info("ssl_object")
    encoded = connection.getpeercert(binary_form=True) if connection is not None else None
    return user_of_certificate(transport.get_extra_info("peercert"), encoded)


_OFFER = "Sec-WebSocket-Protocol"


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
    """Adds `client_user` to every request's scope, and sends small answers in one piece."""

    _client_user: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client_user = _peer(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope = cast(dict[str, Any], self.scope)
        scope["client_user"] = self._client_user

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        # What answers the request has been made and not begun.  An answer to HEAD has no body to wait for.
        if self.cycle is not before and self.scope["method"] != "HEAD":
            self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The same for WebSockets: the scope is made in the base class, so the application is wrapped."""

    _offered: list[str] | None = None

    def handle_connect(self, event: Any) -> None:
        """kubectl offers a subprotocol with a slash in its name (KEP-4006), which is no token of RFC 6455: the
        library would refuse it, so it does not get to see it."""
        offered = [name.strip() for value in event.headers.get_all(_OFFER) for name in value.split(",")]
        if any("/" in name for name in offered):
            self._offered = offered
            del event.headers[_OFFER]
        super().handle_connect(event)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # uvicorn reads the subprotocols itself; this stricter parser would refuse kubectl's "SPDY/3.1+portforward…".
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]
        user, app = _peer(transport), self.app

        async def with_user(scope: Any, receive: Any, send: Any) -> None:
            scope["client_user"] = user
            scope["subprotocols"] = self._offered or scope["subprotocols"]
            await app(scope, receive, send)
            if self.initial_response is not None:
                self.handshake_complete = True  # a refusal is an answer too: uvicorn would log an error

        self.app = with_user
