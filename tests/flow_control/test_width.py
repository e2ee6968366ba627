"""How many seats a request takes: lists by what they go through, all others one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apiserver.filters.request_info import parse
from apiserver.flow_control.priority_level import PriorityLevel
from apiserver.flow_control.width import width
from apiserver.request import Request
from apiserver.storage.memory import MemoryStore
from apiserver.storage.watch_cache import WatchCache
from tests.flow_control.levels import EXEMPT, level, queueing

PODS = "/api/v1/pods"
OURS = "/api/v1/namespaces/ours/pods"


@pytest.fixture
async def cache() -> AsyncIterator[WatchCache]:
    """950 pods, of which 250 are in a namespace."""
    store = MemoryStore()
    await store.open()
    for number in range(950):
        await store.create(f"/pods/{'ours' if number < 250 else 'theirs'}/{number}", b'{"metadata":{}}')
    cache = WatchCache(store)
    await cache.start()
    yield cache
    await cache.stop()
    await store.close()


def asked(cache: WatchCache, at: PriorityLevel, url: str, method: str = "GET") -> int:
    path, _, query = url.partition("?")
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}

    async def nothing() -> dict[str, object]:
        return {}

    request = Request(scope, nothing)
    request.info = parse(method, path, request.query)
    return width(request, at, cache)


@pytest.mark.parametrize(
    ("url", "seats"),
    [
        (PODS, 10),
        (OURS, 3),
        (f"{PODS}?limit=150", 2),
        (f"{PODS}?limit=0", 10),
        (f"{PODS}?fieldSelector=metadata.name%3Dx", 1),
        (f"{OURS}/1", 1),
        (f"{PODS}?watch=1", 1),
        (f"{PODS}?watch=1&sendInitialEvents=true", 10),
        ("/api/v1/nodes", 1),
        ("/version", 1),
    ],
)
async def test_lists_are_as_wide_as_they_are_long(cache: WatchCache, url: str, seats: int) -> None:
    assert asked(cache, level(queueing(), seats=100), url) == seats


async def test_writes_take_one_seat(cache: WatchCache) -> None:
    assert asked(cache, level(queueing(), seats=100), PODS, "POST") == 1
    assert asked(cache, level(queueing(), seats=100), OURS, "DELETE") == 1


async def test_nobody_takes_more_than_a_part_of_a_level(cache: WatchCache) -> None:
    assert asked(cache, level(queueing(), seats=20), PODS) == 3
    assert asked(cache, level(queueing(), seats=3), PODS) == 1
    assert asked(cache, level(EXEMPT, seats=0), PODS) == 1
