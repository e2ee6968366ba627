"""The work queue's guarantees, on a clock that the test moves."""

import asyncio

import pytest

from api.clock import ManualClock
from client.work_queue import QueueClosed, WorkQueue


async def test_hands_out_each_key_once_in_order() -> None:
    queue = WorkQueue(ManualClock())
    for key in ("a", "b", "a", "c"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_never_hands_out_a_key_that_is_being_worked_on() -> None:
    queue = WorkQueue(ManualClock())
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert queue.idle


async def test_delays_and_keeps_the_earliest() -> None:
    clock = ManualClock()
    queue = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await asyncio.sleep(0)
    await clock.advance(4.9)
    assert len(queue) == 0
    await clock.advance(0.2)
    assert await queue.get() == "a"
    queue.done("a")
    await clock.advance(30)
    assert len(queue) == 0


async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    clock = ManualClock()
    queue = WorkQueue(clock, base_delay=1, max_delay=5)
    waits = []
    for _ in range(4):
        queue.add_rate_limited("a")
        await asyncio.sleep(0)
        begun = clock.monotonic()
        while not len(queue):
            await clock.advance(1)
        waits.append(clock.monotonic() - begun)
        queue.done(await queue.get())
    assert waits == [1, 2, 4, 5]
    queue.forget("a")
    assert queue.failures("a") == 0


async def test_a_cancelled_worker_loses_no_key() -> None:
    queue = WorkQueue(ManualClock())
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 60) == "a"


async def test_closed_queues_hand_out_what_is_left() -> None:
    queue = WorkQueue(ManualClock())
    queue.add("a")
    queue.add_after("b", 1)
    queue.close()
    queue.add("c")
    assert await queue.get() == "a"
    with pytest.raises(QueueClosed):
        await queue.get()
