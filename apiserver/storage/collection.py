"""The objects of one resource in the watch cache: in key order, by namespace, with the latest changes and the
watchers that want to hear of the next."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence

from apiserver.storage.crowd import Crowd
from apiserver.storage.entry import CacheEvent, Entry, FieldsFunction
from apiserver.storage.index import Indexes, Term
from apiserver.storage.protocol import Revision
from apiserver.storage.subscription import Subscription

_WORTH_AN_INDEX = 50
"""Objects; fewer are looked through."""


class Bucket:
    """The objects of one namespace, or all of a resource without namespaces, in order of their keys."""

    __slots__ = ("entries", "indexes", "keys")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []
        self.indexes = Indexes()

    def put(self, entry: Entry) -> Entry | None:
        """Returns the object's state before."""
        before = self.entries.get(entry.key)
        if before is None:
            if not self.keys or entry.key > self.keys[-1]:
                self.keys.append(entry.key)
            else:
                insort(self.keys, entry.key)
        self.entries[entry.key] = entry
        self.indexes.put(entry, before)
        return before

    def remove(self, key: str) -> Entry | None:
        """Returns what was there."""
        before = self.entries.pop(key, None)
        if before is not None:
            del self.keys[bisect_left(self.keys, key)]
            self.indexes.remove(before)
        return before

    def select(self, terms: Sequence[Term]) -> list[Entry]:
        if not terms or len(self.keys) < _WORTH_AN_INDEX:
            return self.list()
        return self.indexes.select(terms, self.entries.values)

    def list(self) -> list[Entry]:
        entries = self.entries
        return [entries[key] for key in self.keys]


class Collection:
    """One resource.  `prefix` is `/pods/`: all its keys begin with that."""

    def __init__(self, prefix: str, revision: Revision, ring_size: int) -> None:
        self.prefix = prefix
        self.fields_of: FieldsFunction | None = None
        self.ring: deque[CacheEvent] = deque(maxlen=ring_size)
        self.ring_start = revision
        """The ring has every change of the resource after this revision."""
        self._buckets: dict[str, Bucket] = {}
        self._size = 0
        self._indexes = Indexes()
        self._order: list[tuple[str, str]] = []  # buckets in the order of their keys: (namespace + "/", namespace)
        self._everywhere = Crowd()
        self._by_namespace: dict[str, Crowd] = {}
        self._by_field: dict[str, dict[str, Crowd]] = {}

    # --- objects

    def __len__(self) -> int:
        return self._size

    def count(self, namespace: str) -> int:
        """How many there are in a namespace, or ("") in all."""
        if not namespace:
            return self._size
        bucket = self._buckets.get(namespace)
        return 0 if bucket is None else len(bucket.keys)

    def put(self, entry: Entry) -> None:
        bucket = self._buckets.get(entry.namespace)
        if bucket is None:
            bucket = self._buckets[entry.namespace] = Bucket()
            insort(self._order, (entry.namespace and entry.namespace + "/", entry.namespace))
        before = bucket.put(entry)
        if before is None:
            self._size += 1
        self._indexes.put(entry, before)

    def remove(self, entry: Entry) -> None:
        bucket = self._buckets.get(entry.namespace)
        if bucket is None:
            return
        before = bucket.remove(entry.key)
        if before is not None:
            self._size -= 1
            self._indexes.remove(before)
        if not bucket.keys:
            del self._buckets[entry.namespace]
            self._order.remove((entry.namespace and entry.namespace + "/", entry.namespace))

    def get(self, key: str, namespace: str) -> Entry | None:
        bucket = self._buckets.get(namespace)
        return None if bucket is None else bucket.entries.get(key)

    def list(self, namespace: str, terms: Sequence[Term] = ()) -> list[Entry]:
        """The objects of a namespace, or ("") of all, in the order of their keys.

        With `terms` those that do not meet them may be left out, if they are many.
        """
        if namespace:
            bucket = self._buckets.get(namespace)
            return [] if bucket is None else bucket.select(terms)
        if len(self._order) == 1:
            return self._buckets[self._order[0][1]].select(terms)
        if terms and len(self) >= _WORTH_AN_INDEX:
            return self._indexes.select(terms, self._all)
        return list(self._all())

    def _all(self) -> Iterator[Entry]:
        return (entry for _, name in self._order for entry in self._buckets[name].list())

    def list_at(self, namespace: str, revision: Revision) -> Sequence[Entry] | None:
        """The objects as they were at an earlier revision, or None if the ring does not reach back that far."""
        if revision < self.ring_start:
            return None
        undone: dict[str, Entry | None] = {}
        for event in reversed(self.ring):
            if event.revision <= revision:
                break
            if not namespace or event.entry.namespace == namespace:
                undone[event.entry.key] = event.previous
        if not undone:
            return self.list(namespace)
        kept = [entry for entry in self.list(namespace) if entry.key not in undone]
        kept += [entry for entry in undone.values() if entry is not None]
        kept.sort(key=lambda entry: entry.key)
        return kept

    # --- changes

    def apply(self, event: CacheEvent) -> int:
        """Take in a change and hand it to those who watch for it; returns how many were asked."""
        if event.type == "DELETED":
            self.remove(event.entry)
        else:
            self.put(event.entry)
        if len(self.ring) == self.ring.maxlen:
            self.ring_start = self.ring[0].revision
        self.ring.append(event)
        asked = 0
        for subscription in self._interested(event):
            subscription.offer(event)
            asked += 1
        return asked

    def _interested(self, event: CacheEvent) -> Iterator[Subscription]:
        entry, previous = event.entry, event.previous
        yield from self._everywhere.hear()
        if (crowd := self._by_namespace.get(entry.namespace)) is not None:
            yield from crowd.hear()
        for field, watchers in self._by_field.items():
            value = entry.fields.get(field, "")
            former = value if previous is None else previous.fields.get(field, "")
            for each in {value, former}:
                if (crowd := watchers.get(each)) is None:
                    continue
                for subscription in crowd.hear():
                    if not subscription.namespace or subscription.namespace == entry.namespace:
                        yield subscription

    def recent(self, since: Revision, namespace: str) -> Iterator[CacheEvent]:
        """The changes after a revision that the ring holds, oldest first."""
        newer = []
        for event in reversed(self.ring):
            if event.revision <= since:
                break
            if not namespace or event.entry.namespace == namespace:
                newer.append(event)
        return reversed(newer)

    def subscribe(self, subscription: Subscription) -> None:
        place = self._place(subscription)
        place.add(subscription)
        subscription.crowd = place

    def unsubscribe(self, subscription: Subscription) -> None:
        place = self._place(subscription)
        place.discard(subscription)
        if place:
            return
        if subscription.field is not None:
            field, value = subscription.field
            watchers = self._by_field.get(field, {})
            watchers.pop(value, None)
            if not watchers:
                self._by_field.pop(field, None)
        elif subscription.namespace:
            self._by_namespace.pop(subscription.namespace, None)

    def _place(self, subscription: Subscription) -> Crowd:
        if subscription.field is not None:
            field, value = subscription.field
            return self._by_field.setdefault(field, {}).setdefault(value, Crowd())
        if subscription.namespace:
            return self._by_namespace.setdefault(subscription.namespace, Crowd())
        return self._everywhere

    def subscriptions(self) -> Sequence[Subscription]:
        found = list(self._everywhere)
        for by_namespace in self._by_namespace.values():
            found += by_namespace
        for watchers in self._by_field.values():
            for by_value in watchers.values():
                found += by_value
        return found
