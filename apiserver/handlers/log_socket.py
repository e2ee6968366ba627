"""A log over WebSocket, for clients that can follow nothing else: a message for each piece as it comes, after an empty
one that tells that the connection stands; in base64 for those who want text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, MutableMapping
from typing import Any

from apiserver.request import Receive, Send

_BASE64 = "base64.binary.k8s.io"
_PROTOCOLS = ("", "binary.k8s.io", _BASE64)


def log_protocol(offered: Iterable[str]) -> str | None:
    """The first that a client offers and is known; "" where it offers none; None where it offers only others."""
    return next((name for name in list(offered) or [""] if name in _PROTOCOLS), None)


async def log_socket(protocol: str, receive: Receive, send: Send) -> Send:
    """Accept; returns what takes the body of an HTTP answer and sends it in messages."""

    async def send_piece(data: bytes) -> None:
        content: dict[str, Any] = {"text": base64.b64encode(data).decode()} if protocol == _BASE64 else {"bytes": data}
        await send({"type": "websocket.send", **content})

    async def send_body(message: MutableMapping[str, Any]) -> None:
        if data := message.get("body", b""):
            await send_piece(data)
        if not message.get("more_body"):
            await send({"type": "websocket.close", "code": 1000})

    await receive()  # websocket.connect
    await send({"type": "websocket.accept", "subprotocol": protocol or None})
    await send_piece(b"")
    return send_body
