"""The seam between the API server and whatever keeps its data: revisioned keys and opaque values.

The model is etcd's (https://etcd.io/docs/latest/learning/data_model/): one global revision counter, a log of
changes that can be read from any revision since the last compaction, and compare-and-swap writes.  Every driver
passes `tests/storage/test_store_conformance.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Revision = int
"""Position in the one global order of writes.  An empty store is at 1; each write gets the next."""


class KeyValue(NamedTuple):
    """What one key holds; `revision` is that of the write that put it there."""

    key: str
    value: bytes
    revision: Revision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All keys of a prefix as they were right after `revision`, ordered by key (as UTF-8 bytes)."""

    revision: Revision
    items: list[KeyValue]


class Event(NamedTuple):
    """One change.  `previous` is what the key held before: None for a creation.

    For a deletion `value` is the state the key is remembered by: what `delete` was given, or else the last one.
    """

    revision: Revision
    key: str
    value: bytes
    deleted: bool
    previous: KeyValue | None


class StoreError(Exception):
    """The store cannot do its work: unusable files, a full disk, a driver that has been closed."""


class KeyExists(StoreError):
    """`create` of a key that is there already, since `revision`."""

    def __init__(self, key: str, revision: Revision) -> None:
        super().__init__(f"{key} exists since revision {revision}")
        self.key = key
        self.revision = revision


class KeyMissing(StoreError):
    """`update` or `delete` of a key that is not there."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} does not exist")
        self.key = key


class RevisionMismatch(StoreError):
    """The key has been written since: it is at `current` and not at the revision the caller saw."""

    def __init__(self, key: str, current: Revision) -> None:
        super().__init__(f"{key} is at revision {current}")
        self.key = key
        self.current = current


class Compacted(StoreError):
    """The history asked for has been compacted away: only changes after `at` are still known."""

    def __init__(self, at: Revision) -> None:
        super().__init__(f"history up to revision {at} has been compacted")
        self.at = at


class FutureRevision(StoreError):
    """A snapshot was asked for at a revision that has not happened yet."""

    def __init__(self, asked: Revision, current: Revision) -> None:
        super().__init__(f"revision {asked} has not been reached, the store is at {current}")
        self.asked = asked
        self.current = current


@dataclass(slots=True)
class StoreStats:
    """Work done so far.  `commits` is the number of durable (synced) transactions that carried writes."""

    writes: int = 0
    commits: int = 0
    statements: int = 0
    compaction_chunks: int = 0


class Store(Protocol):
    """Revisioned keys and values.

    A write that returned is on disk.  Revisions only grow, one per write; a refused write uses none.  A watch from
    revision R yields every later change of its prefix exactly once, in order, or raises Compacted.  A write that
    was cancelled while waiting may still happen.
    """

    stats: StoreStats

    @property
    def revision(self) -> Revision:
        """The newest revision that watchers have been given."""
        ...

    async def open(self) -> None:
        """Take the store into use.  Raises StoreError, with what to do, and changes nothing, if that is impossible."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of all resources.  Idempotent; watches end."""
        ...

    async def create(self, key: str, value: bytes) -> Revision:
        """Raises KeyExists."""
        ...

    async def update(self, key: str, value: bytes, *, if_revision: Revision) -> Revision:
        """Raises KeyMissing, RevisionMismatch."""
        ...

    async def delete(self, key: str, *, if_revision: Revision, last_value: bytes | None = None) -> Revision:
        """Remove a key.  `last_value` is shown by the deletion's event in place of the last value stored.

        Raises KeyMissing, RevisionMismatch.
        """
        ...

    async def list(self, prefix: str, *, at: Revision | None = None) -> Snapshot:
        """Everything whose key starts with `prefix`, now or at an earlier revision.

        Raises Compacted, FutureRevision.
        """
        ...

    def watch(self, prefix: str, since: Revision, *, until: Revision | None = None) -> AsyncGenerator[Event, None]:
        """Changes after `since`, for ever or up to and including `until`; `since` may lie in the future.

        The iterator raises Compacted.  Close it (`contextlib.aclosing`) to free its place.
        """
        ...

    async def compact(self, before: Revision) -> None:
        """Forget the history up to and including `before`, at most the present revision; current values stay.

        From the moment it returns no history up to `before` can be read; the space is given back in the background.
        """
        ...
