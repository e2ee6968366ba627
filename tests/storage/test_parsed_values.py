"""A writer may hand the watch cache its value parsed, so that the cache need not parse it again."""

from __future__ import annotations

import orjson

from apiserver.storage.memory import MemoryStore
from apiserver.storage.watch_cache import WatchCache

KEY = "/pods/ns/a"


async def test_the_entry_is_made_of_the_parsed_value() -> None:
    cache = WatchCache(store := MemoryStore())
    await store.open()
    await cache.start()
    # Here the two say different things, so that one sees which of them is read.
    value = orjson.dumps({"metadata": {"name": "a", "labels": {"read": "value"}}})
    document = {"metadata": {"name": "a", "labels": {"read": "first document"}}}
    created = await cache.create(KEY, value, document)
    assert created.labels == {"read": "first document"}
    document = {"metadata": {"name": "a", "labels": {"read": "second document"}}}
    updated = await cache.update(KEY, value, created.revision, document)
    assert updated.labels == {"read": "second document"}
    gone = await cache.delete(KEY, None, updated.revision)
    assert gone.labels == {"read": "value"}
    await cache.stop()
    await store.close()


async def test_another_writers_value_is_parsed() -> None:
    cache = WatchCache(store := MemoryStore())
    await store.open()
    await cache.start()
    cache._parsed[KEY] = b"{}", {"metadata": {"labels": {"wrong": "yes"}}}
    created = await cache.create(KEY, b'{"metadata":{"labels":{"app":"web"}}}')
    assert created.labels == {"app": "web"}
    assert not cache._parsed
    await cache.stop()
    await store.close()
