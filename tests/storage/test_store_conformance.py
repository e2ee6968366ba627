"""What every storage driver promises."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from apiserver.storage.protocol import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Revision,
    RevisionMismatch,
    Store,
    StoreError,
)


async def history(store: Store, prefix: str, since: Revision) -> list[Event]:
    async with aclosing(store.watch(prefix, since, until=store.revision)) as events:
        return [event async for event in events]


async def test_an_empty_store_is_at_a_revision_above_zero(store: Store) -> None:
    assert store.revision == 1
    snapshot = await store.list("/")
    assert (snapshot.revision, snapshot.items) == (1, [])


async def test_each_write_gets_the_next_revision(store: Store) -> None:
    first = await store.create("/pods/default/a", b"1")
    second = await store.create("/nodes/n", b"1")
    third = await store.update("/pods/default/a", b"2", if_revision=first)
    fourth = await store.delete("/nodes/n", if_revision=second)
    assert [first, second, third, fourth] == [2, 3, 4, 5]
    assert store.revision == 5


async def test_a_refused_write_uses_no_revision(store: Store) -> None:
    revision = await store.create("/a/x", b"1")
    with pytest.raises(KeyExists) as exists:
        await store.create("/a/x", b"2")
    with pytest.raises(RevisionMismatch) as mismatch:
        await store.update("/a/x", b"2", if_revision=revision + 7)
    with pytest.raises(RevisionMismatch):
        await store.delete("/a/x", if_revision=revision + 7)
    with pytest.raises(RevisionMismatch):
        await store.update("/a/x", b"2", if_revision=0)
    with pytest.raises(KeyMissing):
        await store.update("/a/y", b"2", if_revision=revision)
    with pytest.raises(KeyMissing):
        await store.update("/a/y", b"2", if_revision=0)
    with pytest.raises(KeyMissing):
        await store.delete("/a/y", if_revision=revision)
    assert exists.value.revision == mismatch.value.current == revision
    assert store.revision == revision
    assert (await store.list("/")).items == [KeyValue("/a/x", b"1", revision)]


async def test_of_writers_that_race_for_one_revision_one_wins(store: Store) -> None:
    revision = await store.create("/a/x", b"0")
    outcomes = await asyncio.gather(
        *(store.update("/a/x", b"%d" % n, if_revision=revision) for n in range(20)), return_exceptions=True
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert winners == [revision + 1]
    assert all(isinstance(o, RevisionMismatch) and o.current == winners[0] for o in outcomes if not isinstance(o, int))


async def test_of_creators_that_race_one_wins(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.create("/a/x", b"%d" % n) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, KeyExists) for outcome in outcomes) == 19


async def test_a_list_holds_its_prefix_in_byte_order(store: Store) -> None:
    for key in ("/pods/ns/b", "/pods/ns-b/a", "/pods/ns/a", "/podsx/ns/a", "/pods/ns/é", "/pods/ns/Z"):
        await store.create(key, key.encode())
    names = [item.key for item in (await store.list("/pods/")).items]
    assert names == ["/pods/ns-b/a", "/pods/ns/Z", "/pods/ns/a", "/pods/ns/b", "/pods/ns/é"]
    assert [item.key for item in (await store.list("/pods/ns/")).items] == names[1:]


async def test_a_list_can_be_read_as_of_each_revision(store: Store) -> None:
    await store.create("/a/x", b"1")
    await store.create("/a/y", b"1")
    await store.update("/a/x", b"2", if_revision=2)
    await store.delete("/a/y", if_revision=3)
    await store.create("/a/y", b"2")
    states = {r: {i.key: i.value for i in (await store.list("/a/", at=r)).items} for r in range(1, 7)}
    assert states == {
        1: {},
        2: {"/a/x": b"1"},
        3: {"/a/x": b"1", "/a/y": b"1"},
        4: {"/a/x": b"2", "/a/y": b"1"},
        5: {"/a/x": b"2"},
        6: {"/a/x": b"2", "/a/y": b"2"},
    }
    with pytest.raises(FutureRevision):
        await store.list("/a/", at=7)


async def test_a_watch_tells_each_change_with_what_was_before(store: Store) -> None:
    await store.create("/a/x", b"1")
    await store.create("/b/x", b"other")
    await store.update("/a/x", b"2", if_revision=2)
    await store.delete("/a/x", if_revision=4)
    await store.create("/a/x", b"3")
    await store.delete("/a/x", if_revision=6, last_value=b"gone")
    one, two, three = (KeyValue("/a/x", b"%d" % n, r) for n, r in ((1, 2), (2, 4), (3, 6)))
    assert await history(store, "/a/", 1) == [
        Event(2, "/a/x", b"1", False, None),
        Event(4, "/a/x", b"2", False, one),
        Event(5, "/a/x", b"2", True, two),
        Event(6, "/a/x", b"3", False, None),
        Event(7, "/a/x", b"gone", True, three),
    ]
    assert [event.revision for event in await history(store, "/", 3)] == [4, 5, 6, 7]


async def test_a_watch_goes_from_the_past_into_the_present(store: Store) -> None:
    await store.create("/a/1", b"")
    seen: list[str] = []
    third = asyncio.Event()

    async def watch() -> None:
        async with aclosing(store.watch("/a/", 1)) as events:
            async for event in events:
                seen.append(event.key)
                if len(seen) == 3:
                    third.set()

    task = asyncio.create_task(watch())
    await store.create("/a/2", b"")
    await store.create("/b/2", b"")
    await store.create("/a/3", b"")
    await asyncio.wait_for(third.wait(), 60)
    assert seen == ["/a/1", "/a/2", "/a/3"]
    await store.close()
    await asyncio.wait_for(task, 60)  # ends with its store


async def test_a_watch_may_begin_in_the_future(store: Store) -> None:
    watch = store.watch("/", 3)
    first = asyncio.ensure_future(anext(watch))
    for name in "abc":
        await store.create(f"/a/{name}", b"")
    event = await asyncio.wait_for(first, 60)
    assert (event.revision, event.key) == (4, "/a/c")
    await watch.aclose()


async def test_a_write_that_returned_is_visible(store: Store) -> None:
    revision = await store.create("/a/x", b"1")
    assert store.revision >= revision
    assert (await store.list("/a/")).items == [KeyValue("/a/x", b"1", revision)]


async def test_compaction_forgets_the_past_and_keeps_the_present(store: Store) -> None:
    await store.create("/a/x", b"1")
    await store.create("/a/y", b"1")
    await store.update("/a/x", b"2", if_revision=2)
    await store.delete("/a/y", if_revision=3)
    await store.update("/a/x", b"3", if_revision=4)
    await store.compact(4)
    for since in (1, 2, 3):
        with pytest.raises(Compacted) as error:
            await history(store, "/a/", since)
        assert error.value.at == 4
        with pytest.raises(Compacted):
            await store.list("/a/", at=since)
    assert [event.revision for event in await history(store, "/a/", 4)] == [5, 6]
    assert (await history(store, "/a/", 4))[0].previous == KeyValue("/a/y", b"1", 3)
    assert [(i.key, i.value) for i in (await store.list("/a/", at=4)).items] == [("/a/x", b"2"), ("/a/y", b"1")]
    assert [(i.key, i.value) for i in (await store.list("/a/")).items] == [("/a/x", b"3")]


async def test_compaction_goes_no_further_than_the_present_and_never_back(store: Store) -> None:
    await store.create("/a/x", b"1")
    await store.compact(1000)
    await store.compact(1)
    with pytest.raises(Compacted) as error:
        await history(store, "/a/", 1)
    assert error.value.at == 2
    assert await store.create("/a/y", b"1") == 3
    assert [event.key for event in await history(store, "/a/", 2)] == ["/a/y"]


async def test_a_closed_store_refuses_and_closes_again(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreError):
        await store.create("/a/x", b"1")
