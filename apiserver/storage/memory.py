"""A store that forgets everything when it is closed: for tests, and for servers that need no past."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from apiserver.storage.feed import Feed
from apiserver.storage.protocol import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Revision,
    RevisionMismatch,
    Snapshot,
    StoreError,
    StoreStats,
)


class MemoryStore:
    """The Store protocol in plain dictionaries; passes the same tests as the durable drivers."""

    def __init__(self) -> None:
        self.stats = StoreStats()
        self._now: dict[str, KeyValue] = {}
        self._log: list[Event] = []
        self._compacted: Revision = 0
        self._feed = Feed(self._read_log, 1)
        self._closed = True

    @property
    def revision(self) -> Revision:
        return self._feed.revision

    async def open(self) -> None:
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        self._feed.close()

    async def create(self, key: str, value: bytes) -> Revision:
        found = self._now.get(key)
        if found is not None:
            raise KeyExists(key, found.revision)
        return self._write(key, value, deleted=False)

    async def update(self, key: str, value: bytes, *, if_revision: Revision) -> Revision:
        self._expect(key, if_revision)
        return self._write(key, value, deleted=False)

    async def delete(self, key: str, *, if_revision: Revision, last_value: bytes | None = None) -> Revision:
        found = self._expect(key, if_revision)
        return self._write(key, found.value if last_value is None else last_value, deleted=True)

    def _expect(self, key: str, revision: Revision) -> KeyValue:
        found = self._now.get(key)
        if found is None:
            raise KeyMissing(key)
        if found.revision != revision:
            raise RevisionMismatch(key, found.revision)
        return found

    def _write(self, key: str, value: bytes, *, deleted: bool) -> Revision:
        if self._closed:
            raise StoreError("the store is closed")
        revision = self._feed.revision + 1
        event = Event(revision, key, value, deleted, self._now.pop(key, None))
        if not deleted:
            self._now[key] = KeyValue(key, value, revision)
        self._log.append(event)
        self.stats.writes += 1
        self.stats.commits += 1
        self._feed.publish((event,), revision)
        return revision

    async def list(self, prefix: str, *, at: Revision | None = None) -> Snapshot:
        revision = self.revision if at is None else at
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if revision < self._compacted:
            raise Compacted(self._compacted)
        state = dict(self._now)
        for event in reversed(self._log):
            if event.revision <= revision:
                break
            state.pop(event.key, None)
            if event.previous is not None:
                state[event.key] = event.previous
        found = [item for key, item in state.items() if key.startswith(prefix)]
        return Snapshot(revision, sorted(found, key=lambda item: item.key))

    async def _read_log(self, prefix: str, since: Revision, until: Revision) -> Sequence[Event]:
        if since < self._compacted:
            raise Compacted(self._compacted)
        return [e for e in self._log if since < e.revision <= until and e.key.startswith(prefix)]

    def watch(self, prefix: str, since: Revision, *, until: Revision | None = None) -> AsyncGenerator[Event, None]:
        return self._feed.watch(prefix, since, until)

    async def compact(self, before: Revision) -> None:
        self._compacted = max(self._compacted, min(before, self.revision))
        self._log = [event for event in self._log if event.revision > self._compacted]
