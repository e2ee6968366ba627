"""WebSockets to the API server: uvicorn's protocol, with the client certificate's user in the scope."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from apiserver.tls import peer

_OFFER = "Sec-WebSocket-Protocol"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The scope is made in the base class, so the application is wrapped."""

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
        user, app = peer(transport), self.app

        async def with_user(scope: Any, receive: Any, send: Any) -> None:
            scope["client_user"] = user
            scope["subprotocols"] = self._offered or scope["subprotocols"]
            await app(scope, receive, send)
            if self.initial_response is not None:
                self.handshake_complete = True  # a refusal is an answer too: uvicorn would log an error

        self.app = with_user
