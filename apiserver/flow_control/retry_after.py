"""When those who are turned away should come back: the later, the longer it goes on.

The figure is doubled while many are turned away within it, and falls by a second at a time when few are.
"""

from __future__ import annotations

_MOST = 32
"""Seconds."""
_MANY = 3
"""Rejections for each of these seconds."""


class RetryAfter:
    """Of one priority level; times are in seconds of any clock."""

    def __init__(self) -> None:
        self._seconds = 1
        self._counts: dict[int, int] = {}
        """Rejections by the second in which they were."""
        self._second = -1
        self._raised = -_MOST

    def rejected(self, now: float) -> int:
        """Count a rejection.  Returns after how many seconds to try again."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._adjust(second)
        self._counts[second] = self._counts.get(second, 0) + 1
        return self._seconds

    def _adjust(self, second: int) -> None:
        self._counts = {at: count for at, count in self._counts.items() if at >= second - _MOST}
        lately = sum(count for at, count in self._counts.items() if at >= second - self._seconds)
        if lately >= _MANY * self._seconds and second - self._raised >= self._seconds:
            self._seconds, self._raised = min(2 * self._seconds, _MOST), second
        elif lately < self._seconds and self._seconds > 1:
            self._seconds -= 1
