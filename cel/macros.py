"""Macros: calls that are expanded while parsing, most of them to loops.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros, and cel-go's extensions for optional values,
two-variable comprehensions and sorting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cel.syntax import RESULT, Call, Comprehension, Expr, Ident, ListExpr, Literal, MapExpr, Select


class MacroError(Exception):
    """The arguments are not of the form that a macro needs."""

    def __init__(self, position: int, message: str) -> None:
        self.position, self.message = position, message
        super().__init__(message)


Expand = Callable[[int, Any, list[Expr]], Expr]
"""From the call's position, its target and its arguments."""


def expand(position: int, function: str, target: Expr | None, arguments: list[Expr]) -> Expr | None:
    """What the call stands for; None where it is no macro.  Raises MacroError."""
    macro = _MACROS.get((function, len(arguments), target is not None))
    return None if macro is None else macro(position, target, arguments)


def _call(at: int, function: str, *arguments: Expr) -> Call:
    return Call(at, function, None, list(arguments))


def _name(argument: Expr, message: str) -> str:
    if not isinstance(argument, Ident):
        raise MacroError(argument.position, message)
    if argument.name in (RESULT, "__result__"):
        raise MacroError(argument.position, "iteration variable overwrites accumulator variable")
    return argument.name.removeprefix(".")


def _has(at: int, target: Any, arguments: list[Expr]) -> Expr:
    argument = arguments[0]
    if not isinstance(argument, Select) or argument.test:
        raise MacroError(argument.position, "invalid argument to has() macro")
    return Select(at, argument.operand, argument.field, test=True)


def _variables(arguments: list[Expr], message: str) -> tuple[str, str | None]:
    """One loop variable, or two where there is an argument more."""
    first = _name(arguments[0], message)
    if len(arguments) < 3:
        return first, None
    second = _name(arguments[1], message)
    if first == second:
        raise MacroError(arguments[1].position, f"duplicate variable name: {first}")
    return first, second


_SIMPLE_NAME = "argument must be a simple name"


def _all(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variable, variable2 = _variables(arguments, _SIMPLE_NAME)
    condition = _call(at, "@not_strictly_false", Ident(at, RESULT))
    step = _call(at, "_&&_", Ident(at, RESULT), arguments[-1])
    return Comprehension(at, target, variable, variable2, Literal(at, True), condition, step, Ident(at, RESULT))


def _exists(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variable, variable2 = _variables(arguments, _SIMPLE_NAME)
    condition = _call(at, "@not_strictly_false", _call(at, "!_", Ident(at, RESULT)))
    step = _call(at, "_||_", Ident(at, RESULT), arguments[-1])
    return Comprehension(at, target, variable, variable2, Literal(at, False), condition, step, Ident(at, RESULT))


def _exists_one(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variable, variable2 = _variables(arguments, _SIMPLE_NAME)
    one_more = _call(at, "_+_", Ident(at, RESULT), Literal(at, 1))
    step = _call(at, "_?_:_", arguments[-1], one_more, Ident(at, RESULT))
    result = _call(at, "_==_", Ident(at, RESULT), Literal(at, 1))
    return Comprehension(at, target, variable, variable2, Literal(at, 0), Literal(at, True), step, result)


def _collect(at: int, target: Any, variables: tuple[str, str | None], where: Expr | None, element: Expr) -> Expr:
    step: Expr = _call(at, "_+_", Ident(at, RESULT), ListExpr(at, [element], set()))
    if where is not None:
        step = _call(at, "_?_:_", where, step, Ident(at, RESULT))
    nothing = ListExpr(at, [], set())
    return Comprehension(at, target, *variables, nothing, Literal(at, True), step, Ident(at, RESULT))


def _map(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variable = _name(arguments[0], "argument is not an identifier")
    where = arguments[1] if len(arguments) == 3 else None
    return _collect(at, target, (variable, None), where, arguments[-1])


def _filter(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variable = _name(arguments[0], "argument is not an identifier")
    return _collect(at, target, (variable, None), arguments[1], arguments[0])


def _transform_list(at: int, target: Any, arguments: list[Expr]) -> Expr:
    variables = _variables(arguments, _SIMPLE_NAME)
    return _collect(at, target, variables, arguments[2] if len(arguments) == 4 else None, arguments[-1])


def _transform_map(insert: Callable[[int, list[Expr]], Expr]) -> Expand:
    def transform(at: int, target: Any, arguments: list[Expr]) -> Expr:
        variables = _variables(arguments, _SIMPLE_NAME)
        step = insert(at, arguments)
        if len(arguments) == 4:
            step = _call(at, "_?_:_", arguments[2], step, Ident(at, RESULT))
        return Comprehension(at, target, *variables, MapExpr(at, []), Literal(at, True), step, Ident(at, RESULT))

    return transform


def _insert_value(at: int, arguments: list[Expr]) -> Expr:
    return _call(at, "cel.@mapInsert", Ident(at, RESULT), arguments[0], arguments[-1])


def _insert_entry(at: int, arguments: list[Expr]) -> Expr:
    return _call(at, "cel.@mapInsert", Ident(at, RESULT), arguments[-1])


def _bind(at: int, name: str, value: Expr, result: Expr) -> Expr:
    nothing = ListExpr(at, [], set())
    return Comprehension(at, nothing, "#unused", None, value, Literal(at, False), Ident(at, name), result, name)


def bind(at: int, arguments: list[Expr]) -> Expr | None:
    """`cel.bind(name, value, result)`; None with other arguments."""
    if len(arguments) != 3:
        return None
    if not isinstance(arguments[0], Ident):
        raise MacroError(arguments[0].position, "cel.bind() variable names must be simple identifiers")
    return _bind(at, arguments[0].name, arguments[1], arguments[2])


def _optional_map(flat: bool) -> Expand:
    function = "optFlatMap" if flat else "optMap"

    def mapped(at: int, target: Any, arguments: list[Expr]) -> Expr:
        if not isinstance(arguments[0], Ident):
            raise MacroError(arguments[0].position, f"{function}() variable name must be a simple identifier")
        value = Call(at, "value", target, [])
        bound = _bind(at, arguments[0].name, value, arguments[1])
        there = bound if flat else _call(at, "optional.of", bound)
        return _call(at, "_?_:_", Call(at, "hasValue", target, []), there, _call(at, "optional.none"))

    return mapped


_SORTED = "@__sortBy_input__"
_NOT_SORTABLE = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"


def _sort_by(at: int, target: Any, arguments: list[Expr]) -> Expr:
    if not isinstance(target, Ident | Select | Call | Comprehension | ListExpr):
        raise MacroError(target.position, _NOT_SORTABLE)
    if not isinstance(arguments[0], Ident):
        raise MacroError(arguments[0].position, "sortBy first argument is not a variable")
    keys = _collect(at, Ident(at, _SORTED), (arguments[0].name, None), None, arguments[1])
    return _bind(at, _SORTED, target, Call(at, "@sortByAssociatedKeys", Ident(at, _SORTED), [keys]))


_MACROS: dict[tuple[str, int, bool], Expand] = {
    ("has", 1, False): _has,
    ("all", 2, True): _all,
    ("all", 3, True): _all,
    ("exists", 2, True): _exists,
    ("exists", 3, True): _exists,
    ("exists_one", 2, True): _exists_one,
    ("existsOne", 2, True): _exists_one,
    ("exists_one", 3, True): _exists_one,
    ("existsOne", 3, True): _exists_one,
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): _transform_map(_insert_value),
    ("transformMap", 4, True): _transform_map(_insert_value),
    ("transformMapEntry", 3, True): _transform_map(_insert_entry),
    ("transformMapEntry", 4, True): _transform_map(_insert_entry),
    ("optMap", 2, True): _optional_map(flat=False),
    ("optFlatMap", 2, True): _optional_map(flat=True),
    ("sortBy", 2, True): _sort_by,
}
