"""A local copy of a collection, with indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from api.model import Model

M = TypeVar("M", bound=Model)
IndexFunction = Callable[[Any], Iterable[str]]
Objects = list  # inside the class `list` is the method
NAMESPACE = "namespace"


def key_of(obj: Any) -> str:
    """ "namespace/name", or only the name of an object that is in no namespace."""
    meta = obj.metadata
    return f"{meta.namespace}/{meta.name}" if meta.namespace else str(meta.name)


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name); the namespace is empty for cluster-scoped objects."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class Store(Generic[M]):
    """What an informer knows, by key and by index.

    Objects are shared between all readers: never change one, copy it first.  Reads cost time in the number of
    objects returned, not in the number stored.  An index maps an object to any number of values.
    """

    def __init__(self, indexers: Mapping[str, IndexFunction] | None = None) -> None:
        self._objects: dict[str, M] = {}
        self._indexers: dict[str, IndexFunction] = {NAMESPACE: lambda obj: (obj.metadata.namespace,)}
        self._indexes: dict[str, dict[str, dict[str, M]]] = {NAMESPACE: {}}
        for name, function in (indexers or {}).items():
            self.add_index(name, function)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Make `by_index(name, …)` work.  Adding the same name again changes nothing."""
        if name in self._indexers:
            return
        self._indexers[name] = function
        index = self._indexes[name] = {}
        for key, obj in self._objects.items():
            _insert(index, function(obj), key, obj)

    def get(self, key: str) -> M | None:
        return self._objects.get(key)

    def list(self) -> Objects[M]:
        return [*self._objects.values()]

    def by_index(self, name: str, value: str) -> Objects[M]:
        """The objects the index function gave `value` for.  KeyError: there is no such index."""
        return [*self._indexes[name].get(value, {}).values()]

    def count(self, name: str, value: str) -> int:
        """How many objects `by_index` would return."""
        return len(self._indexes[name].get(value, ()))

    def index_values(self, name: str) -> Objects[str]:
        return [*self._indexes[name]]

    def in_namespace(self, namespace: str) -> Objects[M]:
        return self.by_index(NAMESPACE, namespace)

    def keys(self) -> set[str]:
        return set(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[M]:
        return iter(self.list())

    def put(self, obj: M) -> M | None:
        """Only for the informer.  Returns what was there before."""
        key = key_of(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, function in self._indexers.items():
            index, values = self._indexes[name], function(obj)
            if old is not None and (before := function(old)) != values:
                _remove(index, before, key)
            _insert(index, values, key, obj)
        return old

    def remove(self, key: str) -> M | None:
        """Only for the informer.  Returns what was there before."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, function in self._indexers.items():
                _remove(self._indexes[name], function(old), key)
        return old


def _insert(index: dict[str, dict[str, M]], values: Iterable[str], key: str, obj: M) -> None:
    for value in values:
        if (entries := index.get(value)) is None:
            entries = index[value] = {}
        entries[key] = obj


def _remove(index: dict[str, dict[str, M]], values: Iterable[str], key: str) -> None:
    for value in values:
        entries = index.get(value)
        if entries is not None:
            entries.pop(key, None)
            if not entries:
                del index[value]
