"""Where events go: to a log file, to a webhook, or to both; and how long requests wait for that.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-backends
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from api.clock import Clock
from apiserver.audit.flags import BATCH, STRICT, SinkOptions
from apiserver.audit.record import Record

log = logging.getLogger(__name__)

_TRUNCATED = "audit.k8s.io/truncated"
_AT_ONCE = 10
"""Batches that are under way at the same time: a sink that hangs does not gather more of them."""
_LAST = 5.0
"""Seconds that the server, when it ends, takes to get rid of what it has."""


class Event(NamedTuple):
    """One event, and the same as JSON."""

    document: dict[str, Any]
    encoded: bytes


class DeliveryError(Exception):
    """Events could not be delivered; they are lost."""


Deliver = Callable[[Sequence[Event]], Awaitable[None]]
"""Puts events where they belong, in order.  Raises DeliveryError."""


class Sink:
    """One of the places.  In batch mode events wait in a buffer, else those who make them wait."""

    def __init__(self, name: str, options: SinkOptions, deliver: Deliver, clock: Clock) -> None:
        self.name = name
        self.lost = 0
        self._options = options
        self._deliver = deliver
        self._clock = clock
        self._buffer: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._batching = asyncio.create_task(self._batch()) if options.mode == BATCH else None

    async def process(self, event: Event) -> bool:
        """Whether the request may go on."""
        fitting = self._fitting(event)
        if fitting is None:
            self._lose(1, "it is too large")
            return True
        if self._options.mode != BATCH:
            return await self._delivered([fitting]) or self._options.mode != STRICT
        if len(self._buffer) >= self._options.buffer_size:
            self._lose(1, "the buffer is full")
            return True
        self._buffer.append(fitting)
        if len(self._buffer) == 1 or len(self._buffer) >= self._options.max_size:
            self._filled.set()
        return True

    def _fitting(self, event: Event) -> Event | None:
        """The event as it may be delivered: a large one without its objects."""
        options = self._options
        if not options.truncate or len(event.encoded) <= options.max_event_size:
            return event
        document = {name: value for name, value in event.document.items() if not name.endswith("Object")}
        document["annotations"] = {**document.get("annotations", {}), _TRUNCATED: "true"}
        encoded = orjson.dumps(document)
        return Event(document, encoded) if len(encoded) <= options.max_event_size else None

    async def _delivered(self, events: Sequence[Event]) -> bool:
        try:
            await self._deliver(events)
        except DeliveryError as error:
            self._lose(len(events), str(error))
            return False
        return True

    def _lose(self, count: int, why: str) -> None:
        if not self.lost:  # once: the log need not be filled by what fills the disk; the metric goes on counting
            log.error("audit events are lost, since the %s cannot take them: %s", self.name, why)
        self.lost += count

    # --- batches

    async def _batch(self) -> None:
        options, tokens, counted = self._options, float(self._options.burst), self._clock.monotonic()
        while True:
            await self._until_full()
            if options.throttle:
                now = self._clock.monotonic()
                tokens, counted = min(float(options.burst), tokens + (now - counted) * options.qps), now
                if tokens < 1:
                    await self._clock.sleep((1 - tokens) / options.qps)
                    continue
                tokens -= 1
            await self._slots.acquire()
            task = asyncio.create_task(self._send(self._take()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            if not options.throttle:
                await asyncio.wait((task,))  # a log keeps its order; and the batch outlives this loop

    async def _until_full(self) -> None:
        """Return when there is a batch: a full one, or some and the time is over."""
        while not self._buffer:
            self._filled.clear()
            await self._filled.wait()
        deadline = self._clock.monotonic() + self._options.max_wait
        while len(self._buffer) < self._options.max_size and (left := deadline - self._clock.monotonic()) > 0:
            self._filled.clear()
            sleeping, filled = (asyncio.create_task(each) for each in (self._clock.sleep(left), self._wait()))
            try:
                await asyncio.wait((sleeping, filled), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sleeping, filled):
                    task.cancel()

    async def _wait(self) -> None:
        await self._filled.wait()

    def _take(self) -> list[Event]:
        events: list[Event] = []
        size = 0
        while self._buffer and len(events) < self._options.max_size:
            size += len(self._buffer[0].encoded)
            if events and self._options.truncate and size > self._options.max_batch_size:
                break
            events.append(self._buffer.popleft())
        return events

    async def _send(self, events: list[Event]) -> None:
        try:
            await self._delivered(events)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Deliver what is waiting, if that does not take long."""
        if self._batching is None:
            return
        self._batching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._batching
        try:
            async with asyncio.timeout(_LAST):
                await asyncio.gather(*self._under_way)
                while self._buffer:
                    await self._delivered(self._take())
        except TimeoutError:
            self._lose(len(self._buffer), "the server ends")


def _made(record: Record, stage: str, now: datetime) -> Event:
    document = record.event(stage, now)
    return Event(document, orjson.dumps(document))


class Backend:
    """All sinks, and what is counted."""

    def __init__(
        self, sinks: Sequence[Sink], clock: Clock, close: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        self.levels: Counter[str] = Counter()
        self._sinks = sinks
        self._clock = clock
        self._close = close
        self._events = 0

    async def process(self, record: Record, stage: str) -> bool:
        """Record a stage of a request, if the policy wants it.  Whether the request may go on."""
        if stage in record.decision.omit_stages:
            return True
        now = self._clock.now()
        event = await asyncio.to_thread(_made, record, stage, now) if record.takes_long else _made(record, stage, now)
        self._events += 1
        return all([await sink.process(event) for sink in self._sinks])

    async def close(self) -> None:
        for sink in self._sinks:
            await sink.close()
        for close in self._close:
            await close()

    def metrics(self) -> Iterator[str]:
        yield "# TYPE apiserver_audit_event_total counter"
        yield f"apiserver_audit_event_total {self._events}"
        yield "# TYPE apiserver_audit_error_total counter"
        for sink in self._sinks:
            yield f'apiserver_audit_error_total{{plugin="{sink.name}"}} {sink.lost}'
        yield "# TYPE apiserver_audit_level_total counter"
        for level, count in sorted(self.levels.items()):
            yield f'apiserver_audit_level_total{{level="{level}"}} {count}'
