"""The tree that an expression is parsed to.  Each node knows the place in the text that errors about it point to.

Macros are expanded while parsing: what loops is a `Comprehension`, as in
https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cel.types import DYN, Type

if TYPE_CHECKING:
    from cel.functions import Overload

RESULT = "@result"
"""The variable that a comprehension collects its result in; no expression can name it."""


@dataclass(slots=True, eq=False)
class Expr:
    """`type` is what the checker found."""

    position: int
    type: Type = field(default=DYN, init=False)


@dataclass(slots=True, eq=False)
class Literal(Expr):
    value: Any


@dataclass(slots=True, eq=False)
class Ident(Expr):
    """A variable; `named` is the type, where the name is one's."""

    name: str
    named: Type | None = None


@dataclass(slots=True, eq=False)
class Select(Expr):
    """`operand.field`; `test` asks with has() whether it is there.  `key` is the field's own name, which
    expressions may have to escape; it is empty where all is a qualified name: of a variable, or of the type `named`."""

    operand: Expr
    field: str
    test: bool = False
    key: str = ""
    named: Type | None = None


@dataclass(slots=True, eq=False)
class Call(Expr):
    """A function, operator or, with a target, method; `overloads` are those that fit, found by the checker."""

    function: str
    target: Expr | None
    arguments: list[Expr]
    overloads: list[Overload] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ListExpr(Expr):
    elements: list[Expr]
    optionals: set[int]
    """Which elements are left out when their optional is empty."""


@dataclass(slots=True, eq=False)
class Entry:
    """An entry of a map or a field of an object; `key` is a field's name there."""

    position: int
    key: Any
    value: Expr
    optional: bool


@dataclass(slots=True, eq=False)
class MapExpr(Expr):
    entries: list[Entry]


@dataclass(slots=True, eq=False)
class ObjectExpr(Expr):
    name: str
    entries: list[Entry]


@dataclass(slots=True, eq=False)
class Comprehension(Expr):
    """For each element (and its index or key, with two variables) while `condition` holds: `accumulator` is `step`.
    Over nothing, it only binds the accumulator to a value."""

    range: Expr
    variable: str
    variable2: str | None
    initial: Expr
    condition: Expr
    step: Expr
    result: Expr
    accumulator: str = RESULT


def children(node: Expr) -> Iterator[Expr]:
    """The nodes right below."""
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.arguments
        case ListExpr():
            yield from node.elements
        case MapExpr():
            for entry in node.entries:
                yield entry.key
                yield entry.value
        case ObjectExpr():
            yield from (entry.value for entry in node.entries)
        case Comprehension():
            yield from (node.range, node.initial, node.condition, node.step, node.result)
        case _:
            return


def walk(node: Expr) -> Iterator[Expr]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def qualified_name(node: Expr) -> str | None:
    """`a.b.c`, where the node is such a name."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test:
        prefix = qualified_name(node.operand)
        return None if prefix is None else f"{prefix}.{node.field}"
    return None
