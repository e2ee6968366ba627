"""Comprehensions as functions: what `all`, `exists`, `map` and their like do when they are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cel.errors import EvaluationError, no_such_overload
from cel.frame import Frame, Step
from cel.runtime_costs import LIST
from cel.syntax import RESULT, Call, Comprehension, Expr, Ident, ListExpr, Literal

Plan = Callable[[Expr], Step]


def plan_loop(node: Comprehension, plan: Plan) -> Step:
    """The function that computes a loop; `plan` makes those of its parts."""
    return _quantifier(node, plan) or _loop(node, plan)


def _loop(node: Comprehension, plan: Plan) -> Step:
    over, initial = plan(node.range), plan(node.initial)
    condition, step, result = plan(node.condition), plan(node.step), plan(node.result)
    collect = _collector(node, plan)
    first, second, accumulator = node.variable, node.variable2, node.accumulator
    names = [name for name in (first, second, accumulator) if name is not None]
    always = isinstance(node.condition, Literal) and node.condition.value is True

    def folded(frame: Frame) -> Any:
        variables = frame.variables
        values = over(frame)
        start = initial(frame)
        saved = {name: variables[name] for name in names if name in variables}
        variables[accumulator] = start.copy() if collect is not None else start
        keys_only = second is None and isinstance(values, dict)
        try:
            for key, value in _pairs(values):
                variables[first] = key if second is not None or keys_only else value
                if second is not None:
                    variables[second] = value
                frame.charge(0)
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


def _quantifier(node: Comprehension, plan: Plan) -> Step | None:
    """`all` and `exists`: the loops that there are most of, without looking at the result in every step."""
    step, decides = node.step, {"_&&_": False, "_||_": True}
    if not isinstance(step, Call) or step.function not in decides or not isinstance(node.condition, Call):
        return None
    if node.condition.function != "@not_strictly_false" or not _is_result(step.arguments[0]):
        return None
    over, predicate = plan(node.range), plan(step.arguments[1])
    decisive, first, second = decides[step.function], node.variable, node.variable2
    going_on = 3 if decisive else 2
    """What the condition costs, which looks at the result."""

    def decided(frame: Frame) -> bool:
        variables = frame.variables
        values = over(frame)
        saved = {name: variables[name] for name in (first, second) if name in variables}
        keys_only = second is None and isinstance(values, dict)
        failed: EvaluationError | None = None
        result = not decisive
        try:
            for key, value in _pairs(values):
                frame.charge(going_on)
                if result is decisive:
                    break
                frame.cost += 1
                if second is None:
                    variables[first] = key if keys_only else value
                else:
                    variables[first], variables[second] = key, value
                try:
                    found = predicate(frame)
                except EvaluationError as error:
                    failed = failed or error
                    continue
                if found is decisive:
                    failed, result = None, decisive
                elif not isinstance(found, bool):
                    failed = failed or no_such_overload()
        finally:
            variables.pop(first, None)
            if second is not None:
                variables.pop(second, None)
            variables.update(saved)
        frame.cost += 1
        if failed is not None:
            raise failed
        return result

    return decided


def _pairs(values: Any) -> Iterable[tuple[Any, Any]]:
    """Keys or positions with their values."""
    if isinstance(values, dict):
        return list(values.items())
    if isinstance(values, list):
        return enumerate(values)
    raise no_such_overload()


def _collector(node: Comprehension, plan: Plan) -> Callable[[Frame], None] | None:
    """Where a step only adds an element to the list so far: what adds it in place, since copying the list for every
    element would take time that grows with its square."""
    step, where = node.step, None
    if isinstance(step, Call) and step.function == "_?_:_" and _is_result(step.arguments[2]):
        where, step = plan(step.arguments[0]), step.arguments[1]
    if not isinstance(step, Call) or not step.arguments or not _is_result(step.arguments[0]):
        return None
    if step.function == "_+_" and isinstance(step.arguments[1], ListExpr):
        element = plan(step.arguments[1].elements[0])

        def append(frame: Frame) -> None:
            if where is None or _condition(where(frame)):
                # The list so far, the concatenation and the list of one element, as they would be charged.
                frame.cost += 2 + LIST
                frame.variables[RESULT].append(element(frame))

        return append
    if step.function == "cel.@mapInsert":
        entry = [plan(argument) for argument in step.arguments[1:]]

        def insert(frame: Frame) -> None:
            if where is not None and not _condition(where(frame)):
                return
            frame.cost += 2
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
