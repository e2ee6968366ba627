"""Shares the processor among requests that could all begin at once.

Seats are for requests that wait: for the disk, for a webhook.  What only computes is over before the next one begins:
in one process two hundred reads never hold more than one seat, and yet the last of them waits for all others.  So
only a few requests begin in each turn of the event loop; the rest wait in their queues, where who comes later and asks
for little is served before who has asked for much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiserver.flow_control.priority_level import PriorityLevel

AT_ONCE = 4
"""Requests that begin in one turn: enough for most servers at most times, and a few milliseconds for who is next."""


class Turns:
    """`call_soon` runs a function in the next turn; with `at_once` None there is no limit."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], at_once: int | None = AT_ONCE) -> None:
        self._call_soon = call_soon
        self._left = self._at_once = at_once
        self._waiting: set[PriorityLevel] = set()
        self._virtual_time = 0.0

    @property
    def free(self) -> bool:
        return self._left is None or self._left > 0

    def take(self) -> None:
        """A request begins."""
        if self._left is not None:
            if self._left == self._at_once:
                self._call_soon(self._next)
            self._left -= 1

    def join(self, level: PriorityLevel) -> None:
        """A level has requests that could begin, but for the turn."""
        if level not in self._waiting:
            level.virtual_start = max(level.virtual_start, self._virtual_time)
            self._waiting.add(level)

    def _next(self) -> None:
        self._left = self._at_once
        while self._waiting and self.free:
            level = min(self._waiting, key=_virtual_start)
            self._virtual_time = level.virtual_start
            if not level.dispatch_one():
                self._waiting.discard(level)


def _virtual_start(level: PriorityLevel) -> float:
    return level.virtual_start
