"""The built-in objects of flow control are kept, whatever becomes of the watches by which they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from api.clock import ManualClock
from api.scheme import FLOWCONTROL_V1, resource_of_kind
from apiserver.flow_control.bootstrap_configuration import MANDATORY_LEVELS, MANDATORY_SCHEMAS
from apiserver.flow_control.configuration import FlowControlConfiguration
from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import RevisionMismatch
from apiserver.storage.subscription import Subscription, TooSlow
from apiserver.storage.watch_cache import WatchCache, key_prefix


def prefix(kind: str) -> str:
    resource = resource_of_kind(str(FLOWCONTROL_V1), kind)
    assert resource is not None
    return key_prefix(resource.group_resource)


async def delete_mandatory(cache: WatchCache) -> set[str]:
    """Delete all, and return the keys."""
    names = {prefix("FlowSchema"): MANDATORY_SCHEMAS, prefix("PriorityLevelConfiguration"): MANDATORY_LEVELS}
    keys = {entry.key for each, wanted in names.items() for entry in cache.list(each) if entry.name in wanted}
    for key in keys:
        while (entry := cache.get(key)) is not None:
            with suppress(RevisionMismatch):  # its status is being written
                await cache.delete(key, entry.value, entry.revision)
                break
    return keys


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - all happens in this loop's turns
            await asyncio.sleep(0)


async def appear(cache: WatchCache, keys: set[str]) -> None:
    await until(lambda: all(cache.get(key) is not None for key in keys))


async def test_what_is_deleted_comes_again_also_after_the_watches_were_cut_off() -> None:
    watched: list[Subscription] = []

    class Watched(WatchCache):
        def watch(self, *arguments: Any, **options: Any) -> Subscription:
            watched.append(super().watch(*arguments, **options))
            return watched[-1]

    store, clock = MemoryStore(), ManualClock()
    await store.open()
    cache = Watched(store)
    await cache.start()
    configuration = FlowControlConfiguration(cache, clock)
    await configuration.ensure_built_in()
    work = asyncio.create_task(configuration.run())
    await until(lambda: len(watched) == 2)
    deleted = await delete_mandatory(cache)
    assert len(deleted) == len(MANDATORY_LEVELS) + len(MANDATORY_SCHEMAS)
    await appear(cache, deleted)

    watched[0].fail(TooSlow("the watcher is behind"))
    await until(lambda: clock.sleepers > 0)
    deleted = await delete_mandatory(cache)
    await clock.advance(1)
    await appear(cache, deleted)

    cache.end_watches()
    async with asyncio.timeout(60):
        await work
    await cache.stop()
    await store.close()
