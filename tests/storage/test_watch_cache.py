"""The watch cache: what is read, what is watched and what it costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from apiserver.storage.entry import Entry, object_head, with_revision
from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import Compacted, KeyExists, KeyMissing, RevisionMismatch, Store, StoreError
from apiserver.storage.sqlite import SqliteStore
from apiserver.storage.subscription import Subscription, TooSlow
from apiserver.storage.watch_cache import CacheEvent, WatchCache

POD = object_head("Pod", "v1")


def pod(name: str, node: str = "", **labels: str) -> bytes:
    found = ",".join(f'"{key}":"{value}"' for key, value in labels.items())
    return f'{{"metadata":{{"name":"{name}","labels":{{{found}}}}},"spec":{{"nodeName":"{node}"}}}}'.encode()


def pod_fields(document: Mapping[str, Any]) -> dict[str, str]:
    return {"spec.nodeName": document["spec"].get("nodeName", "")}


def seen(events: list[CacheEvent]) -> list[tuple[str, str, int]]:
    return [(event.type, event.entry.name, event.revision) for event in events]


async def take(subscription: Subscription, count: int) -> list[CacheEvent]:
    found: list[CacheEvent] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await subscription.next_batch()
    return found


@pytest.fixture
async def cache(store: Store) -> AsyncIterator[WatchCache]:
    found = WatchCache(store)
    found.register("/pods/", pod_fields)
    found.register("/nodes/")
    await found.start()
    yield found
    await found.stop()


def test_the_revision_is_spliced_into_what_is_stored() -> None:
    spliced = with_revision(b'{"metadata":{"name":"a"},"x":1}', 7)
    assert spliced == b'"metadata":{"resourceVersion":"7","name":"a"},"x":1}'
    assert with_revision(b'{"metadata":{}}', 7) == b'"metadata":{"resourceVersion":"7"}}'
    with pytest.raises(ValueError, match="must begin with"):
        with_revision(b'{"kind":"Pod"}', 7)
    for value in (b'{"metadata":{"name":"a"},"x":1}', b'{"metadata":{}}'):
        entry = Entry.from_value("/nodes/a", value, 12345, None)
        assert entry.value == value
        assert entry.at(9).document["metadata"]["resourceVersion"] == "9"
        assert entry.at(9).value == value


@pytest.mark.parametrize(
    ("rest", "version"),
    [
        (',"spec":{"x":1},"apiVersion":"example.com/v1"}', "example.com/v1"),
        (',"apiVersion":"example.com/v1"}', "example.com/v1"),
        (',"apiVersion":"example.com/v1","spec":{"x":1}}', ""),  # not at the end
        (',"apiVersion":"example.com/v1","type":"Warning"}', ""),
        (',"roleRef":{"name":"a","apiVersion":"example.com/v1"}}', ""),
        (',"text":"\\",\\"apiVersion\\":\\"x"}', ""),
    ],
)
def test_the_version_at_the_end_of_a_custom_object_is_kept_apart(rest: str, version: str) -> None:
    value = f'{{"metadata":{{"name":"a"}}{rest}'.encode()
    entry = Entry.from_value("/widgets.example.com/a", value, 5, None)
    assert entry.stored_as == version
    assert entry.document == {
        "metadata": {"resourceVersion": "5", "name": "a"},
        **{member: found for member, found in json.loads("{" + rest[1:]).items() if not version or member == "spec"},
    }
    assert entry.value == entry.at(8).value == value


async def test_a_write_can_be_read_as_soon_as_it_returns(cache: WatchCache) -> None:
    created = await cache.create("/pods/default/a", pod("a", "n1", app="web"))
    assert cache.get("/pods/default/a") is created
    assert (created.namespace, created.name, created.revision) == ("default", "a", 2)
    assert created.labels == {"app": "web"}
    assert created.fields == {"spec.nodeName": "n1", "metadata.name": "a", "metadata.namespace": "default"}
    assert created.document["metadata"] == {"resourceVersion": "2", "name": "a", "labels": {"app": "web"}}
    updated = await cache.update("/pods/default/a", pod("a", "n2"), 2)
    assert cache.get("/pods/default/a") is updated
    deleted = await cache.delete("/pods/default/a", None, 3)
    assert cache.get("/pods/default/a") is None
    assert (deleted.revision, deleted.fields["spec.nodeName"]) == (4, "n2")
    assert deleted.document["metadata"]["resourceVersion"] == "4"
    assert cache.revision == 4


@pytest.mark.parametrize("alone", [True, False], ids=["committed-alone", "committed-by-the-thread"])
async def test_a_watcher_that_waits_takes_a_write_before_it_returns(tmp_path: Path, alone: bool) -> None:
    sqlite = SqliteStore(tmp_path / "state.db", is_alone=lambda: alone)
    await sqlite.open()
    cache = WatchCache(sqlite)
    await cache.start()
    order: list[str] = []

    async def watcher() -> None:
        subscription = cache.watch("/nodes/", "", cache.revision)
        async for event in subscription:
            order.append(f"heard of {event.revision}")

    watching = asyncio.create_task(watcher())
    entry = await cache.create("/pods/ns/a", pod("a"))  # of another resource: by now the watcher waits
    for number in range(5):
        entry = await cache.create(f"/nodes/{number}", pod(f"{number}"))
        order.append(f"wrote {entry.revision}")
    gone = await cache.delete("/nodes/0", None, entry.revision - 4)
    order.append(f"wrote {gone.revision}")
    watching.cancel()
    await cache.stop()
    await sqlite.close()
    assert order == [f"{did} {revision}" for revision in range(3, 9) for did in ("heard of", "wrote")]


async def test_a_refused_write_is_refused_for_what_can_be_read(cache: WatchCache) -> None:
    await cache.create("/nodes/a", pod("a"))
    with pytest.raises(KeyExists):
        await cache.create("/nodes/a", pod("a"))
    with pytest.raises(RevisionMismatch) as error:
        await cache.update("/nodes/a", pod("a"), 99)
    found = cache.get("/nodes/a")
    assert found is not None
    assert error.value.current == found.revision
    with pytest.raises(RevisionMismatch):
        await cache.delete("/nodes/a", None, 99)
    with pytest.raises(KeyMissing):
        await cache.delete("/nodes/b", None, 99)
    with pytest.raises(KeyMissing):
        await cache.update("/nodes/b", pod("b"), 99)


async def test_writers_of_one_object_each_get_their_own_revision_back(cache: WatchCache) -> None:
    entries = await asyncio.gather(*(cache.create(f"/pods/ns/p{n}", pod(f"p{n}")) for n in range(50)))
    assert sorted(entry.revision for entry in entries) == list(range(2, 52))
    assert all(entry.name == f"p{n}" for n, entry in enumerate(entries))


async def test_a_list_is_in_the_order_of_keys_and_knows_namespaces(cache: WatchCache) -> None:
    for namespace, name in (("ns", "b"), ("ns-b", "z"), ("ns", "a"), ("ns2", "a"), ("ns", "c")):
        await cache.create(f"/pods/{namespace}/{name}", pod(name))
    await cache.create("/podsets/ns/a", pod("a"))
    await cache.create("/nodes/a", pod("a"))
    names = [(entry.namespace, entry.name) for entry in cache.list("/pods/")]
    assert names == [("ns-b", "z"), ("ns", "a"), ("ns", "b"), ("ns", "c"), ("ns2", "a")]
    assert [entry.name for entry in cache.list("/pods/", "ns")] == ["a", "b", "c"]
    assert cache.list("/pods/", "none") == cache.list("/nothing/") == []
    assert cache.count("/pods/") == 5
    for entry in cache.list("/pods/", "ns"):
        await cache.delete(entry.key, None, entry.revision)
    assert [entry.namespace for entry in cache.list("/pods/")] == ["ns-b", "ns2"]


async def test_reads_cost_no_sql(sqlite: SqliteStore) -> None:
    cache = WatchCache(sqlite)
    await cache.start()
    for n in range(10):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
    before = cache.stats
    for _ in range(100):
        cache.get("/pods/ns/p1")
        cache.list("/pods/", "ns")
        subscription = cache.watch("/pods/", "ns", 5)
        assert len(await take(subscription, 6)) == 6
        subscription.close()
        assert len(await cache.list_at("/pods/", "ns", 5)) == 4
    assert cache.stats == before
    await cache.stop()


async def test_a_watcher_hears_of_its_resource_and_namespace_only(cache: WatchCache) -> None:
    everywhere, here = cache.watch("/pods/", "", 1), cache.watch("/pods/", "here", 1)
    await cache.create("/pods/here/a", pod("a"))
    await cache.create("/pods/there/b", pod("b"))
    await cache.create("/nodes/n", pod("n"))
    await cache.update("/pods/here/a", pod("a", "n1"), 2)
    await cache.delete("/pods/here/a", None, 5)
    assert seen(await take(everywhere, 4)) == [
        ("ADDED", "a", 2),
        ("ADDED", "b", 3),
        ("MODIFIED", "a", 5),
        ("DELETED", "a", 6),
    ]
    assert seen(await take(here, 3)) == [("ADDED", "a", 2), ("MODIFIED", "a", 5), ("DELETED", "a", 6)]
    assert cache.stats.dispatched == 7


async def test_a_deletion_shows_the_state_it_was_given(cache: WatchCache) -> None:
    await cache.create("/pods/ns/a", pod("a"))
    entry = await cache.delete("/pods/ns/a", pod("a", reason="gone"), 2)
    assert entry.labels == {"reason": "gone"}
    (event,) = await take(cache.watch("/pods/", "", 2), 1)
    assert event.entry is entry
    assert event.previous is not None
    assert event.previous.revision == 2


async def test_a_deletion_that_memory_loses_at_once_is_told_all_the_same(store: Store) -> None:
    cache = WatchCache(store, ring_size=2)
    await cache.start()
    for name in ("a", "b"):
        await cache.create(f"/pods/ns/{name}", pod(name))
    deletions = cache.delete("/pods/ns/a", None, 2), cache.delete("/pods/ns/b", pod("b", reason="gone"), 3)
    others = (cache.create(f"/pods/ns/p{n}", pod(f"p{n}")) for n in range(50))
    first, second, *_ = await asyncio.gather(*deletions, *others)
    assert [first.document["metadata"][field] for field in ("name", "resourceVersion")] == ["a", str(first.revision)]
    assert (second.name, second.labels) == ("b", {"reason": "gone"})
    await cache.stop()


async def test_a_past_that_memory_has_lost_comes_from_the_log(store: Store) -> None:
    cache = WatchCache(store, ring_size=3)
    await cache.start()
    for n in range(8):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
    await cache.delete("/pods/ns/p0", None, 2)
    for since in range(1, 11):
        subscription = cache.watch("/pods/", "ns", since)
        expected = [("ADDED", f"p{r - 2}", r) for r in range(since + 1, 10)] + [("DELETED", "p0", 10)] * (since < 10)
        assert seen(await take(subscription, len(expected))) == expected
        await subscription.aclose()
    subscription = cache.watch("/pods/", "", 1)
    await cache.create("/pods/ns/late", pod("late"))  # while the past is still being read
    assert [event.revision for event in await take(subscription, 10)] == list(range(2, 12))
    for revision, count in ((1, 0), (4, 3), (9, 8), (10, 7)):
        assert len(await cache.list_at("/pods/", "ns", revision)) == count
    await cache.stop()


async def test_a_past_that_has_been_compacted_is_refused(store: Store) -> None:
    cache = WatchCache(store, ring_size=2)
    await cache.start()
    for n in range(8):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
    await store.compact(5)
    with pytest.raises(Compacted):
        await cache.watch("/pods/", "", 4).next_batch()
    with pytest.raises(Compacted):
        await cache.list_at("/pods/", "", 4)
    assert [event.revision for event in await take(cache.watch("/pods/", "", 5), 4)] == [6, 7, 8, 9]
    await cache.stop()


async def test_a_watch_continues_over_a_restart(tmp_path: Path) -> None:
    for start in (1, 2):
        store = SqliteStore(tmp_path / "state.db")
        await store.open()
        cache = WatchCache(store)
        await cache.start()
        await cache.create(f"/nodes/n{start}", pod(f"n{start}"))
        assert [entry.name for entry in cache.list("/nodes/")] == ["n1", "n2"][:start]
        assert (
            seen(await take(cache.watch("/nodes/", "", 1), start)) == [("ADDED", "n1", 2), ("ADDED", "n2", 3)][:start]
        )
        await cache.stop()
        await store.close()


async def test_an_event_is_encoded_once_for_all_watchers(cache: WatchCache) -> None:
    watchers = [cache.watch("/pods/", "", 1) for _ in range(20)]
    for n in range(5):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
    frames = set()
    for watcher in watchers:
        frames |= {id(event.frame(event.type, POD)) for event in await take(watcher, 5)}
    assert len(frames) == 5
    assert cache.stats.encodings == 5
    (event,) = await take(cache.watch("/pods/", "", 5), 1)
    assert event.frame("ADDED", POD) == (
        b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"6","name":"p4",'
        b'"labels":{}},"spec":{"nodeName":""}}}\n'
    )


async def test_watchers_of_other_nodes_are_not_asked(cache: WatchCache) -> None:
    watchers = {node: cache.watch("/pods/", "", 1, field=("spec.nodeName", node)) for node in ("", "n1", "n2", "n3")}
    await cache.create("/pods/ns/a", pod("a"))
    await cache.update("/pods/ns/a", pod("a", "n1"), 2)
    await cache.update("/pods/ns/a", pod("a", "n1", app="web"), 3)
    await cache.delete("/pods/ns/a", None, 4)
    assert cache.stats.dispatched == 5
    assert seen(await take(watchers[""], 2)) == [("ADDED", "a", 2), ("MODIFIED", "a", 3)]
    assert seen(await take(watchers["n1"], 3)) == [("MODIFIED", "a", 3), ("MODIFIED", "a", 4), ("DELETED", "a", 5)]
    assert not watchers["n2"].pending


async def test_a_slow_watcher_is_cut_off_and_nobody_else(store: Store) -> None:
    cache = WatchCache(store, queue_limit=3)
    await cache.start()
    slow, fast = cache.watch("/pods/", "", 1), cache.watch("/pods/", "", 1)
    for n in range(6):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
        assert len(await take(fast, 1)) == 1
    assert len(await take(slow, 3)) == 3
    assert slow.closed
    with pytest.raises(TooSlow):
        await slow.next_batch()
    assert not fast.closed
    await cache.stop()


async def test_a_watch_from_the_future_waits_for_it(cache: WatchCache) -> None:
    subscription = cache.watch("/pods/", "", 3)
    for n in range(4):
        await cache.create(f"/pods/ns/p{n}", pod(f"p{n}"))
    assert [event.revision for event in await take(subscription, 2)] == [4, 5]


async def test_a_closed_watcher_leaves_nothing_behind(cache: WatchCache) -> None:
    collection = cache._collection("/pods/")
    for field in (None, ("spec.nodeName", "n1")):
        for namespace in ("", "ns"):
            subscription = cache.watch("/pods/", namespace, 1, field=field)
            assert collection.subscriptions() == [subscription]
            subscription.close()
            subscription.close()
            assert await subscription.next_batch() == []
    assert collection.subscriptions() == []
    assert (collection._by_field, collection._by_namespace) == ({}, {})


async def test_watchers_end_when_the_server_stops(cache: WatchCache) -> None:
    subscription = cache.watch("/pods/", "", 1)
    waiting = asyncio.ensure_future(subscription.next_batch())
    await asyncio.sleep(0)
    await cache.stop()
    assert await asyncio.wait_for(waiting, 60) == []
    assert subscription.closed
    assert cache.watch("/pods/", "", 1).closed


async def test_who_waits_for_a_first_object_hears_of_it_or_of_the_end(cache: WatchCache) -> None:
    first, second = (asyncio.ensure_future(cache.until_some(p, cache.revision)) for p in ("/pods/", "/nodes/"))
    await cache.create("/pods/ns/a", pod("a"))
    await asyncio.wait_for(first, 60)
    cache.end_watches("/nodes/")  # they are to begin anew
    await asyncio.sleep(0)
    assert not second.done()
    await cache.stop()
    with pytest.raises(StoreError, match="shutting down"):
        await asyncio.wait_for(second, 60)


async def test_objects_of_a_resource_that_comes_later_are_kept_for_it() -> None:
    store = MemoryStore()
    await store.open()
    await store.create("/pods/ns/a", pod("a", "n1"))
    cache = WatchCache(store)
    await cache.start()
    cache.register("/pods/", pod_fields)
    assert cache.list("/pods/")[0].fields["spec.nodeName"] == "n1"
    await cache.stop()


async def test_a_store_that_fails_is_told_to_those_who_wait(sqlite: SqliteStore) -> None:
    cache = WatchCache(sqlite)
    await cache.start()
    await sqlite.close()
    with pytest.raises(StoreError):
        await cache.create("/pods/ns/a", pod("a"))
    await cache.stop()
    assert cache.failure is not None
