"""How long to wait before something that failed is tried again: 10 s, doubled each time, at most 5 minutes.

Containers that crash and images that cannot be had share the rule, each with its own keys; see
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.clock import Clock

INITIAL = timedelta(seconds=10)
MAXIMUM = timedelta(minutes=5)


@dataclass(slots=True)
class _Entry:
    delay: timedelta
    updated: datetime


class Backoff:
    """Delays by key.  A key that has not failed for twice the maximum (10 minutes) starts afresh."""

    def __init__(self, clock: Clock, initial: timedelta = INITIAL, maximum: timedelta = MAXIMUM) -> None:
        self._clock = clock
        self._initial = initial
        self._maximum = maximum
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, failed_at: datetime) -> float:
        """Seconds that must still pass since the failure at that time; 0 when trying again is allowed."""
        entry = self._live(key, failed_at)
        if entry is None:
            return 0.0
        return max(0.0, (failed_at + entry.delay - self._clock.now()).total_seconds())

    def next(self, key: str, failed_at: datetime) -> None:
        """Note that it is tried again now: should it fail again, the wait is longer."""
        entry = self._live(key, failed_at)
        delay = self._initial if entry is None else min(entry.delay * 2, self._maximum)
        self._entries[key] = _Entry(delay, self._clock.now())

    def waiting(self, key: str) -> float:
        """Seconds until the delay that was begun with the last try is over."""
        entry = self._entries.get(key)
        return max(0.0, (entry.updated + entry.delay - self._clock.now()).total_seconds()) if entry else 0.0

    def delay(self, key: str) -> timedelta:
        """The wait that is in force for a key; zero when there is none."""
        entry = self._entries.get(key)
        return entry.delay if entry else timedelta(0)

    def forget(self, prefix: str) -> None:
        """Drop every key that starts so: the pod is gone."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]

    def _live(self, key: str, failed_at: datetime) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and failed_at - entry.updated > self._maximum * 2:
            return None
        return entry


def go_duration(duration: timedelta) -> str:
    """A duration as Go writes it in messages: "10s", "2m40s", "5m0s", "1h0m0s"."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:g}s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{int(minutes)}m{rest:g}s"
    hours, minutes = divmod(minutes, 60)
    return f"{int(hours)}h{int(minutes)}m{rest:g}s"
