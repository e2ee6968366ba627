"""A watcher of a store that does not keep up loses memory, never a change."""

from __future__ import annotations

from apiserver.storage.feed import Feed
from apiserver.storage.protocol import Event


async def test_a_watcher_that_falls_behind_catches_up_from_the_log() -> None:
    log: list[Event] = []
    reads: list[tuple[int, int]] = []

    async def read_log(prefix: str, since: int, until: int) -> list[Event]:
        reads.append((since, until))
        return [event for event in log if since < event.revision <= until and event.key.startswith(prefix)][:4]

    feed = Feed(read_log, 1, tail_limit=2)

    def write(count: int) -> None:
        for _ in range(count):
            event = Event(feed.revision + 1, f"/{'ab'[feed.revision % 2]}/x", b"", False, None)
            log.append(event)
            feed.publish([event], event.revision)

    watch = feed.watch("/", 1, None)
    write(1)
    assert (await anext(watch)).revision == 2
    assert reads == [(1, 2)]
    write(2)
    assert [(await anext(watch)).revision for _ in range(2)] == [3, 4]
    assert len(reads) == 1  # from memory
    write(20)
    assert [(await anext(watch)).revision for _ in range(10)] == list(range(5, 15))
    write(5)
    assert [(await anext(watch)).revision for _ in range(15)] == list(range(15, 30))
    write(1)
    assert (await anext(watch)).revision == 30
    await watch.aclose()
    narrow = feed.watch("/b/", 1, 20)
    assert [event.revision async for event in narrow] == list(range(2, 21, 2))
