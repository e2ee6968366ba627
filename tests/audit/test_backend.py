"""How long requests wait for their events, and which events are lost when a sink cannot take them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from api.clock import ManualClock
from apiserver.audit.backend import DeliveryError, Event, Sink
from apiserver.audit.flags import BATCH, BLOCKING, STRICT, SinkOptions

OPTIONS = SinkOptions(
    BATCH, buffer_size=5, max_size=3, max_wait=30.0, throttle=False, qps=1.0, burst=1, truncate=False,
    max_event_size=1000, max_batch_size=2000,
)  # fmt: skip


class Place:
    """Where events go; `broken` it takes none, `held` it takes its time."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.broken = False
        self.held: asyncio.Event | None = None

    async def deliver(self, events: Sequence[Event]) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.broken:
            raise DeliveryError("no space left")
        self.batches.append([event.document.get("number") for event in events])


def event(number: int, **more: Any) -> Event:
    document = {"number": number, **more}
    return Event(document, orjson.dumps(document))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("mode", "goes_on"), [(BLOCKING, True), (STRICT, False)])
async def test_requests_wait_and_only_strictly_is_one_refused(mode: str, goes_on: bool) -> None:
    place = Place()
    sink = Sink("log", OPTIONS._replace(mode=mode), place.deliver, ManualClock())
    assert await sink.process(event(1))
    assert place.batches == [[1]]
    place.broken = True
    assert await sink.process(event(2)) is goes_on
    assert sink.lost == 1
    await sink.close()


async def test_a_batch_goes_when_it_is_full_or_its_time_is_over() -> None:
    clock, place = ManualClock(), Place()
    sink = Sink("log", OPTIONS, place.deliver, clock)
    for number in range(3):
        assert await sink.process(event(number))
    await settle()
    assert place.batches == [[0, 1, 2]]
    await sink.process(event(3))
    await settle()
    await clock.advance(29)
    assert len(place.batches) == 1
    await clock.advance(2)
    await settle()
    assert place.batches == [[0, 1, 2], [3]]
    await sink.close()


async def test_a_sink_that_hangs_holds_nobody_up_and_costs_the_events_that_do_not_fit() -> None:
    place = Place()
    place.held = asyncio.Event()
    sink = Sink("webhook", OPTIONS, place.deliver, ManualClock())
    for number in range(3):
        await sink.process(event(number))
    await settle()  # these are on their way
    for number in range(3, 12):
        assert await sink.process(event(number))
    assert sink.lost == 4
    place.held.set()
    await sink.close()
    assert [number for batch in place.batches for number in batch] == list(range(8))


async def test_what_waits_is_delivered_at_the_end() -> None:
    place = Place()
    sink = Sink("log", OPTIONS, place.deliver, ManualClock())
    await sink.process(event(1))
    await sink.close()
    assert place.batches == [[1]]


async def test_batches_are_throttled() -> None:
    clock, place = ManualClock(), Place()
    sink = Sink("webhook", OPTIONS._replace(throttle=True, burst=2, max_size=1), place.deliver, clock)
    for number in range(4):
        await sink.process(event(number))
    await settle()
    assert place.batches == [[0], [1]]
    await clock.advance(1.01)
    await settle()
    assert place.batches == [[0], [1], [2]]
    await sink.close()
    assert place.batches[-1] == [3]


async def test_large_events_lose_their_objects_and_larger_ones_everything() -> None:
    place = Place()
    options = OPTIONS._replace(mode=BLOCKING, truncate=True)
    seen: list[Event] = []

    async def deliver(events: Sequence[Event]) -> None:
        seen.extend(events)
        await place.deliver(events)

    sink = Sink("log", options, deliver, ManualClock())
    await sink.process(event(1, requestObject={"a": "x" * 2000}, annotations={"b": "c"}))
    await sink.process(event(2, userAgent="x" * 2000))
    assert place.batches == [[1]]
    assert seen[0].document == {"number": 1, "annotations": {"b": "c", "audit.k8s.io/truncated": "true"}}
    assert sink.lost == 1
    await sink.close()
