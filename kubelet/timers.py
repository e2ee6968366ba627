"""Callbacks at points in time, for any number of pods with one sleeping task."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from api.clock import Clock


class Timer:
    """A callback that is due once; `cancel()` may be called at any time, also after it fired."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Timers:
    """A heap of timers on an injected clock.

    `run()` must be running for timers to fire.  Callbacks run on the event loop, must not block and
    must not raise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once that many seconds have passed (at once for zero or less)."""
        timer = Timer(callback)
        due = self._clock.monotonic() + max(seconds, 0.0)
        if not self._heap or due < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (due, next(self._order), timer))
        return timer

    async def run(self) -> None:
        """Fire timers until cancelled."""
        while True:
            self._earlier.clear()
            self._fire()
            if not self._heap:
                await self._earlier.wait()
                continue
            sleep = asyncio.ensure_future(self._clock.sleep(self._heap[0][0] - self._clock.monotonic()))
            earlier = asyncio.ensure_future(self._earlier.wait())
            try:
                await asyncio.wait((sleep, earlier), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                earlier.cancel()

    def _fire(self) -> None:
        now = self._clock.monotonic()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].callback is None):
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
