"""HTTPS for a KubeletApp: only those who show the right client certificate are served."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from kubelet.server.app import KubeletApp, Receive, Scope, Send
from kubelet.server.upgrade import taken_over

log = logging.getLogger(__name__)

ALLOWED_GROUPS = frozenset({"system:masters", "kubeadm:cluster-admins"})


async def serve(
    app: KubeletApp,
    *,
    certificate: Path,
    key: Path,
    client_ca: Path,
    address: str,
    port: int,
    ready: Callable[[int], None] = lambda port: None,
) -> None:
    """Serve until cancelled; `ready` is told the port (of use when `port` is 0).

    A client must have a certificate of `client_ca` whose organization is one of ALLOWED_GROUPS (the apiserver's kubelet
    client has): a kubelet hands out everybody's logs and shells, so being known to the cluster is not enough.  Only
    /healthz is for all who have a certificate.  Raises OSError when the address is taken.
    """
    upgraded: set[asyncio.Transport] = set()

    class Http(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            transport = cast(asyncio.Transport, _ClosedOnce(transport))
            super().connection_made(transport)
            self.app = authorized(self.app, transport)

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            if self.parser.should_upgrade():
                cast(dict[str, Any], self.scope)["take_over"] = self._take_over

        def _take_over(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            self.cycle.disconnected = True  # what is sent as an answer goes nowhere
            self.connections.discard(self)
            return taken_over(self.transport, upgraded)

        def _unsupported_upgrade_warning(self) -> None:
            """SPDY is the application's."""

    config = Config(
        app,
        http=Http,
        ws=_web_socket_protocol,  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        ws_max_size=64 << 20,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        interface="asgi3",
    )
    config.load()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    # uvicorn's Server wakes ten times a second to look at its flags; its protocols alone need no such thing.
    state = ServerState()
    loop = asyncio.get_running_loop()
    listener = socket.create_server((address, port), backlog=128, reuse_port=False)
    server = await loop.create_server(
        lambda: Http(config=config, server_state=state, app_state={}, _loop=loop), sock=listener, ssl=context
    )
    ready(listener.getsockname()[1])
    try:
        await asyncio.Event().wait()
    finally:
        server.close()
        for connection in list(state.connections):
            if connection.transport is not None and not connection.transport.is_closing():  # uvicorn fails at those
                connection.shutdown()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        for transport in list(upgraded):
            transport.abort()
        await server.wait_closed()


class _ClosedOnce:
    """A transport that may be closed again, as uvicorn does: asyncio's TLS, which keeps a closed connection until the
    other side says goodbye, too, would then not hear an abort any more."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.close()


def _web_socket_protocol(**arguments: Any) -> asyncio.Protocol:
    """The protocol for WebSockets, whose library is loaded with the first of them."""
    from kubelet.server.web_sockets import WebSocketProtocol

    return WebSocketProtocol(**arguments)


def authorized(app: Any, transport: asyncio.BaseTransport) -> Any:
    """The application, as far as the certificate's owner may use it."""
    certificate = transport.get_extra_info("peercert") or {}
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    groups = {value for name, value in subject if name == "organizationName"}
    if groups & ALLOWED_GROUPS:
        return app
    user = next((value for name, value in subject if name == "commonName"), "")

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/healthz":
            await app(scope, receive, send)
            return
        log.warning("refused %s of user %r: not in a group that may use the kubelet", scope["path"], user)
        text = f"Forbidden (user={user}, path={scope['path']})".encode()
        kind = "http" if scope["type"] == "http" else "websocket.http"
        await send({"type": f"{kind}.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": f"{kind}.response.body", "body": text})

    return refuse
