"""How the server leaves: it takes no more requests, lets those that run finish, and tells those who watch to go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from uvicorn.config import Config
from uvicorn.server import Server

_AGAIN = 0.05
"""Seconds until those are told, too, who were about to watch and have begun meanwhile."""


class DrainingServer(Server):
    """`end_watches` is called when no connection takes another request: whoever has been told that a watch is over
    begins anew at once, and such a watch would not end before it is cut off."""

    def __init__(self, config: Config, end_watches: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_watches = end_watches

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(self._end_all())  # the connections are told before anything is awaited
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()

    async def _end_all(self) -> None:
        while True:
            self._end_watches()
            await asyncio.sleep(_AGAIN)
