"""One evaluation of an expression: its variables, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from cel.errors import BudgetExceeded, Interrupted


class Frame:
    """`limit` is what the evaluation may cost, `until` when it must have ended, by the monotonic clock."""

    __slots__ = ("cost", "limit", "until", "variables")

    def __init__(self, variables: dict[str, Any], limit: int, until: float) -> None:
        self.variables = variables
        self.cost = 0
        self.limit = limit
        self.until = until

    def charge(self, cost: int) -> None:
        """Raises BudgetExceeded, Interrupted.  Asked in every loop and by what takes long itself: all else is bounded
        by the length of the expression, and only counted."""
        self.cost += cost
        if self.cost > self.limit:
            raise BudgetExceeded(self.cost)
        if monotonic() > self.until:
            raise Interrupted(self.cost)


Step = Callable[[Frame], Any]
"""What computes one node of an expression."""
