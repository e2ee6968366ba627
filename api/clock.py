"""Time as a parameter.  Components never ask the operating system for the time themselves: a cluster's
clock can be paused, moved and driven by a test."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed on this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in order of their deadlines."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    @property
    def sleepers(self) -> int:
        """How many wait for this clock: who is busy elsewhere does not notice that it moves."""
        return sum(not woken.done() for _, woken in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move time forward, stopping at each sleeper's deadline to let it run."""
        from datetime import timedelta

        target = self._elapsed + seconds
        while True:
            self._sleepers = [s for s in self._sleepers if not s[1].done()]
            due = min((deadline for deadline, _ in self._sleepers), default=target + 1)
            step = min(due, target)
            self._now += timedelta(seconds=step - self._elapsed)
            self._elapsed = step
            for deadline, woken in self._sleepers:
                if deadline <= step and not woken.done():
                    woken.set_result(None)
            for _ in range(10):  # let those who woke run up to their next wait
                await asyncio.sleep(0)
            if due > target:
                return
