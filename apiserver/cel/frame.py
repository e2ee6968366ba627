"""One evaluation of an expression: its variables, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.cel.errors import BudgetExceeded


class Frame:
    """`limit` is what the evaluation may cost."""

    __slots__ = ("cost", "limit", "variables")

    def __init__(self, variables: dict[str, Any], limit: int) -> None:
        self.variables = variables
        self.cost = 0
        self.limit = limit

    def charge(self, cost: int) -> None:
        """Raises BudgetExceeded.  Asked in every loop and by what takes long itself: all else is bounded by the length
        of the expression, and only counted."""
        self.cost += cost
        if self.cost > self.limit:
            raise BudgetExceeded(self.cost)


Step = Callable[[Frame], Any]
"""What computes one node of an expression."""
