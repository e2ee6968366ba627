"""Regular compaction keeps between one and two intervals of history."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from api.clock import ManualClock
from apiserver.storage.compactor import compact_regularly
from apiserver.storage.protocol import Compacted, Store


async def asleep(clock: ManualClock) -> None:
    """Return when the compactor waits for the clock again."""
    async with asyncio.timeout(60):
        while True:
            if clock.sleepers:
                return
            await asyncio.sleep(0)


async def test_history_is_kept_for_one_interval_at_least(store: Store) -> None:
    clock = ManualClock()
    task = asyncio.create_task(compact_regularly(store, clock, 300))
    await asleep(clock)
    await store.create("/a/1", b"")  # revision 2, in the first interval
    await clock.advance(301)
    await asleep(clock)  # the driver compacts in a thread of its own
    await store.create("/a/2", b"")
    assert len((await store.list("/", at=2)).items) == 1
    await clock.advance(300)
    async with asyncio.timeout(60):
        while True:
            try:
                await store.list("/", at=1)
            except Compacted:
                break
    assert len((await store.list("/", at=2)).items) == 1
    with pytest.raises(Compacted):
        await store.list("/", at=1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
