"""One watcher's place at the watch cache: events wait here until it takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from apiserver.storage.crowd import Crowd
from apiserver.storage.entry import CacheEvent
from apiserver.storage.protocol import Revision, StoreError

_NOBODY = Crowd()


class TooSlow(StoreError):
    """The watcher did not take its events in time: its place has been given up so that nobody waits for it."""


class Subscription:
    """Yields the changes of one resource (in one namespace) after a revision: each once, in order.

    The queue is bounded.  A watcher that lets it fill is cut off: it gets TooSlow after what it had.  Close it when
    done.  `field` narrows dispatch to objects that have, or had, one value in one selectable field.
    """

    __slots__ = (
        "_after",
        "_events",
        "_limit",
        "_log",
        "_on_close",
        "_waiter",
        "closed",
        "crowd",
        "error",
        "field",
        "namespace",
    )

    def __init__(
        self,
        namespace: str,
        field: tuple[str, str] | None,
        after: Revision,
        limit: int,
        log: AsyncGenerator[CacheEvent, None] | None,
        on_close: Callable[[Subscription], None],
    ) -> None:
        self.namespace = namespace
        self.field = field
        self.crowd = _NOBODY
        """Those who hear of the same changes, this one among them."""
        self.closed = False
        self.error: StoreError | None = None
        self._events: deque[CacheEvent] = deque()
        self._after = after
        self._limit = limit
        self._log = log
        self._on_close = on_close
        self._waiter: asyncio.Future[None] | None = None

    def replay(self, event: CacheEvent) -> None:
        """Put in an event of the past, before any of the present; these do not count against the bound."""
        self._events.append(event)
        self._limit += 1

    def offer(self, event: CacheEvent) -> None:
        """Put in an event, or cut the watcher off if it has too many already."""
        if event.revision <= self._after:
            return  # the watcher asked for what comes after a revision of the future
        if len(self._events) >= self._limit:
            self.fail(TooSlow(f"the watcher is {len(self._events)} events behind"))
            return
        self._events.append(event)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fail(self, error: StoreError | None) -> None:
        """End the subscription; what is queued can still be taken."""
        if self.closed:
            return
        self.closed = True
        self.error = error
        self._on_close(self)
        self.wake()

    def wake(self) -> None:
        """Make a waiting `next_batch` return, be it with nothing."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Give up the place and what is queued."""
        self._events.clear()
        self.fail(None)

    async def aclose(self) -> None:
        """The same, and let go of the store's log."""
        self.close()
        if self._log is not None:
            log, self._log = self._log, None
            await log.aclose()

    @property
    def pending(self) -> bool:
        """Whether something has happened that has not been taken yet."""
        return bool(self._events) or self._log is not None

    def take(self) -> list[CacheEvent]:
        """All events that are there now."""
        batch = list(self._events)
        self._events.clear()
        return batch

    async def next_batch(self) -> list[CacheEvent]:
        """All events that are there, waiting for the first.

        Empty when woken by `wake` or at the end (`closed`).  Raises the error the subscription ended with
        (TooSlow), Compacted if the past it asked for is gone.
        """
        if self._log is not None:
            return await self._from_log()
        if not self._events:
            if self.closed:
                return self._end()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
            if not self._events and self.closed:
                return self._end()
        return self.take()

    async def _from_log(self) -> list[CacheEvent]:
        """The past that memory no longer has, a piece at a time."""
        assert self._log is not None
        batch: list[CacheEvent] = []
        async for event in self._log:
            batch.append(event)
            if len(batch) >= 500:
                return batch
        self._log = None
        return batch or await self.next_batch()

    def _end(self) -> list[CacheEvent]:
        if self.error is not None:
            raise self.error
        return []

    async def __aiter__(self) -> AsyncIterator[CacheEvent]:
        while True:
            batch = await self.next_batch()
            for event in batch:
                yield event
            if not batch and self.closed:
                return
