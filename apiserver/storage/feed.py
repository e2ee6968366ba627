"""How a driver in this process hands committed changes to its watchers.

Every watcher has a `Tail`: the changes committed since it began, in memory.  One that does not keep up loses its
tail, not its place: it reads what it missed from the driver's log and takes a new tail, so memory stays bounded
and no change is lost or seen twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from apiserver.storage.protocol import Event, Revision

ReadLog = Callable[[str, Revision, Revision], Awaitable[Sequence[Event]]]
"""Reads changes of a prefix after one revision and up to another from the log: all of them, or the first so many,
in order.  Raises Compacted."""

TAIL_LIMIT = 100_000


class Tail:
    __slots__ = ("closed", "events", "overflowed", "waiter")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.overflowed = False
        self.closed = False
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Feed:
    """The watchers of one store.  Belongs to the event loop: publish from there only."""

    def __init__(self, read_log: ReadLog, revision: Revision, *, tail_limit: int = TAIL_LIMIT) -> None:
        self.revision = revision
        """The newest revision published."""
        self._read_log = read_log
        self._tail_limit = tail_limit
        self._tails: set[Tail] = set()
        self._closed = False

    def publish(self, events: Iterable[Event], revision: Revision) -> None:
        """Give every watcher the changes that bring the store to `revision`."""
        batch = list(events)
        self.revision = revision
        for tail in self._tails:
            if tail.overflowed:
                continue
            if len(tail.events) + len(batch) > self._tail_limit:
                tail.overflowed = True
            else:
                tail.events.extend(batch)
            tail.wake()

    def close(self) -> None:
        """End all watches once they have seen what was published."""
        self._closed = True
        for tail in self._tails:
            tail.closed = True
            tail.wake()

    async def watch(self, prefix: str, since: Revision, until: Revision | None) -> AsyncGenerator[Event, None]:
        """See `Store.watch`."""
        tail = Tail()
        tail.closed = self._closed
        self._tails.add(tail)
        try:
            # The tail holds everything after this revision, the log everything before: nothing falls in between.
            boundary = self.revision if until is None else min(until, self.revision)
            while True:
                while since < boundary:
                    events = await self._read_log(prefix, since, boundary)
                    for event in events:
                        since = event.revision
                        yield event
                    if not events:
                        since = boundary
                if until is not None and since >= until:
                    return
                while tail.events:
                    event = tail.events.popleft()
                    if event.revision <= since:
                        continue
                    if until is not None and event.revision > until:
                        return
                    since = event.revision
                    if event.key.startswith(prefix):
                        yield event
                if tail.overflowed:
                    tail.overflowed = False
                    boundary = self.revision if until is None else min(until, self.revision)
                    continue
                if tail.closed or (until is not None and self.revision >= until):
                    return
                tail.waiter = asyncio.get_running_loop().create_future()
                await tail.waiter
        finally:
            self._tails.discard(tail)
