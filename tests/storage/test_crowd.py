"""How often many watchers of the same are told: counted on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from api.clock import ManualClock
from apiserver.storage.crowd import BURST, FEW, LONGEST_PAUSE, PAUSE_PER_WATCHER, STEPS
from apiserver.storage.entry import CacheEvent
from apiserver.storage.memory import MemoryStore
from apiserver.storage.subscription import Subscription
from apiserver.storage.watch_cache import WatchCache
from tests.storage.test_watch_cache import pod, pod_fields

MANY = 40
PAUSE = MANY * PAUSE_PER_WATCHER
STEP = PAUSE / STEPS


class Watcher:
    """Takes what there is and rests, over and over, as those who tell a client do."""

    def __init__(self, subscription: Subscription, clock: ManualClock) -> None:
        self.subscription = subscription
        self.batches: list[int] = []
        self._task = asyncio.create_task(self._run(clock))

    async def _run(self, clock: ManualClock) -> None:
        while batch := await self.subscription.next_batch():
            self.batches.append(len(batch))
            await self.subscription.crowd.rest(clock)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.subscription.aclose()


class Scene:
    def __init__(self, cache: WatchCache, clock: ManualClock, watchers: list[Watcher]) -> None:
        self.cache, self.clock, self.watchers = cache, clock, watchers
        self._made = 0

    async def change(self, count: int, namespace: str = "default", node: str = "") -> None:
        """So many pods are created; what they wake has run when this returns."""
        for _ in range(count):
            self._made += 1
            await self.cache.create(f"/pods/{namespace}/p{self._made}", pod(f"p{self._made}", node))
        for _ in range(5):
            await asyncio.sleep(0)

    def told(self) -> list[list[int]]:
        """The sizes of the batches; those who heard the same are one."""
        different = {tuple(watcher.batches) for watcher in self.watchers}
        return [list(batches) for batches in sorted(different)]


Watch = Callable[[WatchCache], Subscription]


@asynccontextmanager
async def scene(count: int, watch: Watch) -> AsyncIterator[Scene]:
    store, clock = MemoryStore(), ManualClock()
    await store.open()
    cache = WatchCache(store)
    cache.register("/pods/", pod_fields)
    await cache.start()
    watchers = [Watcher(watch(cache), clock) for _ in range(count)]
    await asyncio.sleep(0)
    try:
        yield Scene(cache, clock, watchers)
    finally:
        for watcher in watchers:
            await watcher.stop()
        await cache.stop()
        await store.close()


def everywhere(cache: WatchCache) -> Subscription:
    return cache.watch("/pods/", "", cache.revision)


async def test_few_are_told_of_every_change() -> None:
    async with scene(FEW, everywhere) as few:
        for _ in range(3):
            await few.change(1)
        assert few.told() == [[1, 1, 1]]
        assert few.clock.sleepers == 0


@pytest.mark.parametrize(
    "watch",
    [
        everywhere,
        lambda cache: cache.watch("/pods/", "default", cache.revision),
        lambda cache: cache.watch("/pods/", "", cache.revision, field=("spec.nodeName", "n1")),
    ],
    ids=["everywhere", "of a namespace", "of a node"],
)
async def test_many_are_told_the_first_change_at_once_and_others_together(watch: Watch) -> None:
    async with scene(MANY, watch) as many:
        await many.change(1, node="n1")
        assert many.told() == [[1]]
        await many.change(3, node="n1")
        await many.clock.advance(PAUSE - STEP)
        assert many.told() == [[1]], "three changes are no burst: they wait for the pause to end"
        await many.clock.advance(STEP * 1.5)
        assert many.told() == [[1, 3]]


async def test_one_timer_serves_all_who_rest() -> None:
    async with scene(MANY, everywhere) as many:
        await many.change(1)
        assert many.clock.sleepers == 1


async def test_a_pause_ends_when_a_burst_is_over() -> None:
    async with scene(MANY, everywhere) as many:
        await many.change(1)
        await many.change(BURST)
        await many.clock.advance(STEP * 1.1)
        assert many.told() == [[1]], "they had just come: more may follow"
        await many.clock.advance(STEP)
        assert many.told() == [[1, BURST]]


async def test_a_burst_that_goes_on_is_told_in_whole_pauses() -> None:
    async with scene(MANY, everywhere) as many:
        await many.change(1)
        for _ in range(STEPS - 1):
            await many.change(BURST)
            await many.clock.advance(STEP)
        assert many.told() == [[1]]
        await many.clock.advance(STEP * 1.5)
        assert many.told() == [[1, BURST * (STEPS - 1)]]


async def test_after_a_quiet_time_a_change_is_told_at_once() -> None:
    async with scene(MANY, everywhere) as many:
        await many.change(1)
        await many.clock.advance(LONGEST_PAUSE)
        await many.change(1)
        assert many.told() == [[1, 1]]


async def test_changes_elsewhere_are_no_part_of_a_burst() -> None:
    async with scene(MANY, lambda cache: cache.watch("/pods/", "default", cache.revision)) as many:
        await many.change(1)
        await many.change(1)
        await many.change(BURST, namespace="other")
        await many.clock.advance(STEP * 3)
        assert many.told() == [[1]]
        await many.clock.advance(PAUSE)
        assert many.told() == [[1, 1]]


async def test_who_leaves_does_not_wake_the_others() -> None:
    async with scene(MANY, everywhere) as many:
        await many.change(1)
        await many.change(2)
        leaver = many.watchers.pop()
        await leaver.stop()
        await many.clock.advance(STEP * 2)
        assert many.told() == [[1]]
        await many.clock.advance(PAUSE)
        assert many.told() == [[1, 2]]


async def test_an_object_that_moves_is_told_to_the_watchers_of_both_places() -> None:
    async with scene(1, lambda cache: cache.watch("/pods/", "", cache.revision, field=("spec.nodeName", "n1"))) as one:
        other = one.cache.watch("/pods/", "", one.cache.revision, field=("spec.nodeName", "n2"))
        await one.change(1, node="n1")
        entry = one.cache.get("/pods/default/p1")
        assert entry is not None
        await one.cache.update(entry.key, pod("p1", "n2"), entry.revision)
        events: list[CacheEvent] = await _within(other.next_batch)
        assert [event.type for event in events] == ["MODIFIED"]
        assert one.told() == [[1, 1]]
        await other.aclose()


async def _within(act: Callable[[], Awaitable[list[CacheEvent]]]) -> list[CacheEvent]:
    async with asyncio.timeout(30):
        return await act()
