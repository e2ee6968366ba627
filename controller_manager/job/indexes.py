"""Completion indexes: sets of them as texts such as "1,3-5", and which one a pod is for.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from api.core_v1 import Pod

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Indexes:
    """A set of numbers as intervals (first, last) in order, none next to another."""

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Indexes:
        return cls(_joined((number, number) for number in numbers))

    @classmethod
    def parse(cls, text: str, completions: int) -> Indexes:
        """Those below `completions`; parts that are no numbers are passed over."""
        found = []
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            if first.isdecimal() and (not last or last.isdecimal()) and int(first) < completions:
                found.append((int(first), min(int(last or first), completions - 1)))
        return cls(_joined(found))

    def __or__(self, other: Indexes) -> Indexes:
        return Indexes(_joined((*self.intervals, *other.intervals)))

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self.intervals, number, key=itemgetter(1))
        return at < len(self.intervals) and self.intervals[at][0] <= number

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __str__(self) -> str:
        return ",".join(_shown(first, last) for first, last in self.intervals)

    def shared_with(self, other: Indexes) -> int:
        """How many numbers are in both."""
        return sum(
            max(0, min(last, end) - max(first, begin) + 1)
            for first, last in self.intervals
            for begin, end in other.intervals
        )

    def first_missing(self, count: int, completions: int) -> list[int]:
        """The lowest `count` numbers below `completions` that are not in the set."""
        missing: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (completions, completions)):
            missing += range(candidate, min(first, completions, candidate + count - len(missing)))
            candidate = last + 1
        return missing


NONE = Indexes()


def _joined(intervals: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    result: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if result and first <= result[-1][1] + 1:
            result[-1] = result[-1][0], max(last, result[-1][1])
        else:
            result.append((first, last))
    return tuple(result)


def _shown(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def completion_index(pod: Pod) -> int | None:
    """The index a pod is to complete; None when it has none."""
    text = pod.metadata.annotations.get(COMPLETION_INDEX, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def indexes_of(pods: Iterable[Pod]) -> Indexes:
    return Indexes.of(index for pod in pods if (index := completion_index(pod)) is not None)
