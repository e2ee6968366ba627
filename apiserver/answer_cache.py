"""Answers that are kept for a while, by what was asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from api.clock import Clock

V = TypeVar("V")


class AnswerCache(Generic[V]):
    """Keeps at most `size` answers; the one that was kept first goes first."""

    def __init__(self, clock: Clock, size: int = 8192) -> None:
        self._clock = clock
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def get(self, question: Hashable) -> V | None:
        found = self._kept.get(question)
        if found is None:
            return None
        if found[0] <= self._clock.monotonic():
            del self._kept[question]
            return None
        return found[1]

    def keep(self, question: Hashable, answer: V, seconds: float) -> None:
        if seconds <= 0:
            return
        self._kept.pop(question, None)
        self._kept[question] = (self._clock.monotonic() + seconds, answer)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
