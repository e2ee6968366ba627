"""Functions: under each name the overloads, told apart by the types they take.

Signatures are written as the documentation writes them: `string.(int) -> string` is a method of strings,
`(list(T)) -> int` a function; capital letters are type parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from cel import types
from cel.types import Type, parameter
from cel.values import type_of

Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Overload:
    """`arguments` begin with the target where it is a method.  `id` is what costs are known by."""

    id: str
    method: bool
    arguments: tuple[Type, ...]
    result: Type
    call: Implementation
    generic: bool
    takes: tuple[Callable[[Any], bool] | None, ...]
    """What tells at run time whether a value may be given for an argument; None where any may."""


@dataclass(slots=True)
class Function:
    """`checks` says whether the types of arguments are looked at when it is called: operators do that themselves."""

    name: str
    overloads: list[Overload] = field(default_factory=list)
    checks: bool = True


Functions = dict[str, Function]


class Library:
    """Some functions, and the types they bring."""

    def __init__(self) -> None:
        self.functions: Functions = {}
        self.types: dict[str, Type] = {}

    def add(self, name: str, *signatures: str, call: Implementation, checks: bool = True, id: str = "") -> None:
        """One implementation for all the signatures; `id` names the first of them."""
        function = self.functions.setdefault(name, Function(name, checks=checks))
        for signature in signatures:
            method, arguments, result = parse_signature(signature)
            names = "_".join(argument.name.rpartition(".")[2] for argument in arguments)
            function.overloads.append(
                Overload(
                    id or f"{name}_{names}",
                    method,
                    arguments,
                    result,
                    call,
                    any(map(_has_parameter, (*arguments, result))),
                    tuple(map(_taker, arguments)),
                )
            )
            id = ""

    def add_type(self, of: Type) -> None:
        """A type that expressions can name."""
        self.types[of.name] = of


@lru_cache(maxsize=16)
def joined(libraries: tuple[Library, ...]) -> tuple[Functions, dict[str, Type]]:
    """The functions and types of several libraries; one may add overloads to another's function."""
    functions: Functions = {}
    named: dict[str, Type] = {}
    for library in libraries:
        named |= library.types
        for name, function in library.functions.items():
            there = functions.get(name)
            if there is None:
                functions[name] = function
            else:
                overloads = there.overloads + [o for o in function.overloads if o not in there.overloads]
                functions[name] = Function(name, overloads, there.checks)
    return functions, named


def _has_parameter(of: Type) -> bool:
    return of.kind == "parameter" or any(map(_has_parameter, of.parameters))


def _taker(of: Type) -> Callable[[Any], bool] | None:
    if of.kind in ("dyn", "parameter"):
        return None
    if of.kind == "list":
        return lambda value: isinstance(value, list)
    if of.kind == "map":
        return lambda value: isinstance(value, dict)
    if of.kind in ("opaque", "object"):
        return lambda value: type_of(value).name == of.name
    return lambda value: type_of(value).kind == of.kind


_SIGNATURE = re.compile(r"(?:(?P<target>[^()]+(?:\(.*?\))?)\.)?\((?P<arguments>.*)\) -> (?P<result>.+)")
_NAMES = {
    **{str(t): t for t in (types.BOOL, types.BYTES, types.DOUBLE, types.INT, types.UINT, types.STRING)},
    **{str(t): t for t in (types.DURATION, types.TIMESTAMP, types.DYN, types.NULL, types.TYPE)},
}


@cache
def parse_type(text: str) -> Type:
    """A type as it is written: `map(string, list(dyn))`."""
    name, bracket, inner = text.partition("(")
    if not bracket:
        if name in _NAMES:
            return _NAMES[name]
        return parameter(name) if len(name) == 1 else types.opaque(name)
    parts = tuple(parse_type(part) for part in _split(inner[:-1]))
    if name in ("list", "map", "type"):
        return Type(name, name, parts)
    return Type("opaque", name, parts)


def _split(text: str) -> list[str]:
    """At the commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text else []


def parse_signature(signature: str) -> tuple[bool, tuple[Type, ...], Type]:
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise ValueError(signature)
    arguments = tuple(parse_type(part) for part in _split(match["arguments"]))
    if match["target"] is None:
        return False, arguments, parse_type(match["result"])
    return True, (parse_type(match["target"]), *arguments), parse_type(match["result"])
