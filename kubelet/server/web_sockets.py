"""WebSockets to the kubelet: uvicorn's protocol, for those who may use the kubelet."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from kubelet.server.serve import authorized


class WebSocketProtocol(WebSocketsSansIOProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # uvicorn reads the subprotocols itself; this stricter parser would refuse "SPDY/3.1+portforward.k8s.io".
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]
        self.app = authorized(self.app, transport)
