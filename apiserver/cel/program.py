"""An expression ready to be evaluated: its tree turned into nested functions, each computing one node.

Every step is charged as cel-go does, and evaluation ends when the budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.cel.errors import BudgetExceeded, EvaluationError, no_such_overload
from apiserver.cel.functions import Functions, Overload
from apiserver.cel.libraries.standard import index, optional_index
from apiserver.cel.runtime_costs import LIST, MAP, OBJECT, cost_of
from apiserver.cel.syntax import (
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
from apiserver.cel.types import Type
from apiserver.cel.values import Object, Optional, type_name


class Frame:
    """One evaluation: the variables, and what it has cost."""

    __slots__ = ("cost", "limit", "variables")

    def __init__(self, variables: dict[str, Any], limit: int) -> None:
        self.variables = variables
        self.cost = 0
        self.limit = limit

    def charge(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self.limit:
            raise BudgetExceeded(self.cost)


Step = Callable[[Frame], Any]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression: `source`, the `type` of its value, the checked `tree`."""

    source: str
    tree: Expr
    step: Step

    @property
    def type(self) -> Type:
        return self.tree.type

    def evaluate(self, variables: Mapping[str, Any], budget: int) -> tuple[Any, int]:
        """The value and what it cost.  Raises EvaluationError, whose `cost` says what had been spent by then, or
        BudgetExceeded."""
        frame = Frame(dict(variables), budget)
        try:
            value = self.step(frame)
        except EvaluationError as error:
            error.cost = frame.cost
            raise
        except RecursionError:
            raise EvaluationError("expression recursion limit exceeded") from None
        if frame.cost > budget:
            raise BudgetExceeded(frame.cost)
        return value, frame.cost


def plan(node: Expr, functions: Functions) -> Step:
    """The function that computes a checked node."""
    match node:
        case Literal():
            value = node.value
            return lambda frame: value
        case Ident(named=Type()) | Select(named=Type()):
            named = node.named
            return lambda frame: named
        case Ident():
            return _variable(node.name.removeprefix("."))
        case Select():
            if not node.key:
                return _variable(str(qualified_name(node)).removeprefix("."))
            return _select(plan(node.operand, functions), node.key, node.test)
        case ListExpr():
            return _list(node, functions)
        case MapExpr():
            return _entries(node, MAP, functions)
        case ObjectExpr():
            return _object(node, functions)
        case Comprehension():
            return _comprehension(node, functions)
        case Call():
            return _call(node, functions)
    raise TypeError(node)


def _variable(name: str) -> Step:
    if name == RESULT:
        return _result

    def variable(frame: Frame) -> Any:
        frame.cost += 1
        try:
            return frame.variables[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None

    return variable


def _result(frame: Frame) -> Any:
    frame.cost += 1
    value = frame.variables[RESULT]
    if isinstance(value, EvaluationError):
        raise value
    return value


def _select(operand: Step, key: str, test: bool) -> Step:
    def selected(frame: Frame) -> Any:
        of = operand(frame)
        frame.cost += 1
        if isinstance(of, dict):
            try:
                return of[key]
            except KeyError:
                raise EvaluationError(f"no such key: {key}") from None
        if isinstance(of, Optional):
            return optional_index(of, key)
        raise EvaluationError(f"no such key: {key}")

    def tested(frame: Frame) -> bool:
        of = operand(frame)
        if isinstance(of, Optional):
            of = of.value
        return isinstance(of, dict) and key in of

    return tested if test else selected


def _list(node: ListExpr, functions: Functions) -> Step:
    steps = [plan(element, functions) for element in node.elements]
    optionals = node.optionals
    constant = bool(steps) and all(isinstance(element, Literal) for element in node.elements)

    def made(frame: Frame) -> list[Any]:
        if not constant:
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


def _optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise EvaluationError(f"cannot initialize optional list element from non-optional value {value}")
    return value


def _entries(node: MapExpr | ObjectExpr, cost: int, functions: Functions) -> Step:
    entries = [
        (
            (lambda frame, key=entry.key: key) if isinstance(entry.key, str) else plan(entry.key, functions),
            plan(entry.value, functions),
            entry.optional,
        )
        for entry in node.entries
    ]

    def made(frame: Frame) -> dict[Any, Any]:
        frame.cost += cost
        found: dict[Any, Any] = {}
        for key_step, step, optional in entries:
            key, value = key_step(frame), step(frame)
            if optional:
                if not _optional(value).present:
                    continue
                value = value.value
            if not isinstance(key, str | int | bool):
                raise EvaluationError(f"unsupported key type: {type_name(key)}")
            found[key] = value
        return found

    return made


def _object(node: ObjectExpr, functions: Functions) -> Step:
    name = node.type.name
    fields = _entries(node, OBJECT, functions)
    return lambda frame: Object(name, fields(frame))


def _call(node: Call, functions: Functions) -> Step:
    name = node.function
    if name in _SPECIAL:
        return _SPECIAL[name]([plan(argument, functions) for argument in node.arguments])
    steps = [plan(argument, functions) for argument in node.arguments]
    nodes = list(node.arguments)
    if node.target is not None:
        steps.insert(0, plan(node.target, functions))
        nodes.insert(0, node.target)
    function = functions[name]
    overloads = node.overloads
    costs = [cost_of(name, overload.id) for overload in overloads]
    call: Any
    if not function.checks or (len(overloads) == 1 and all(map(_is_static, nodes))):
        call, cost = overloads[0].call, costs[0]
        if len(steps) == 2 and cost is None:
            return _binary(steps[0], steps[1], call)
        return _direct(steps, call, cost)
    chosen = list(zip(overloads, costs, strict=True))

    def dispatched(frame: Frame) -> Any:
        arguments = [step(frame) for step in steps]
        for overload, cost in chosen:
            if _takes(overload, arguments):
                value = overload.call(*arguments)
                frame.charge(1 if cost is None else cost(arguments, value))
                return value
        raise no_such_overload(name, *map(type_name, arguments))

    return dispatched


def _is_static(node: Expr) -> bool:
    """Whether the checker knows what kind of value it has."""
    return node.type.kind not in ("dyn", "error", "parameter")


def _takes(overload: Overload, arguments: list[Any]) -> bool:
    return all(takes is None or takes(argument) for takes, argument in zip(overload.takes, arguments, strict=True))


def _binary(left: Step, right: Step, call: Callable[[Any, Any], Any]) -> Step:
    def called(frame: Frame) -> Any:
        value = call(left(frame), right(frame))
        frame.charge(1)
        return value

    return called


def _direct(steps: list[Step], call: Callable[..., Any], cost: Callable[[Any, Any], int] | None) -> Step:
    def called(frame: Frame) -> Any:
        arguments = [step(frame) for step in steps]
        value = call(*arguments)
        frame.charge(1 if cost is None else cost(arguments, value))
        return value

    return called


def _and(steps: list[Step]) -> Step:
    return _logical(steps[0], steps[1], decides=False)


def _or(steps: list[Step]) -> Step:
    return _logical(steps[0], steps[1], decides=True)


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


def _conditional(steps: list[Step]) -> Step:
    condition, if_true, if_false = steps

    def chosen(frame: Frame) -> Any:
        which = condition(frame)
        if which is True:
            return if_true(frame)
        if which is False:
            return if_false(frame)
        raise no_such_overload()

    return chosen


def _index(steps: list[Step]) -> Step:
    container, key = steps

    def indexed(frame: Frame) -> Any:
        value = index(container(frame), key(frame))
        frame.cost += 1
        return value

    return indexed


def _optional_index(steps: list[Step]) -> Step:
    container, key = steps

    def indexed(frame: Frame) -> Optional:
        value = optional_index(container(frame), key(frame))
        frame.cost += 1
        return value

    return indexed


def _not_strictly_false(steps: list[Step]) -> Step:
    value = steps[0]

    def going_on(frame: Frame) -> bool:
        frame.charge(1)
        try:
            return value(frame) is not False
        except EvaluationError:
            return True

    return going_on


_SPECIAL: dict[str, Callable[[list[Step]], Step]] = {
    "_&&_": _and,
    "_||_": _or,
    "_?_:_": _conditional,
    "_[_]": _index,
    "_[?_]": _optional_index,
    "_?._": _optional_index,
    "@not_strictly_false": _not_strictly_false,
}


def _comprehension(node: Comprehension, functions: Functions) -> Step:
    over, initial = plan(node.range, functions), plan(node.initial, functions)
    condition, step, result = (plan(part, functions) for part in (node.condition, node.step, node.result))
    collect = _collector(node, functions)
    first, second, accumulator = node.variable, node.variable2, node.accumulator
    names = [name for name in (first, second, accumulator) if name is not None]
    always = isinstance(node.condition, Literal) and node.condition.value is True

    def folded(frame: Frame) -> Any:
        variables = frame.variables
        values = over(frame)
        start = initial(frame)
        saved = {name: variables[name] for name in names if name in variables}
        variables[accumulator] = list(start) if collect is not None and isinstance(start, list) else start
        try:
            for key, value in _pairs(values):
                variables[first] = key if second is not None or isinstance(values, dict) else value
                if second is not None:
                    variables[second] = value
                if not always and condition(frame) is not True:
                    break
                if collect is not None:
                    collect(frame)
                    continue
                try:
                    variables[accumulator] = step(frame)
                except EvaluationError as error:
                    variables[accumulator] = error
            for name in names[:-1]:
                variables.pop(name, None)
            return result(frame)
        finally:
            for name in names:
                variables.pop(name, None)
            variables.update(saved)

    return folded


def _pairs(values: Any) -> Any:
    """Keys or positions with their values."""
    if isinstance(values, dict):
        return list(values.items())
    if isinstance(values, list):
        return enumerate(values)
    raise no_such_overload()


def _collector(node: Comprehension, functions: Functions) -> Callable[[Frame], None] | None:
    """Where a step only adds an element to the list so far: what adds it in place, since copying the list for every
    element would take time that grows with its square."""
    step, where = node.step, None
    if isinstance(step, Call) and step.function == "_?_:_" and _is_result(step.arguments[2]):
        where, step = plan(step.arguments[0], functions), step.arguments[1]
    if not isinstance(step, Call) or not step.arguments or not _is_result(step.arguments[0]):
        return None
    if step.function == "_+_" and isinstance(step.arguments[1], ListExpr):
        element = plan(step.arguments[1].elements[0], functions)

        def append(frame: Frame) -> None:
            # The accumulator, the concatenation and the list of one element, as they would be charged.
            frame.charge(2 + LIST)
            if where is None or _condition(where(frame)):
                frame.variables[RESULT].append(element(frame))

        return append
    if step.function == "cel.@mapInsert":
        entry = [plan(argument, functions) for argument in step.arguments[1:]]

        def insert(frame: Frame) -> None:
            frame.charge(2)
            if where is not None and not _condition(where(frame)):
                return
            found = [part(frame) for part in entry]
            added = {found[0]: found[1]} if len(found) == 2 else found[0]
            result = frame.variables[RESULT]
            for key in added:
                if key in result:
                    raise EvaluationError(f"insert failed: key {key} already exists")
            result.update(added)

        return insert
    return None


def _is_result(node: Expr) -> bool:
    return isinstance(node, Ident) and node.name == RESULT


def _condition(value: Any) -> bool:
    if not isinstance(value, bool):
        raise no_such_overload()
    return value
