"""What can be wrong with an expression: it does not compile, fails when evaluated, or costs too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_REPORTED = 100


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with the text of an expression, at a place in it: an offset in characters,
    None for what is wrong with all of it."""

    position: int | None
    message: str


class CompileError(Exception):
    """The expression is no valid CEL, or its types do not fit.  Its text is what cel-go shows: each issue with
    its line and a caret below the place."""

    def __init__(self, source: str, issues: Sequence[Issue]) -> None:
        self.issues = list(issues)
        super().__init__(_shown(source, self.issues))

    @property
    def detail(self) -> str:
        """What clients are told of it."""
        return f"compilation failed: {self}"


class InstantiationError(CompileError):
    """The expression is valid, but no program can be made of it."""

    def __init__(self, why: str) -> None:
        self.issues = []
        Exception.__init__(self, why)

    @property
    def detail(self) -> str:
        return f"program instantiation failed: {self}"


class EvaluationError(Exception):
    """A value cannot be computed: a missing key, a division by zero, operands of wrong types...
    `cost` is what had been spent by then."""

    cost: int = 0


class BudgetExceeded(Exception):
    """The evaluation costs more than it may; `cost` is what had been spent by then."""

    why = "operation cancelled: actual cost limit exceeded"

    def __init__(self, cost: int) -> None:
        self.cost = cost
        super().__init__(self.why)


class Interrupted(BudgetExceeded):
    """The evaluation has taken longer than it may, whatever was charged for it: some functions are cheaper by their
    cost than they are with large values."""

    why = "operation interrupted"


def no_such_overload(function: str = "", *arguments: object) -> EvaluationError:
    """No overload of a function takes these arguments, given as the names of their types."""
    shown = f": {function}" if function else ""
    if arguments:
        shown += f"({', '.join(str(argument) for argument in arguments)})"
    return EvaluationError(f"no such overload{shown}")


def _shown(source: str, issues: Sequence[Issue]) -> str:
    lines = source.split("\n")
    placed = sorted(((_line_and_column(source, issue.position), issue) for issue in issues), key=lambda pair: pair[0])
    shown = [_issue(lines, place, issue.message) for place, issue in placed[:_MOST_REPORTED]]
    if len(placed) > _MOST_REPORTED:
        shown.append(f"{len(placed) - _MOST_REPORTED} more errors were truncated")
    return "\n".join(shown)


def _line_and_column(source: str, position: int | None) -> tuple[int, int]:
    """A line, counted from one, and a column, from zero; -1 for no place."""
    if position is None:
        return -1, -1
    line = source.count("\n", 0, position)
    return line + 1, position - (source.rfind("\n", 0, position) + 1)


def _issue(lines: list[str], place: tuple[int, int], message: str) -> str:
    line, column = place
    shown = f"ERROR: <input>:{line}:{column + 1}: {message}"
    if line < 0:
        return shown
    text = lines[line - 1].replace("\t", " ")
    before = "".join("．" if ord(character) > 127 else "." for character in text[:column])
    caret = "＾" if column < len(text) and ord(text[column]) > 127 else "^"
    return f"{shown}\n | {text}\n | {before}{caret}"
