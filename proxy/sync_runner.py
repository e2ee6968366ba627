"""Runs a synchronisation when asked, not more often than a minimum period, and again after a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from api.clock import Clock

log = logging.getLogger(__name__)

_LONGEST_RETRY = 30.0


class SyncRunner:
    """`request` any number of times; `run` calls `sync` once for all that came together.

    Between two calls at least `min_period` seconds pass; `full_period` seconds without a request lead to a call
    with True, for looking after what others may have done.  Sleeps otherwise.
    """

    def __init__(
        self,
        clock: Clock,
        sync: Callable[[bool], Awaitable[None]],
        *,
        min_period: float = 0.1,
        full_period: float = 3600.0,
    ) -> None:
        self._clock, self._sync = clock, sync
        self._min_period, self._full_period = min_period, full_period
        self._asked = asyncio.Event()
        self._failures = 0
        self.last_success: float | None = None
        """When (monotonic) the last call succeeded."""
        self.behind_since: float | None = None
        """When (monotonic) the oldest request not yet carried out came; None if all are."""

    def request(self) -> None:
        """Something changed."""
        if self.behind_since is None:
            self.behind_since = self._clock.monotonic()
        self._asked.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            full = not await self._wait()
            self._asked.clear()
            pending, self.behind_since = self.behind_since, None
            try:
                await self._sync(full)
            except Exception as error:
                self._failures += 1
                delay = min(2.0 ** (self._failures - 1), _LONGEST_RETRY)
                log.warning("synchronising failed, again in %g s: %s", delay, error)
                self.behind_since = pending if pending is not None else self._clock.monotonic()
                self._asked.set()
                await self._clock.sleep(delay)
                continue
            self._failures = 0
            self.last_success = self._clock.monotonic()
            await self._clock.sleep(self._min_period)

    async def _wait(self) -> bool:
        """True when asked, False when the full period passed without."""
        if self._asked.is_set():
            return True
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._asked.wait()),
            asyncio.ensure_future(self._clock.sleep(self._full_period)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._asked.is_set()
