"""What clients that die in the midst of work have in common."""

from __future__ import annotations

import asyncio

from api.clock import Clock
from client.config import ClientConfig
from client.rest import RestClient


class Mortal(RestClient):
    """What it has sent has reached the server when it is closed, also what nobody waits for any more.

    A request that came after the next controller has read everything would be as if both were alive at once.
    """

    def __init__(self, config: ClientConfig, *, clock: Clock | None = None) -> None:
        super().__init__(config, clock=clock)
        self._sent: set[asyncio.Task[bytes]] = set()

    async def send(self, method: str, target: str, body: bytes, content_type: str) -> bytes:
        """A write that is done whatever becomes of its caller."""
        sending = asyncio.create_task(super()._write(method, target, body, content_type))
        self._sent.add(sending)
        sending.add_done_callback(self._sent.discard)
        return await asyncio.shield(sending)

    async def close(self) -> None:
        await asyncio.gather(*self._sent, return_exceptions=True)
        await super().close()
