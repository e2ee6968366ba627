"""How long an evaluation may take, for what takes time that is not charged for.

cel-go's costs leave out some work, such as the comparison of lists of lists of lists: there, the time is looked at.
"""

from __future__ import annotations

import threading
from math import inf
from time import monotonic

from cel.errors import EvaluationError, Interrupted

LONGEST_TEXT = LONGEST_LIST = 10_000_000
"""Of what functions make of their arguments: characters, elements.  A text that is joined of others is charged for
more than one evaluation may cost before it is as long."""


class _Limit(threading.local):
    until = inf


_limit = _Limit()


def begin(until: float) -> float:
    """From now on, work has to end by then, by the monotonic clock.  Returns what to `end` with: the limit before."""
    before = _limit.until
    _limit.until = min(before, until)
    return before


def end(before: float) -> None:
    _limit.until = before


def check() -> None:
    """Raises Interrupted when the time is over."""
    if monotonic() > _limit.until:
        raise Interrupted(0)


def bound_text(length: int) -> None:
    """Raises EvaluationError for a text that could not be held in memory."""
    if length > LONGEST_TEXT:
        raise EvaluationError(f"string is too long: {length} characters, limit {LONGEST_TEXT}")


def bound_list(length: int) -> None:
    """Raises EvaluationError for a list that could not be held in memory."""
    if length > LONGEST_LIST:
        raise EvaluationError(f"list is too long: {length} elements, limit {LONGEST_LIST}")
