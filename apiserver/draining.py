"""How the server leaves: it takes no more requests, lets those that run finish, and tells those who watch to go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn


class DrainingServer(uvicorn.Server):
    """`end_watches` is called when no connection takes another request: whoever has been told that a watch is over
    begins anew at once, and such a watch would not end before it is cut off."""

    def __init__(self, config: uvicorn.Config, end_watches: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_watches = end_watches

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_soon(self._end_watches)  # the connections are told before anything is awaited
        await super().shutdown(sockets)
