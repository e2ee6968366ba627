"""All objects in memory, in front of a store: GET, LIST and WATCH never touch the store and never encode.

Single-threaded: everything here happens on the event loop.  The guarantees:

- A write returns after it is durable *and* after the cache and every watcher's queue have it: who wrote reads its
  own write, and so does everyone it tells.  Watchers that wait take it before the write returns, as a client that
  watches what it writes relies on: if it heard of its own change late, its next write would be a conflict.
- A subscription from revision R gets every later change of its resource and namespace exactly once, in order:
  from memory if it is recent, from the store's log if it is older, Compacted if it is gone.
- Nobody waits for a slow watcher: its queue is bounded, and it is cut off when that is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from apiserver.storage.collection import Collection
from apiserver.storage.entry import CacheEvent, Encodings, Entry, FieldsFunction
from apiserver.storage.index import Term
from apiserver.storage.protocol import Event, KeyExists, KeyValue, Revision, RevisionMismatch, Store, StoreError
from apiserver.storage.subscription import Subscription

log = logging.getLogger(__name__)
__all__ = ["CacheEvent", "CacheStats", "Entry", "Subscription", "WatchCache", "key_prefix"]

RING_SIZE = 1000
"""Changes kept in memory per resource; older ones are read from the store's log."""
QUEUE_LIMIT = 10_000
"""Events a watcher may be behind.  They are shared, so a queued one costs a pointer."""

IsStale = Callable[[str], Awaitable[bool]]
"""Whether what is stored under a key should be written again although it says what it should."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """`encodings`: watch frames encoded; `dispatched`: events put into watchers' queues; `statements`: SQL so far."""

    events: int
    encodings: int
    dispatched: int
    statements: int
    commits: int


class WatchCache:
    """Keys are `/{plural}[.{group}]/[namespace/]name`; a resource's prefix is `/{plural}[.{group}]/`."""

    def __init__(
        self,
        store: Store,
        *,
        ring_size: int = RING_SIZE,
        queue_limit: int = QUEUE_LIMIT,
        is_stale: IsStale | None = None,
    ) -> None:
        self.store = store
        self._is_stale = is_stale
        self.revision: Revision = 0
        """The newest revision the cache has taken in."""
        self._ring_size = ring_size
        self._queue_limit = queue_limit
        self._collections: dict[str, Collection] = {}
        self._encodings = Encodings()
        self._events = 0
        self._dispatched = 0
        self._feeder: asyncio.Task[None] | None = None
        self._waiters: dict[Revision, list[asyncio.Future[None]]] = {}
        self._failure: StoreError | None = None
        self._parsed: dict[str, tuple[bytes, Mapping[str, Any]]] = {}
        """Values on their way through the store, which their writers have parsed already."""

    @property
    def stats(self) -> CacheStats:
        store = self.store.stats
        return CacheStats(self._events, self._encodings.count, self._dispatched, store.statements, store.commits)

    @property
    def failure(self) -> StoreError | None:
        """Why the cache no longer follows the store; None while it does."""
        return self._failure

    # --- life

    def register(self, prefix: str, fields_of: FieldsFunction | None = None) -> None:
        """Make a resource known with the function that finds its selectable fields in a stored document.

        Before or after `start`: objects of a resource that is not known yet are held without their fields.
        """
        collection = self._collection(prefix)
        collection.fields_of = fields_of
        if fields_of is not None:
            for entry in collection.list(""):
                collection.put(Entry.from_value(entry.key, entry.value, entry.revision, fields_of))

    async def start(self) -> None:
        """Load everything and begin to follow the store, which must be open.  Raises StoreError."""
        snapshot = await self.store.list("/")
        self.revision = snapshot.revision
        for collection in self._collections.values():
            collection.ring_start = snapshot.revision
        collecting = gc.isenabled()
        gc.disable()  # it would look again and again for cycles among objects that have none
        try:
            for item in snapshot.items:
                collection = self._collection(_prefix_of(item.key))
                collection.put(Entry.from_value(item.key, item.value, item.revision, collection.fields_of))
        except ValueError as error:
            raise StoreError(_unreadable(item, error)) from None
        finally:
            if collecting:
                gc.enable()
        self._feeder = asyncio.create_task(self._follow(), name="watch-cache")

    async def stop(self) -> None:
        """End all subscriptions and stop following the store, which stays open."""
        if self._feeder is not None:
            self._feeder.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._feeder
            self._feeder = None
        self._end(StoreError("the server is shutting down"))

    def end_watches(self, prefix: str = "") -> None:
        """End all subscriptions, or those of one resource, so that their clients go elsewhere; new ones may be made."""
        for collection in list(self._collections.values()):
            if collection.prefix.startswith(prefix):
                for subscription in list(collection.subscriptions()):
                    subscription.fail(None)

    async def _follow(self) -> None:
        try:
            async with aclosing(self.store.watch("/", self.revision)) as events:
                async for event in events:
                    self._take_in(event)
            self._end(StoreError("the store was closed"))
        except StoreError as error:
            self._end(error)
        except Exception as error:  # whatever it was, those who wait must hear of it
            log.exception("the watch cache cannot go on")
            self._end(StoreError(f"the watch cache cannot go on: {error!r}"))

    def _end(self, error: StoreError) -> None:
        if self._failure is None:
            self._failure = error
        for collection in self._collections.values():
            for subscription in collection.subscriptions():
                subscription.fail(None)
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
        self._waiters.clear()

    def _take_in(self, event: Event) -> None:
        collection = self._collection(_prefix_of(event.key))
        change = self._change(collection, event)
        self.revision = event.revision
        self._events += 1
        self._dispatched += collection.apply(change)
        if self._waiters:
            for waiter in self._waiters.pop(event.revision, ()):
                if not waiter.done():
                    waiter.set_result(None)

    def _change(self, collection: Collection, event: Event) -> CacheEvent:
        value, document = self._parsed.get(event.key, (None, None))
        if value is not event.value:
            document = None  # another's write of the same key, or a store that hands out copies
        entry = Entry.from_value(event.key, event.value, event.revision, collection.fields_of, document)
        previous = None
        if event.previous is not None:
            previous = collection.get(entry.key, entry.namespace)
            if previous is None or previous.revision != event.previous.revision:
                before = event.previous
                previous = Entry.from_value(before.key, before.value, before.revision, collection.fields_of)
        if event.deleted:
            return CacheEvent("DELETED", entry, previous, self._encodings)
        return CacheEvent("ADDED" if previous is None else "MODIFIED", entry, previous, self._encodings)

    def _collection(self, prefix: str) -> Collection:
        collection = self._collections.get(prefix)
        if collection is None:
            collection = self._collections[prefix] = Collection(prefix, self.revision, self._ring_size)
        return collection

    # --- reads

    def get(self, key: str) -> Entry | None:
        prefix, namespace = _split(key)
        collection = self._collections.get(prefix)
        return None if collection is None else collection.get(key, namespace)

    def list(self, prefix: str, namespace: str = "", terms: Sequence[Term] = ()) -> list[Entry]:
        """The objects of a resource (in one namespace) in the order of their keys.

        With `terms` those that do not meet them may be left out: an index finds the others.
        """
        collection = self._collections.get(prefix)
        return [] if collection is None else collection.list(namespace, terms)

    async def list_at(self, prefix: str, namespace: str, revision: Revision) -> Sequence[Entry]:
        """The same as of an earlier revision: from memory if it is recent, else from the store.

        Raises Compacted, FutureRevision.
        """
        collection = self._collection(prefix)
        if revision <= self.revision:
            entries = collection.list_at(namespace, revision)
            if entries is not None:
                return entries
        within = f"{prefix}{namespace}/" if namespace else prefix
        snapshot = await self.store.list(within, at=revision)
        return [Entry.from_value(i.key, i.value, i.revision, collection.fields_of) for i in snapshot.items]

    def count(self, prefix: str, namespace: str = "") -> int:
        """How many objects of a resource there are, in one namespace or ("") in all."""
        collection = self._collections.get(prefix)
        return 0 if collection is None else collection.count(namespace)

    def newest(self, prefix: str) -> Revision:
        """The revision of the last change of a resource that is in memory; 0 when none is."""
        ring = self._collection(prefix).ring
        return ring[-1].revision if ring else 0

    # --- writes

    async def create(self, key: str, value: bytes, document: Mapping[str, Any] | None = None) -> Entry:
        """`document` is the value parsed, where the caller has it; it may not change any more.  Raises KeyExists."""
        self._expect(key, value, document)
        try:
            revision = await self.store.create(key, value)
            return await self._written(key, value, revision)
        except KeyExists as error:
            await self.caught_up(error.revision)
            raise
        finally:
            self._parsed.pop(key, None)

    async def is_stale(self, key: str) -> bool:
        """Whether an object should be written again although nothing in it changes."""
        return self._is_stale is not None and await self._is_stale(key)

    async def update(
        self, key: str, value: bytes, if_revision: Revision, document: Mapping[str, Any] | None = None
    ) -> Entry:
        """`document` as in `create`.  Raises KeyMissing, RevisionMismatch."""
        self._expect(key, value, document)
        try:
            revision = await self.store.update(key, value, if_revision=if_revision)
            return await self._written(key, value, revision)
        except RevisionMismatch as error:
            await self.caught_up(error.current)
            raise
        finally:
            self._parsed.pop(key, None)

    def _expect(self, key: str, value: bytes | None, document: Mapping[str, Any] | None) -> None:
        if value is not None and document is not None:
            self._parsed[key] = value, document

    async def delete(
        self,
        key: str,
        value_at_deletion: bytes | None,
        if_revision: Revision,
        document: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Remove an object.  `value_at_deletion` is the state watchers see in DELETED, None for the last one stored.

        `document` as in `create`.  Returns that state with the deletion's revision.  Raises KeyMissing,
        RevisionMismatch.
        """
        found = self.get(key)
        if found is not None and found.revision == if_revision and value_at_deletion == found.value:
            value_at_deletion = None  # nothing to store twice
        self._expect(key, value_at_deletion, document)
        try:
            revision = await self.store.delete(key, if_revision=if_revision, last_value=value_at_deletion)
            await self.caught_up(revision)
        except RevisionMismatch as error:
            await self.caught_up(error.current)
            raise
        finally:
            self._parsed.pop(key, None)
        for event in reversed(self._collection(_prefix_of(key)).ring):
            if event.revision == revision:
                return event.entry
        # So many others have changed at once that memory has lost it already.
        value = found.value if value_at_deletion is None and found is not None else value_at_deletion
        if value is None:
            raise StoreError(f"the deletion of {key} was lost from memory at once: the ring is too small")
        return self._entry(key, value, revision)

    async def _written(self, key: str, value: bytes, revision: Revision) -> Entry:
        await self.caught_up(revision)
        entry = self.get(key)
        if entry is not None and entry.revision == revision:
            return entry
        return self._entry(key, value, revision)  # already written over by someone else

    def _entry(self, key: str, value: bytes, revision: Revision) -> Entry:
        return Entry.from_value(key, value, revision, self._collection(_prefix_of(key)).fields_of)

    async def caught_up(self, revision: Revision) -> None:
        """Return once the cache and all watchers have the change of that revision, which must have happened."""
        if self.revision >= revision:
            await asyncio.sleep(0)  # those who were given it a moment ago take it first
            return
        if self._failure is not None:
            raise self._failure
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(revision, []).append(waiter)
        await waiter

    # --- watches

    def watch(
        self, prefix: str, namespace: str, since_revision: Revision, *, field: tuple[str, str] | None = None
    ) -> Subscription:
        """Changes of a resource (in one namespace) after a revision, which may lie in the future.

        With `field` only those of objects whose selectable field has or had that value: the cache finds the watcher
        by it, so a thousand watchers of `spec.nodeName` cost a pod event no more than one.  What comes from the past
        is not narrowed: the caller filters.
        """
        collection = self._collection(prefix)
        log = None
        if since_revision < collection.ring_start:
            log = self._replay(collection, namespace, since_revision, self.revision)
        subscription = Subscription(namespace, field, since_revision, self._queue_limit, log, collection.unsubscribe)
        if log is None:
            for event in collection.recent(since_revision, namespace):
                subscription.replay(event)
        if self._failure is not None:
            subscription.fail(None)
        else:
            collection.subscribe(subscription)
        return subscription

    async def until_some(self, prefix: str, since: Revision) -> None:
        """Return when there is an object of a resource of which there was none at a revision.  Raises StoreError."""
        while not self.count(prefix):
            if self._failure is not None:
                raise self._failure  # nothing can be waited for any more
            async with aclosing(self.watch(prefix, "", since)) as changes:
                await changes.next_batch()
            since = self.revision

    async def _replay(
        self, collection: Collection, namespace: str, since: Revision, until: Revision
    ) -> AsyncGenerator[CacheEvent, None]:
        within = f"{collection.prefix}{namespace}/" if namespace else collection.prefix
        async with aclosing(self.store.watch(within, since, until=until)) as events:
            async for event in events:
                yield self._logged(collection, event)

    def _logged(self, collection: Collection, event: Event) -> CacheEvent:
        """A change of the past: the present objects have nothing to do with it."""
        fields_of = collection.fields_of
        entry = Entry.from_value(event.key, event.value, event.revision, fields_of)
        before = event.previous
        previous = None if before is None else Entry.from_value(before.key, before.value, before.revision, fields_of)
        if event.deleted:
            return CacheEvent("DELETED", entry, previous, self._encodings)
        return CacheEvent("ADDED" if previous is None else "MODIFIED", entry, previous, self._encodings)


def key_prefix(group_resource: str) -> str:
    """Where a resource's objects are: `/pods/`, `/deployments.apps/`."""
    return f"/{group_resource}/"


def _unreadable(item: KeyValue, error: ValueError) -> str:
    if item.value.startswith(b"k8s:enc:"):
        return f"{item.key} is encrypted: start with the --encryption-provider-config that has its key"
    return f"{item.key} is no stored object: {error}"


def _prefix_of(key: str) -> str:
    return key[: key.index("/", 1) + 1]


def _split(key: str) -> tuple[str, str]:
    end = key.index("/", 1) + 1
    slash = key.find("/", end)
    return key[:end], key[end:slash] if slash > 0 else ""
