"""Turns whatever goes wrong behind it into a Status the client can read."""

from __future__ import annotations

import logging

from api.errors import InternalError, StatusError
from apiserver.answer import send_refusal
from apiserver.request import ASGI, Receive, Request, Scope, Send

log = logging.getLogger(__name__)


class ErrorFilter:
    """StatusErrors become their answers; anything else is logged and becomes 500 without its details."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: dict[str, object]) -> None:
            nonlocal started
            started = started or message["type"] in ("http.response.start", "websocket.accept")
            await send(message)

        try:
            await self._app(scope, receive, watched_send)  # type: ignore[arg-type]
        except StatusError as error:
            await self._refuse(error, scope, receive, send, started)
        except Exception as error:
            log.exception("%s %s failed", scope.get("method", "CONNECT"), scope["path"])
            if started:
                raise
            await self._refuse(
                InternalError(f"Internal error occurred: {type(error).__name__}"), scope, receive, send, False
            )

    @staticmethod
    async def _refuse(error: StatusError, scope: Scope, receive: Receive, send: Send, started: bool) -> None:
        if started:
            raise error
        request = scope.get("nanokube.request") or Request(scope, receive)
        if scope["type"] == "websocket":
            await send_refusal(error, request, _websocket_denial(send))
        else:
            await send_refusal(error, request, send)


def _websocket_denial(send: Send) -> Send:
    """An HTTP answer to a WebSocket handshake (the ASGI "websocket.http.response" extension)."""

    async def denial(message: dict[str, object]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return denial  # type: ignore[return-value]
