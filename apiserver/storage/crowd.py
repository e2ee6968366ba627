"""The watchers that hear of the same changes, and how often they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.clock import Clock

if TYPE_CHECKING:
    from apiserver.storage.subscription import Subscription

FEW = 10
PAUSE_PER_WATCHER = 0.0005
LONGEST_PAUSE = 0.05
"""Seconds between two messages to one of many watchers: what happens meanwhile goes out together.  Telling each of a
hundred of every change by itself would take the processor from those who make the changes.  The first change after a
quiet time is told at once, and so is every one where there are few watchers."""
BURST, STEPS = 10, 10
"""So many changes in a pause are a burst, and a part of the pause without another is its end."""


class Crowd(set["Subscription"]):
    """The subscriptions of one resource to the same namespace, or the same value of a field."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        """How many they have heard of."""
        self._rested: asyncio.Event | None = None
        self._pace_maker: asyncio.Task[None] | None = None

    def hear(self) -> tuple[Subscription, ...]:
        """Who is to be told of another change."""
        self.changes += 1
        return tuple(self)

    async def rest(self, clock: Clock) -> None:
        """The pause between two messages to one of them, which all have in common.  It ends with a burst of changes:
        who waits for the last of them need not wait for more."""
        if len(self) <= FEW:
            return
        if self._rested is None:
            self._rested = asyncio.Event()
            self._pace_maker = asyncio.create_task(self._pace(clock, self._rested))
        await self._rested.wait()

    async def _pace(self, clock: Clock, rested: asyncio.Event) -> None:
        pause = min(len(self) * PAUSE_PER_WATCHER, LONGEST_PAUSE)
        until = clock.monotonic() + pause
        before = heard = self.changes
        try:
            # Who is busy is woken late: steps are counted by the clock, lest their delays add up.
            while (left := until - clock.monotonic()) > 0:
                await clock.sleep(min(left, pause / STEPS))
                if self.changes == heard and heard - before >= BURST:
                    break
                heard = self.changes
        finally:
            self._rested = None
            rested.set()
