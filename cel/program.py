"""An expression ready to be evaluated: its tree turned into nested functions, each computing one node.

Every step is charged as cel-go does (https://github.com/google/cel-go/blob/master/interpreter/runtimecost.go), and
evaluation ends when the budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from cel.errors import BudgetExceeded, EvaluationError, Interrupted, no_such_overload
from cel.frame import Frame, Step
from cel.functions import Functions, Overload
from cel.libraries.standard import index, optional_index
from cel.loops import plan_loop
from cel.runtime_costs import LIST, MAP, OBJECT, CallCost, cost_of
from cel.syntax import (
    RESULT,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListExpr,
    Literal,
    MapExpr,
    ObjectExpr,
    Select,
    qualified_name,
)
from cel.time_limit import begin, end
from cel.types import Type
from cel.values import Object, Optional, type_name

LONGEST = 10.0
"""How many seconds an evaluation may take, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression: `source`, the `type` of its value, the checked `tree`."""

    source: str
    tree: Expr
    step: Step

    @property
    def type(self) -> Type:
        return self.tree.type

    def evaluate(self, variables: Mapping[str, Any], budget: int, until: float | None = None) -> tuple[Any, int]:
        """The value and what it cost.  `until`: when it must have ended, by the monotonic clock; else it may take
        LONGEST.  Raises EvaluationError, whose `cost` says what had been spent by then, or BudgetExceeded."""
        frame = Frame(dict(variables), budget, monotonic() + LONGEST if until is None else until)
        before = begin(frame.until)
        try:
            value = self.step(frame)
        except (EvaluationError, Interrupted) as error:
            error.cost = frame.cost
            raise
        except RecursionError:
            raise EvaluationError("expression recursion limit exceeded") from None
        except MemoryError:
            raise EvaluationError("out of memory") from None
        finally:
            end(before)
        if frame.cost > budget:
            raise BudgetExceeded(frame.cost)
        return value, frame.cost


def plan(tree: Expr, functions: Functions) -> Step:
    """The function that computes a checked expression."""
    return _Planner(functions).plan(tree)


_NOT_CONSTANT: Any = object()
_CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"))


class _Planner:
    def __init__(self, functions: Functions) -> None:
        self.functions = functions

    def plan(self, node: Expr) -> Step:
        value = self.constant(node)
        if value is not _NOT_CONSTANT:
            return lambda frame: value
        match node:
            case ListExpr():
                return self.list_expr(node)
            case MapExpr():
                return self.entries(node, MAP)
            case ObjectExpr():
                name, fields = node.type.name, self.entries(node, OBJECT)
                return lambda frame: Object(name, fields(frame))
            case Comprehension():
                return plan_loop(node, self.plan)
            case Select(test=True):
                return _tested(self.plan(node.operand), node.key)
            case Call() if node.function not in _INDEXES:
                return self.call(node)
        return self.attribute(node, 1)

    def constant(self, node: Expr) -> Any:
        """The value of what is the same in every evaluation, and costs nothing."""
        match node:
            case Literal():
                return node.value
            case Ident(named=Type()) | Select(named=Type()):
                return node.named
            case ListExpr(optionals=optionals) if not optionals:
                values = [self.constant(element) for element in node.elements]
                return _NOT_CONSTANT if _NOT_CONSTANT in map(_marked, values) else values
            case MapExpr(entries=entries) if not any(entry.optional for entry in entries):
                pairs = [(self.constant(entry.key), self.constant(entry.value)) for entry in entries]
                if any(_NOT_CONSTANT in map(_marked, pair) or not _is_key(pair[0]) for pair in pairs):
                    return _NOT_CONSTANT
                return dict(pairs)
            case Call(function=function, arguments=[Literal() as argument]) if function in _CONVERSIONS:
                try:
                    return node.overloads[0].call(argument.value)
                except EvaluationError:
                    return _NOT_CONSTANT
        return _NOT_CONSTANT

    # --- variables, fields, elements ----------------------------------------------------------------

    def attribute(self, node: Expr, root: int) -> Step:
        """A variable or what is in it; `root` is what the variable itself costs here, each step from it costs one."""
        match node:
            case Ident():
                return _variable(node.name.removeprefix("."), root)
            case Select() if not node.key:
                return _variable(str(qualified_name(node)).removeprefix("."), root)
            case Select():
                return _selected(self.operand(node.operand, root), node.key)
            case Call():
                operand, key = node.arguments
                steps = self.operand(operand, root), self.key(key)
                return _indexed(*steps) if node.function == "_[_]" else _indexed_if_present(*steps)
        raise TypeError(node)

    def operand(self, node: Expr, root: int) -> Step:
        if _is_attribute(node):
            return self.attribute(node, root)
        step = self.plan(node)

        def rooted(frame: Frame) -> Any:
            frame.cost += root
            return step(frame)

        return rooted

    def key(self, node: Expr) -> Step:
        """An index; a variable costs nothing as one."""
        return self.attribute(node, 0) if _is_attribute(node) else self.plan(node)

    # --- lists, maps, objects -----------------------------------------------------------------------

    def list_expr(self, node: ListExpr) -> Step:
        steps = [self.plan(element) for element in node.elements]
        optionals = node.optionals

        def made(frame: Frame) -> list[Any]:
            frame.cost += LIST
            if not optionals:
                return [step(frame) for step in steps]
            values = []
            for at, step in enumerate(steps):
                value = step(frame)
                if at in optionals:
                    if not _optional(value).present:
                        continue
                    value = value.value
                values.append(value)
            return values

        return made

    def entries(self, node: MapExpr | ObjectExpr, cost: int) -> Step:
        entries = [
            (
                entry.key if isinstance(node, ObjectExpr) else None,
                self.plan(entry.value if isinstance(node, ObjectExpr) else entry.key),
                self.plan(entry.value),
                entry.optional,
            )
            for entry in node.entries
        ]

        def made(frame: Frame) -> dict[Any, Any]:
            frame.cost += cost
            found: dict[Any, Any] = {}
            for name, key_step, step, optional in entries:
                key = key_step(frame) if name is None else name
                value = step(frame)
                if optional:
                    if not _optional(value).present:
                        continue
                    value = value.value
                if not _is_key(key):
                    raise EvaluationError(f"unsupported key type: {type_name(key)}")
                found[key] = value
            return found

        return made

    # --- calls --------------------------------------------------------------------------------------

    def call(self, node: Call) -> Step:
        name = node.function
        if name == "_?_:_":
            branches = [self.key(argument) for argument in node.arguments[1:]]
            return _conditional(self.plan(node.arguments[0]), *branches)
        steps = [self.plan(argument) for argument in node.arguments]
        if name in ("or", "orValue") and node.target is not None:
            return _alternative(self.plan(node.target), steps[0], name)
        if name in _SPECIAL:
            return _SPECIAL[name](*steps)
        nodes = list(node.arguments)
        if node.target is not None:
            steps.insert(0, self.plan(node.target))
            nodes.insert(0, node.target)
        function, overloads = self.functions[name], node.overloads
        costs = [cost_of(name, overload.id) for overload in overloads]
        if name == "@in" and self.constant(nodes[1]) is not _NOT_CONSTANT:
            return _binary(steps[0], steps[1], overloads[0].call, _free)
        if not function.checks or (len(overloads) == 1 and all(map(_is_static, nodes))):
            call, cost = overloads[0].call, costs[0]
            return _binary(steps[0], steps[1], call, cost) if len(steps) == 2 else _direct(steps, call, cost)
        chosen = list(zip(overloads, costs, strict=True))

        def dispatched(frame: Frame) -> Any:
            arguments = _arguments(steps, frame)
            for overload, cost in chosen:
                if _takes(overload, arguments):
                    frame.charge(1 if cost is None else cost(arguments))
                    return overload.call(*arguments)
            raise no_such_overload(name, *map(type_name, arguments))

        return dispatched


def _marked(value: Any) -> Any:
    """A value that can be compared with the mark itself, whatever it is."""
    return _NOT_CONSTANT if value is _NOT_CONSTANT else None


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int)


def _is_attribute(node: Expr) -> bool:
    if isinstance(node, Ident | Select):
        return node.named is None and not (isinstance(node, Select) and node.test)
    return isinstance(node, Call) and node.function in _INDEXES


def _is_static(node: Expr) -> bool:
    """Whether the checker knows what kind of value it has."""
    return node.type.kind not in ("dyn", "error", "parameter")


def _takes(overload: Overload, arguments: list[Any]) -> bool:
    return all(takes is None or takes(argument) for takes, argument in zip(overload.takes, arguments, strict=True))


def _variable(name: str, cost: int) -> Step:
    def variable(frame: Frame) -> Any:
        frame.cost += cost
        try:
            return frame.variables[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None

    def result(frame: Frame) -> Any:
        frame.cost += cost
        value = frame.variables[RESULT]
        if isinstance(value, EvaluationError):
            raise value
        return value

    return result if name == RESULT else variable


def _selected(operand: Step, key: str) -> Step:
    def selected(frame: Frame) -> Any:
        of = operand(frame)
        if isinstance(of, Optional):
            return _present(frame, of, key)
        frame.cost += 1
        if isinstance(of, dict):
            try:
                return of[key]
            except KeyError:
                raise EvaluationError(f"no such key: {key}") from None
        raise EvaluationError(f"no such key: {key}")

    return selected


def _tested(operand: Step, key: str) -> Step:
    def tested(frame: Frame) -> bool:
        of = operand(frame)
        if isinstance(of, Optional):
            of = of.value
        return isinstance(of, dict) and key in of

    return tested


def _indexed(container: Step, key: Step) -> Step:
    def indexed(frame: Frame) -> Any:
        of, at = container(frame), key(frame)
        if isinstance(of, Optional):
            return _present(frame, of, at)
        frame.cost += 1
        return index(of, at)

    return indexed


def _indexed_if_present(container: Step, key: Step) -> Step:
    def indexed(frame: Frame) -> Optional:
        return _present(frame, container(frame), key(frame))

    return indexed


def _present(frame: Frame, of: Any, key: Any) -> Optional:
    """What is in a value under a key, as an optional; what is not there costs nothing."""
    found = optional_index(of, key)
    if found.present:
        frame.cost += 1
    return found


def _alternative(target: Step, otherwise: Step, function: str) -> Step:
    """The second argument is looked at only where it is needed."""

    def chosen(frame: Frame) -> Any:
        found = target(frame)
        if not isinstance(found, Optional):
            raise no_such_overload(function)
        if found.present:
            return found if function == "or" else found.value
        return otherwise(frame)

    return chosen


def _optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise EvaluationError(f"cannot initialize optional list element from non-optional value {value}")
    return value


def _free(arguments: Any) -> int:
    return 0


def _arguments(steps: list[Step], frame: Frame) -> list[Any]:
    """A call whose argument fails has still cost one, and with two, both have been computed."""
    if len(steps) > 2:
        return [step(frame) for step in steps]
    arguments = []
    failed: EvaluationError | None = None
    for step in steps:
        try:
            arguments.append(step(frame))
        except EvaluationError as error:
            failed = failed or error
    if failed is not None:
        frame.cost += 1
        raise failed
    return arguments


def _binary(left: Step, right: Step, call: Callable[[Any, Any], Any], cost: CallCost | None) -> Step:
    def called(frame: Frame) -> Any:
        try:
            one = left(frame)
        except EvaluationError:
            with suppress(EvaluationError):
                right(frame)
            frame.cost += 1
            raise
        try:
            other = right(frame)
        except EvaluationError:
            frame.cost += 1
            raise
        if cost is None:
            frame.cost += 1
        else:
            frame.charge(cost((one, other)))
        return call(one, other)

    return called


def _direct(steps: list[Step], call: Callable[..., Any], cost: CallCost | None) -> Step:
    def called(frame: Frame) -> Any:
        arguments = _arguments(steps, frame)
        frame.charge(1 if cost is None else cost(arguments))
        return call(*arguments)

    return called


def _and(left: Step, right: Step) -> Step:
    return _logical(left, right, decides=False)


def _or(left: Step, right: Step) -> Step:
    return _logical(left, right, decides=True)


def _logical(left: Step, right: Step, decides: bool) -> Step:
    """An operand that decides the result does so whatever the other is, even an error."""

    def combined(frame: Frame) -> bool:
        error: EvaluationError | None = None
        one: Any = None
        try:
            one = left(frame)
        except EvaluationError as first:
            error = first
        if one is decides:
            return one is True
        try:
            other = right(frame)
        except EvaluationError as second:
            raise error or second from None
        if other is decides:
            return other is True
        if error is not None:
            raise error
        if not isinstance(one, bool) or not isinstance(other, bool):
            raise no_such_overload()
        return not decides

    return combined


def _conditional(condition: Step, if_true: Step, if_false: Step) -> Step:
    def chosen(frame: Frame) -> Any:
        which = condition(frame)
        if which is True:
            return if_true(frame)
        if which is False:
            return if_false(frame)
        raise no_such_overload()

    return chosen


def _not_strictly_false(value: Step) -> Step:
    def going_on(frame: Frame) -> bool:
        frame.cost += 1
        try:
            return value(frame) is not False
        except EvaluationError:
            return True

    return going_on


_INDEXES = frozenset(("_[_]", "_[?_]", "_?._"))
_SPECIAL: dict[str, Callable[..., Step]] = {
    "_&&_": _and,
    "_||_": _or,
    "@not_strictly_false": _not_strictly_false,
}
