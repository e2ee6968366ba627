"""Expressions about one write: what each comes to, and what all together may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeVar

from apiserver.authorization.authorizer import Undecided
from apiserver.expressions.admission import BUDGET_PER_CALL
from apiserver.patience import TakesLong, done, may_take_long
from cel import BudgetExceeded, EvaluationError, Expression
from cel.values import LazyMap

T = TypeVar("T")
_MOST_SECONDS = 30.0
_QUICK_BUDGET, _QUICK_SECONDS = 50_000, 0.02
"""What evaluations may take while everybody else waits."""

Compiled = Expression | str
"""A compiled expression, or why it could not be compiled."""


class Unevaluable(Exception):
    """An expression has no value; its text is what clients are told."""


class OutOfBudget(Unevaluable):
    """Nor is any further expression evaluated."""

    def __init__(self) -> None:
        super().__init__("validation failed due to running out of cost budget, no further validation rules will be run")


class Patience:
    """What is left of the time that some evaluations may take together: little while everybody else waits."""

    def __init__(self) -> None:
        self._hurried = not may_take_long()
        self._until = monotonic() + (_QUICK_SECONDS if self._hurried else _MOST_SECONDS)
        self._left = _QUICK_BUDGET

    def run(self, expression: Expression, variables: Mapping[str, Any]) -> tuple[Any, int]:
        """The value and what it cost.  Raises EvaluationError, BudgetExceeded, TakesLong."""
        limit = min(BUDGET_PER_CALL, max(self._left, 0)) if self._hurried else BUDGET_PER_CALL
        try:
            value, cost = expression.evaluate(variables, limit, self._until)
        except BudgetExceeded:
            if self._hurried:
                raise TakesLong from None
            raise
        except EvaluationError as error:
            self._left -= error.cost
            raise
        self._left -= cost
        return value, cost


async def evaluate(work: Callable[[Patience], T]) -> T:
    """The result of `work`, which evaluates and does nothing else: it is begun anew where it takes long, or asks an
    authorizer that has to be waited for."""
    while True:
        try:
            return await done(lambda: work(Patience()))
        except Undecided as undecided:
            await undecided.settle()


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
            value, cost = self._patience.run(expression, self._variables)
        except (BudgetExceeded, EvaluationError) as error:
            failure, cost = error, error.cost
        self._spend(self._composed_cost + cost)
        if failure is not None:
            raise Unevaluable(f"expression '{expression.source}' resulted in error: {failure}")
        return value

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
            value, cost = self._patience.run(expression, self._variables)
        except (BudgetExceeded, EvaluationError) as error:
            self._composed_cost += error.cost
            raise EvaluationError(f'composited variable "{name}" fails to evaluate: {error}') from None
        self._composed_cost += cost
        return value
