"""The Common Expression Language (CEL) as Kubernetes has it: https://kubernetes.io/docs/reference/using-api/cel/.

A program is compiled once, in an environment that says which variables there are and of which types, and evaluated
with values for them as often as needed:

    from cel import CompileError, EvaluationError, BudgetExceeded
    from cel.environment import Environment

    environment = Environment({"object": DYN, "request": DYN})           # types of cel.types
    try:
        program = environment.compile("object.metadata.name != 'x'")     # program.type is BOOL
    except CompileError as error:
        ...                                                              # str(error): cel-go's text, with a caret
    value, cost = program.evaluate({"object": {...}, "request": {...}}, budget=1_000_000)

`evaluate` raises EvaluationError (its text is what clients see: "no such key: data") or BudgetExceeded.  Values are
those of JSON in Python; a variable that is not given is an error only where it is used.  `libraries.authorizer` has the
values of the variables `authorizer` and `authorizer.requestResource`; a `values.LazyMap` computes its entries when they
are first asked for, as policies need for `variables`.

From text to value: `tokens`, `parser` (with `macros`), `checker`, then `program`; `functions` and `libraries` are what
can be called; `cost_estimate` bounds beforehand what `runtime_costs` counts.  Nothing here is imported before an
expression is met: the package is no part of a component's start.  What it is used for is not here, but for `devices`,
whose selectors the API server and the scheduler both compile.
"""

from __future__ import annotations

from typing import Any, Protocol

from cel.errors import BudgetExceeded, CompileError, EvaluationError
from cel.types import Type


class Expression(Protocol):
    """A compiled expression, whatever compiled it."""

    @property
    def source(self) -> str: ...

    @property
    def type(self) -> Type: ...

    def evaluate(self, variables: Any, budget: int, until: float | None = None) -> tuple[Any, int]:
        """The value, and what computing it cost.  `until`: when it must have ended, by the monotonic clock.  Raises
        EvaluationError or BudgetExceeded."""
        ...


class Compiler(Protocol):
    """What turns text into expressions: the one place where another implementation of CEL would fit in."""

    def compile(self, source: str) -> Expression:
        """Raises CompileError."""
        ...


__all__ = ["BudgetExceeded", "CompileError", "Compiler", "EvaluationError", "Expression"]
