"""What a controller has done that its local copy does not show yet.

A controller that acts on a stale copy would create the same pods twice.  So it writes down what it is about to
do, counts it off as the watch shows it, and does not act again on that key in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from api.clock import Clock
from api.core_v1 import Pod

_PATIENCE = 300.0
"""Seconds after which an expectation no longer holds anyone up: an event must have been missed."""


@dataclass
class _Expected:
    creations: int = 0
    deletions: set[str] = field(default_factory=set)
    since: float = 0.0


class Expectations:
    """Expected creations (a number) and deletions (by UID) for each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def met(self, key: str) -> bool:
        """Whether the local copy shows all that was done for the key (or five minutes have passed)."""
        expected = self._expected.get(key)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return self._clock.monotonic() - expected.since > _PATIENCE

    def expect(self, key: str, *, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """To be called before acting: the watch may be faster than the answer."""
        self._expected[key] = _Expected(creations, set(deletions), self._clock.monotonic())

    def created(self, key: str, count: int = 1) -> None:
        """An object was seen, or will not come because its creation failed."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= count

    def deleted(self, key: str, uid: str) -> None:
        """An object was seen to go (or to begin to), or its deletion failed."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def observe(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Count off what a change of one of the key's pods shows; a pod that is to be deleted counts as gone."""
        if new is None or new.metadata.deletionTimestamp is not None:
            gone = new or old
            assert gone is not None
            self.deleted(key, gone.metadata.uid)
        elif old is None:
            self.created(key)

    def forget(self, key: str) -> None:
        self._expected.pop(key, None)
