"""Turns whatever goes wrong behind it into a Status the client can read."""

from __future__ import annotations

import logging
from typing import Any

import orjson

from api.errors import BadRequest, InternalError, StatusError
from apiserver.answer import send_refusal
from apiserver.request import ASGI, Receive, Request, Scope, Send

log = logging.getLogger(__name__)


class ErrorFilter:
    """StatusErrors become their answers; anything else is logged and becomes 500 without its details.

    An answer to the handshake of a WebSocket is sent as such, whoever sends it: the handlers need not know.
    """

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: dict[str, object]) -> None:
            nonlocal started
            kind = str(message["type"])
            started = started or kind in ("http.response.start", "websocket.accept")
            if scope["type"] == "websocket" and kind.startswith("http."):
                message = {**message, "type": f"websocket.{kind}"}  # the ASGI "websocket.http.response" extension
            await send(message)

        try:
            await self._app(scope, receive, watched_send)  # type: ignore[arg-type]
        except StatusError as error:
            await self._refuse(error, scope, receive, watched_send, started)
        except Exception as error:
            if _too_deep(error) and not started:
                await self._refuse(BadRequest("exceeded max depth"), scope, receive, watched_send, False)
                return
            log.exception("%s %s failed", scope.get("method", "CONNECT"), scope["path"])
            request = scope.get("nanokube.request")
            if request is not None and request.audit is not None:
                request.audit.panicked(error)
            if started:
                raise
            await self._refuse(
                InternalError(f"Internal error occurred: {type(error).__name__}"), scope, receive, watched_send, False
            )

    @staticmethod
    async def _refuse(error: StatusError, scope: Scope, receive: Receive, send: Any, started: bool) -> None:
        if started:
            raise error
        await send_refusal(error, scope.get("nanokube.request") or Request(scope, receive), send)


def _too_deep(error: Exception) -> bool:
    """Whether somebody has sent a document that is nested more deeply than it can be worked on; see also `Write`."""
    return isinstance(error, RecursionError) or (
        isinstance(error, orjson.JSONEncodeError) and str(error) == "Recursion limit reached"
    )
