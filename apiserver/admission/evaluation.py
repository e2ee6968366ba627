"""Expressions about one write: what each comes to, and what all together may cost.

Long evaluations happen in a thread of their own, one at a time: the server goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from apiserver.authorization.authorizer import Undecided
from apiserver.cel import BudgetExceeded, EvaluationError, Expression
from apiserver.cel.admission import BUDGET_PER_CALL
from apiserver.cel.values import LazyMap

T = TypeVar("T")
_AT_ONCE = 20_000
"""The cost up to which an evaluation is not worth a thread: some ten milliseconds."""

Compiled = Expression | str
"""A compiled expression, or why it could not be compiled."""


class Unevaluable(Exception):
    """An expression has no value; its text is what clients are told."""


class OutOfBudget(Unevaluable):
    """Nor is any further expression evaluated."""

    def __init__(self) -> None:
        super().__init__("validation failed due to running out of cost budget, no further validation rules will be run")


class _Slow(Exception):
    """An evaluation takes longer than it should take at once."""


class Patience:
    """What may be spent before an evaluation is told to go on elsewhere."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise _Slow


async def evaluate(work: Callable[[Patience], T]) -> T:
    """The result of `work`, which evaluates and does nothing else: it is begun anew where it takes long, or asks an
    authorizer that has to be waited for."""
    while True:
        try:
            return await _evaluated(work)
        except Undecided as undecided:
            await undecided.settle()


async def _evaluated(work: Callable[[Patience], T]) -> T:
    """Raises Undecided."""
    try:
        return work(Patience(_AT_ONCE))
    except _Slow:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_thread(), work, Patience(1 << 62))


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "expressions")


class Evaluation:
    """Evaluates expressions with the same variables and one budget: what they cost together.

    `composed` are expressions with names: others write `variables.name`.  Each is evaluated once at most, and not
    before it is used.
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        budget: int,
        patience: Patience,
        composed: Mapping[str, Compiled] | None = None,
    ) -> None:
        self.budget = budget
        self._patience = patience
        self._variables = dict(variables)
        self._composed_cost = 0
        if composed is not None:
            steps = {name: self._once(name, expression) for name, expression in composed.items()}
            self._variables["variables"] = LazyMap(steps)

    def value(self, expression: Compiled) -> Any:
        """Raises Unevaluable, OutOfBudget."""
        if isinstance(expression, str):
            raise Unevaluable(f"compilation error: {expression}")
        self._composed_cost = 0
        failure: Exception | None = None
        value = None
        try:
            value, cost = self._run(expression)
        except (BudgetExceeded, EvaluationError) as error:
            failure, cost = error, error.cost
        self._spend(self._composed_cost + cost)
        if failure is not None:
            raise Unevaluable(f"expression '{expression.source}' resulted in error: {failure}")
        return value

    def _run(self, expression: Expression) -> tuple[Any, int]:
        """Raises BudgetExceeded, EvaluationError."""
        limit = min(BUDGET_PER_CALL, self._patience.left)
        try:
            value, cost = expression.evaluate(self._variables, limit)
        except (BudgetExceeded, EvaluationError) as error:
            self._patience.spend(error.cost)
            raise
        self._patience.spend(cost)
        return value, cost

    def _spend(self, cost: int) -> None:
        if cost > self.budget:
            raise OutOfBudget
        self.budget -= cost

    def _once(self, name: str, expression: Compiled) -> Callable[[], Any]:
        """Computes a variable.  What it raises the first time it raises again."""
        failure: list[EvaluationError] = []

        def compute() -> Any:
            if failure:
                raise failure[0]
            try:
                return self._composed(name, expression)
            except EvaluationError as error:
                failure.append(error)
                raise

        return compute

    def _composed(self, name: str, expression: Compiled) -> Any:
        if isinstance(expression, str):
            raise EvaluationError(f'composited variable "{name}" fails to compile: {expression}')
        if self._composed_cost > self.budget:
            raise OutOfBudget
        try:
            value, cost = self._run(expression)
        except (BudgetExceeded, EvaluationError) as error:
            self._composed_cost += error.cost
            raise EvaluationError(f'composited variable "{name}" fails to evaluate: {error}') from None
        self._composed_cost += cost
        return value
