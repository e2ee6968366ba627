"""A queue of keys to work on (client-go's workqueue)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from api.clock import Clock


class WorkQueue:
    """Keys waiting to be worked on, each at most once.

    Guarantees:

    - A key is never handed out twice at once: between `get` and `done` it stays with one worker.
    - A key added while it is being worked on is handed out again after `done`: no change goes unseen.
    - A key added several times before it is handed out is handed out once.
    - Order is that of adding; a delayed key is added when its time has come, and the earliest of several wins.

    For one event loop; no method but `get` waits.
    """

    def __init__(self, clock: Clock, *, base_delay: float = 0.005, max_delay: float = 30.0) -> None:
        """`base_delay` and `max_delay` (seconds) bound `add_rate_limited`, which doubles from one to the other."""
        self._clock = clock
        self._base_delay, self._max_delay = base_delay, max_delay
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._delayed: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._added: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self.adds = 0
        self.waited: Callable[[float], None] = _ignore
        """Told of every key that is handed out, with the seconds that it was ready for."""
        self.worked: Callable[[float], None] = _ignore
        """Told of every key that is done, with the seconds of work on it."""

    def __len__(self) -> int:
        """Keys ready to be worked on; delayed ones are not counted."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing is ready or being worked on."""
        return not self._ready and not self._working

    @property
    def closed(self) -> bool:
        return self._closed

    def under_way(self) -> list[float]:
        """For how many seconds each key has been worked on that is not done."""
        now = self._clock.monotonic()
        return [now - began for began in self._began.values()]

    def add(self, key: str) -> None:
        if self._closed or key in self._dirty:
            return
        self.adds += 1
        self._dirty.add(key)
        self._added[key] = self._clock.monotonic()
        if key not in self._working:
            self._push(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Add when that much time has passed; an earlier wait for the same key stands."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        waiting = self._delayed.get(key)
        if waiting is not None:
            if waiting[0] <= due:
                return
            waiting[1].cancel()
        self._delayed[key] = (due, asyncio.create_task(self._add_later(key, seconds)))

    async def _add_later(self, key: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._delayed.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: str) -> None:
        """Add after a delay that doubles with each call until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._base_delay * 2 ** min(failures, 30), self._max_delay))

    def forget(self, key: str) -> None:
        """The key's work succeeded: its next failure starts with the shortest delay."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """The next key; `done(key)` must follow.  Raises QueueClosed once the queue is closed and empty."""
        while not self._ready:
            if self._closed:
                raise QueueClosed
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # the wake-up was meant for someone who will work
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        now = self._began[key] = self._clock.monotonic()
        self.waited(now - self._added.pop(key))
        return key

    def done(self, key: str) -> None:
        """Work on a key that `get` handed out has ended, well or not."""
        self._working.discard(key)
        self.worked(self._clock.monotonic() - self._began.pop(key))
        if key in self._dirty:
            self._push(key)

    def close(self) -> None:
        """Take no more keys; those waiting are still handed out, delayed ones are dropped."""
        self._closed = True
        for _, task in self._delayed.values():
            task.cancel()
        self._delayed.clear()
        while self._waiters:
            self._wake()

    def _push(self, key: str) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def _ignore(seconds: float) -> None: ...


class QueueClosed(Exception):
    """The queue was closed and holds no more work."""
