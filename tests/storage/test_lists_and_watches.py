"""LIST and WATCH below HTTP: parameters, pages, moments, selectors, bookmarks.

The error texts are those that kube-apiserver 1.36 answers with.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from api.clock import ManualClock
from api.errors import BadRequest, Expired, Invalid, StatusError, Timeout
from apiserver.handlers.list import ContinueExpired, Page, decode_continue, encode_continue, list_page
from apiserver.handlers.list_options import check_read_version, list_options
from apiserver.handlers.watch import Watch, WatchItem, open_watch
from apiserver.storage.entry import object_head
from apiserver.storage.memory import MemoryStore
from apiserver.storage.watch_cache import WatchCache

HEAD = object_head("Pod", "v1")


def pod(name: str, node: str = "", **labels: str) -> bytes:
    return orjson.dumps({"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": node}})


def pod_fields(document: Mapping[str, Any]) -> dict[str, str]:
    return {"spec.nodeName": document["spec"].get("nodeName", "")}


@pytest.fixture
async def cache() -> AsyncIterator[WatchCache]:
    store = MemoryStore()
    await store.open()
    found = WatchCache(store)
    found.register("/pods/", pod_fields)
    await found.start()
    yield found
    await found.stop()
    await store.close()


async def pods(cache: WatchCache, namespace: str = "ns", **query: str) -> Page:
    return await list_page(cache, "/pods/", namespace, list_options(query))


def names(page: Page) -> list[str]:
    return [entry.name for entry in page.entries]


async def fill(cache: WatchCache, *wanted: str) -> None:
    for name in wanted:
        await cache.create(f"/pods/ns/{name}", pod(name, parity="odd" if ord(name[0]) % 2 else "even"))


# --- parameters ------------------------------------------------------------------------------------

WHERE = "resourceVersionMatch"
NEEDS_VERSION = f"{WHERE}: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
NEEDS_MATCH = f"{WHERE}: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
NOT_FOR_WATCH = f"{WHERE}: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
NOT_ZERO = f'{WHERE}: Forbidden: {WHERE} "exact" is forbidden for resourceVersion "0"'
NOT_FOR_LIST = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
CONTINUE = f"{WHERE}: Forbidden: resourceVersionMatch is forbidden when continue is provided"


def unsupported(value: str, *supported: str) -> str:
    return f'{WHERE}: Unsupported value: "{value}": supported values: ' + ", ".join(f'"{s}"' for s in supported)


def no_number(text: str) -> str:
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'


NO_EXACT = unsupported("Exact", "NotOlderThan")
OPERATORS = "expected: in, notin, =, ==, !=, gt, lt"


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("resourceVersion=0&resourceVersionMatch=Exact", [NOT_ZERO]),
        ("resourceVersionMatch=Exact", [NEEDS_VERSION]),
        ("resourceVersion=1&resourceVersionMatch=Nope", [unsupported("Nope", "Exact", "NotOlderThan", "")]),
        ("resourceVersionMatch=Nope", [NEEDS_VERSION, unsupported("Nope", "Exact", "NotOlderThan", "")]),
        ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", [NEEDS_VERSION, NOT_FOR_LIST]),
        ("sendInitialEvents=true", [NOT_FOR_LIST]),
        ("resourceVersion=1&resourceVersionMatch=Exact&continue=x", [CONTINUE]),
        ("watch=1&sendInitialEvents=true", [NEEDS_MATCH]),
        ("watch=1&sendInitialEvents=false", [NEEDS_MATCH]),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", [NEEDS_MATCH, NO_EXACT]),
        ("watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", [NOT_FOR_WATCH]),
        ("watch=1&resourceVersionMatch=Exact&resourceVersion=1", [NOT_FOR_WATCH, NO_EXACT]),
        ("watch=1&continue=abc", [CONTINUE]),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(query: str, problems: list[str]) -> None:
    with pytest.raises(Invalid) as error:
        list_options(dict(part.split("=") for part in query.split("&")))
    shown = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    assert error.value.message == f'ListOptions.meta.k8s.io "" is invalid: {shown}'


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"labelSelector": "a b"}, f"unable to parse requirement: found 'b', {OPERATORS}"),
        ({"fieldSelector": "data.k=v"}, "no data.k"),
        ({"fieldSelector": "name"}, "invalid selector: 'name'; can't understand 'name'"),
    ],
)
def test_selectors_that_cannot_be_used_are_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest) as error:
        list_options(query, lambda name: f"no {name}")
    assert error.value.message == message


def test_a_watch_may_be_asked_for_by_the_path() -> None:
    assert list_options({}, watch=True).watch
    assert not list_options({"watch": "false"}).watch
    assert list_options({"watch": ""}).watch
    with pytest.raises(Invalid):  # the parameters are still judged as those of a list
        list_options({"sendInitialEvents": "true"}, watch=True)


# --- lists -----------------------------------------------------------------------------------------


async def test_a_list_carries_the_revision_it_was_read_at(cache: WatchCache) -> None:
    empty = await pods(cache)
    assert (names(empty), empty.revision, empty.continue_, empty.remaining) == ([], 1, "", None)
    await fill(cache, "b", "a")
    for query in ({}, {"resourceVersion": "0"}, {"resourceVersion": "2"}):
        page = await pods(cache, **query)
        assert (names(page), page.revision, page.continue_) == (["a", "b"], 3, "")


async def test_an_exact_list_shows_the_past(cache: WatchCache) -> None:
    await fill(cache, "a", "b", "c")
    await cache.delete("/pods/ns/a", None, 2)
    page = await pods(cache, resourceVersion="3", resourceVersionMatch="Exact")
    assert (names(page), page.revision) == (["a", "b"], 3)
    page = await pods(cache, resourceVersion="3", limit="1")
    assert (names(page), page.revision, page.remaining) == (["a"], 3, 1)
    page = await pods(cache, resourceVersion="3", limit="1", resourceVersionMatch="NotOlderThan")
    assert (names(page), page.revision, page.remaining) == (["b"], 5, 1)


async def test_pages_show_one_moment_whatever_happens_between_them(cache: WatchCache) -> None:
    await fill(cache, "a", "c", "e", "g")
    first = await pods(cache, limit="2")
    assert (names(first), first.remaining, first.revision) == (["a", "c"], 2, 5)
    await fill(cache, "b", "d", "f")
    await cache.delete("/pods/ns/e", None, 4)
    await cache.update("/pods/ns/g", pod("g", "n1"), 5)
    second = await pods(cache, limit="1", **{"continue": first.continue_})
    assert (names(second), second.remaining, second.revision) == (["e"], 1, 5)
    third = await pods(cache, limit="1", **{"continue": second.continue_})
    assert (names(third), third.remaining, third.continue_, third.revision) == (["g"], None, "", 5)
    assert third.entries[0].revision == 5
    assert names(await pods(cache)) == ["a", "b", "c", "d", "f", "g"]


async def test_pages_go_over_namespaces(cache: WatchCache) -> None:
    for namespace in ("one", "one-b", "two"):
        for name in ("a", "b"):
            await cache.create(f"/pods/{namespace}/{name}", pod(name))
    found, token = [], ""
    for _ in range(6):
        page = await pods(cache, "", limit="1", **({"continue": token} if token else {}))
        found += [(entry.namespace, entry.name) for entry in page.entries]
        token = page.continue_
    assert token == ""
    assert found == [(ns, name) for ns in ("one-b", "one", "two") for name in "ab"]


async def test_pages_with_a_selector_do_not_know_how_much_remains(cache: WatchCache) -> None:
    await fill(cache, "a", "b", "c", "d", "e")
    page = await pods(cache, limit="2", labelSelector="parity=odd")
    assert (names(page), page.remaining) == (["a", "c"], None)
    page = await pods(cache, limit="2", labelSelector="parity=odd", **{"continue": page.continue_})
    assert (names(page), page.continue_) == (["e"], "")
    page = await pods(cache, limit="3", labelSelector="parity=odd")
    assert (names(page), page.continue_) == (["a", "c", "e"], "")


async def test_a_page_whose_moment_was_compacted_is_gone_but_can_go_on(cache: WatchCache) -> None:
    cache = WatchCache(cache.store, ring_size=1)
    await cache.start()
    await fill(cache, "a", "b", "c")
    first = await pods(cache, limit="1")
    await fill(cache, "aa", "d")
    assert names(await pods(cache, **{"continue": first.continue_})) == ["b", "c"]  # read from the log
    await cache.store.compact(6)
    with pytest.raises(ContinueExpired) as error:
        await pods(cache, limit="1", **{"continue": first.continue_})
    status = error.value.status().to_dict()
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith("The provided continue parameter is too old to display a consistent list")
    page = await pods(cache, **{"continue": status["metadata"]["continue"]})
    assert (names(page), page.revision) == (["aa", "b", "c", "d"], 6)
    with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
        await pods(cache, resourceVersion="4", resourceVersionMatch="Exact")
    await cache.stop()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"resourceVersion": "abc"}, f"invalid resource version: {no_number('abc')}"),
        ({"resourceVersion": "-1"}, f"invalid resource version: {no_number('-1')}"),
        ({"resourceVersion": "5", "continue": "x"}, "specifying resource version is not allowed when using continue"),
        ({"continue": encode_continue("../x", 5)}, "invalid continue token: continue key is not valid: ../x"),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(cache: WatchCache, query: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest) as error:
        await pods(cache, **query)
    assert error.value.message == message


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"v":"x"}', b'{"v":"meta.k8s.io/v1","start":"a"}', b'{"v":"meta.k8s.io/v1","rv":1}']
)
def test_a_continue_token_that_is_none_is_refused(document: bytes) -> None:
    with pytest.raises(BadRequest, match="invalid continue token: continue key is not valid"):
        decode_continue(base64.urlsafe_b64encode(document).decode().rstrip("="))
    assert decode_continue(encode_continue("ns/é\0", 7)) == ("ns/é\0", 7)


async def test_a_version_of_the_future_times_out(cache: WatchCache) -> None:
    for query in ({}, {"resourceVersionMatch": "Exact"}):
        with pytest.raises(Timeout) as error:
            await pods(cache, resourceVersion="9000", **query)
        status = error.value.status().to_dict()
        assert status["message"] == "Timeout: Too large resource version: 9000, current: 1"
        assert status["details"] == {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
    with pytest.raises(Timeout):
        check_read_version("9000", cache.revision)
    with pytest.raises(StatusError) as malformed:
        check_read_version("abc", cache.revision)
    assert (malformed.value.http_code, malformed.value.reason) == (400, "BadRequest")
    check_read_version("", cache.revision)


async def test_a_list_by_name_or_namespace_finds_its_object(cache: WatchCache) -> None:
    await fill(cache, "a", "b")
    await cache.create("/pods/other/b", pod("b", "n1"))
    assert names(await pods(cache, fieldSelector="metadata.name=b")) == ["b"]
    assert names(await pods(cache, fieldSelector="metadata.name=x")) == []
    assert names(await pods(cache, fieldSelector="metadata.name!=b")) == ["a"]
    assert [e.namespace for e in (await pods(cache, "", fieldSelector="metadata.name=b")).entries] == ["ns", "other"]
    assert names(await pods(cache, "", fieldSelector="metadata.namespace=other")) == ["b"]
    assert names(await pods(cache, fieldSelector="metadata.namespace=other")) == []
    assert names(await pods(cache, "", fieldSelector="spec.nodeName=n1,metadata.name=b")) == ["b"]
    assert names(await pods(cache, fieldSelector="metadata.name=b", labelSelector="parity=odd")) == []


# --- watches ---------------------------------------------------------------------------------------


def watch(cache: WatchCache, clock: ManualClock | None = None, namespace: str = "ns", **query: str) -> Watch:
    options = list_options({"watch": "1", **query})
    return open_watch(cache, "/pods/", namespace, options, clock or ManualClock(), rng=random.Random(0))


async def take(found: Watch, count: int) -> list[WatchItem]:
    items: list[WatchItem] = []
    async with asyncio.timeout(60):
        while len(items) < count:
            batch = await found.next_batch()
            items += batch
            if not batch:
                break
    return items


def told(items: list[WatchItem]) -> list[tuple[str, str, int]]:
    return [(item.type, item.entry.name if item.entry else "", item.revision) for item in items]


async def change_things(cache: WatchCache) -> None:
    """The changes of the recorded conversations: a leaves the label's range, b enters it and goes."""
    await cache.create("/pods/ns/zero", pod("zero"))
    await cache.create("/pods/ns/a", pod("a", into="yes"))
    await cache.create("/pods/ns/b", pod("b", into="no"))
    await cache.update("/pods/ns/a", pod("a", "n1", into="yes"), 3)
    await cache.update("/pods/ns/b", pod("b", into="yes"), 4)
    await cache.update("/pods/ns/a", pod("a", "n1", into="no"), 5)
    await cache.delete("/pods/ns/b", None, 6)


async def test_a_watch_tells_everything_since_its_version(cache: WatchCache) -> None:
    await change_things(cache)
    found = watch(cache, resourceVersion="2")
    assert told(await take(found, 6)) == [
        ("ADDED", "a", 3),
        ("ADDED", "b", 4),
        ("MODIFIED", "a", 5),
        ("MODIFIED", "b", 6),
        ("MODIFIED", "a", 7),
        ("DELETED", "b", 8),
    ]
    await found.aclose()


@pytest.mark.parametrize("live", [False, True])
async def test_objects_appear_and_go_as_the_selector_matches(cache: WatchCache, live: bool) -> None:
    if not live:
        await change_things(cache)
    yes, no = (watch(cache, resourceVersion="2", labelSelector=f"into={value}") for value in ("yes", "no"))
    node = watch(cache, resourceVersion="2", fieldSelector="spec.nodeName=n1")
    name = watch(cache, resourceVersion="2", fieldSelector="metadata.name=b")
    if live:
        await change_things(cache)
    left = await take(yes, 5)
    assert told(left) == [
        ("ADDED", "a", 3),
        ("MODIFIED", "a", 5),
        ("ADDED", "b", 6),
        ("DELETED", "a", 7),
        ("DELETED", "b", 8),
    ]
    assert left[3].entry is not None
    assert left[3].entry.labels == {"into": "yes"}  # as it was, with the revision of the change
    assert b'"resourceVersion":"7"' in left[3].frame(HEAD)
    assert told(await take(no, 3)) == [("ADDED", "b", 4), ("DELETED", "b", 6), ("ADDED", "a", 7)]
    assert told(await take(node, 2)) == [("ADDED", "a", 5), ("MODIFIED", "a", 7)]
    assert told(await take(name, 3)) == [("ADDED", "b", 4), ("MODIFIED", "b", 6), ("DELETED", "b", 8)]
    for found in (yes, no, node, name):
        await found.aclose()


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_version_begins_with_what_is_there(cache: WatchCache, query: dict[str, str]) -> None:
    await change_things(cache)
    found = watch(cache, labelSelector="into!=yes", **query)
    await cache.create("/pods/ns/later", pod("later"))
    assert told(await take(found, 3)) == [("ADDED", "a", 7), ("ADDED", "zero", 2), ("ADDED", "later", 9)]
    await found.aclose()


async def test_initial_events_end_with_their_bookmark(cache: WatchCache) -> None:
    await change_things(cache)
    for version in ({}, {"resourceVersion": "0"}, {"resourceVersion": "5"}):
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", **version}
        found = watch(cache, allowWatchBookmarks="true", **query)
        items = await take(found, 3)
        assert told(items) == [("ADDED", "a", 7), ("ADDED", "zero", 2), ("BOOKMARK", "", 8)]
        assert orjson.loads(items[2].frame(HEAD)) == {
            "type": "BOOKMARK",
            "object": {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": "8", "annotations": {"k8s.io/initial-events-end": "true"}},
            },
        }
        await found.aclose()
        silent = watch(cache, **query)
        assert told(await take(silent, 2)) == [("ADDED", "a", 7), ("ADDED", "zero", 2)]
        await silent.aclose()


async def test_initial_events_can_be_declined(cache: WatchCache) -> None:
    await change_things(cache)
    query = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
    found, since = watch(cache, **query), watch(cache, resourceVersion="7", **query)
    await cache.create("/pods/ns/later", pod("later"))
    assert told(await take(found, 1)) == [("ADDED", "later", 9)]
    assert told(await take(since, 2)) == [("DELETED", "b", 8), ("ADDED", "later", 9)]
    await found.aclose()
    await since.aclose()


async def test_bookmarks_come_every_minute_and_before_the_end(cache: WatchCache) -> None:
    clock = ManualClock()
    found = watch(cache, clock, resourceVersion="1", allowWatchBookmarks="true", timeoutSeconds="100")
    items = asyncio.ensure_future(_all(found))
    await asyncio.sleep(0)
    await clock.advance(30)
    await fill(cache, "a")
    await clock.advance(31)
    await cache.create("/nodes/n", b'{"metadata":{"name":"n"}}')  # the bookmark moves on with other resources too
    await clock.advance(100)
    assert told(await asyncio.wait_for(items, 60)) == [("ADDED", "a", 2), ("BOOKMARK", "", 2), ("BOOKMARK", "", 3)]
    await found.aclose()


async def test_a_bookmark_that_is_due_while_the_client_is_busy_comes_next(cache: WatchCache) -> None:
    clock = ManualClock()
    found = watch(cache, clock, resourceVersion="1", allowWatchBookmarks="true", timeoutSeconds="300")
    await fill(cache, "a")
    assert told(await found.next_batch()) == [("ADDED", "a", 2)]
    await clock.advance(61)
    assert told(await asyncio.wait_for(found.next_batch(), 60)) == [("BOOKMARK", "", 2)]
    await found.aclose()


async def _all(found: Watch) -> list[WatchItem]:
    return [item async for item in found]


async def test_a_watch_ends_at_its_timeout(cache: WatchCache) -> None:
    clock = ManualClock()
    asked, unasked = (
        watch(cache, clock, resourceVersion="1", timeoutSeconds="5"),
        watch(cache, clock, resourceVersion="1"),
    )
    ends = [asyncio.ensure_future(_all(found)) for found in (asked, unasked)]
    await asyncio.sleep(0)
    await clock.advance(4)
    assert not ends[0].done()
    await clock.advance(1)
    assert await asyncio.wait_for(ends[0], 60) == []
    await clock.advance(1790)
    assert not ends[1].done()
    await clock.advance(1810)
    assert await asyncio.wait_for(ends[1], 60) == []
    for found in (asked, unasked):
        await found.aclose()
    assert cache._collection("/pods/").subscriptions() == []


async def test_a_version_that_is_too_old_is_told_in_the_stream(cache: WatchCache) -> None:
    cache = WatchCache(cache.store, ring_size=1)
    await cache.start()
    await fill(cache, "a", "b", "c")
    await cache.store.compact(3)
    found = watch(cache, resourceVersion="2")
    (item,) = await take(found, 1)
    assert orjson.loads(item.frame(HEAD)) == {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "too old resource version: 2 (3)",
            "reason": "Expired",
            "code": 410,
        },
    }
    assert await found.next_batch() == []
    await found.aclose()
    await cache.stop()


async def test_a_version_of_the_future_is_waited_for(cache: WatchCache) -> None:
    found = watch(cache, resourceVersion="2")
    await fill(cache, "a", "b")
    assert told(await take(found, 1)) == [("ADDED", "b", 3)]
    await found.aclose()
    initial = watch(cache, resourceVersion="90", sendInitialEvents="true", resourceVersionMatch="NotOlderThan")
    (item,) = await take(initial, 1)
    assert item.error is not None
    assert item.error.message == "Timeout: Too large resource version: 90, current: 3"
    assert await initial.next_batch() == []
    await initial.aclose()


async def test_a_version_that_is_no_number_is_refused(cache: WatchCache) -> None:
    for version in ("abc", "-1"):
        with pytest.raises(StatusError) as error:
            watch(cache, resourceVersion=version)
        assert (error.value.http_code, error.value.reason, error.value.message) == (
            400,
            "BadRequest",
            no_number(version),
        )


async def test_watches_share_the_bytes_of_a_change(cache: WatchCache) -> None:
    found = [watch(cache, resourceVersion="1") for _ in range(10)]
    await fill(cache, "a")
    frames = {id((await take(one, 1))[0].frame(HEAD)) for one in found}
    assert len(frames) == cache.stats.encodings == 1
    for one in found:
        await one.aclose()
