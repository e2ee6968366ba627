"""Whether a controller's local copy shows what it wrote itself, and whether an event is of its own write.

What counts on from an older state must not start from a copy that lags behind the last write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from api.meta_v1 import ObjectMeta
from api.model import Model
from client.rest import HasMetadata
from client.store import Store, key_of

M = TypeVar("M", bound=Model)
_PATIENCE = 10
"""Tries, with growing delays: some five seconds."""


class Written:
    """The revision of the last write to each object.  Revisions of one resource are numbers that grow (KEP-5504)."""

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}

    def note(self, obj: Any) -> None:
        """`obj` is the server's answer to a write."""
        self._revisions[key_of(obj)] = int(obj.metadata.resourceVersion)

    def is_shown(self, obj: Any) -> bool:
        """Whether a copy is as new as the last write; if not, the event that brings it is on its way."""
        return int(obj.metadata.resourceVersion) >= self._revisions.get(key_of(obj), 0)

    def forget(self, key: str) -> None:
        self._revisions.pop(key, None)


class LastWritten(Generic[M]):
    """For each key, the object that was written last on its behalf, until the local copy shows it.

    For objects of another kind than the key's: their events may bring nobody back, so whoever finds one missing has
    to try again.
    """

    def __init__(self, shown: Store[M]) -> None:
        self._shown = shown
        self._unseen: dict[str, M] = {}

    def note(self, key: str, obj: M) -> None:
        """`obj` is the server's answer to a write, or what was sent to be created, or what the local copy has."""
        self._unseen[key] = obj

    def is_shown(self, key: str, tries: int = 0) -> bool:
        """After so many `tries` in vain the copy is believed: the object was deleted while nobody watched."""
        written = self._unseen.get(key)
        if written is None:
            return True
        found = self._shown.get(key_of(written))
        if tries < _PATIENCE and (found is None or _revision(found) < _revision(written)):
            return False
        del self._unseen[key]
        return True

    def deleted(self, obj: M) -> None:
        """The local copy has heard that somebody deleted it: it will not be shown any more."""
        gone = key_of(obj)
        self._unseen = {key: each for key, each in self._unseen.items() if key_of(each) != gone}

    def forget(self, key: str) -> None:
        self._unseen.pop(key, None)


class EarlyEvents:
    """Events that come while their key is written for.

    The event of an own write often comes before the answer that tells its revision.  Taken for somebody else's, it
    would cost a reconcile that finds nothing to do.
    """

    def __init__(self) -> None:
        self._held: dict[str, list[ObjectMeta]] = {}

    @contextmanager
    def held(self, key: str) -> Iterator[list[ObjectMeta]]:
        """Gives the list in which events are held while it lasts: who opens it judges them after the last answer."""
        gathered = self._held[key] = []
        try:
            yield gathered
        finally:
            del self._held[key]

    def hold(self, key: str, meta: ObjectMeta) -> bool:
        """Whether the key is written for, and so the event, of an object that has come to be like this, is held."""
        gathered = self._held.get(key)
        if gathered is not None:
            gathered.append(meta)
        return gathered is not None


def _revision(obj: Model) -> int:
    return int(cast(HasMetadata, obj).metadata.resourceVersion or 0)
