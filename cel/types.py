"""The types of CEL: what the checker computes with, and which values of which type fit where.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Type:
    """A type: its kind (`opaque` and `object` types are told apart by name) and what it is made of.

    `fields` are an object's: name in expressions → type and key in the object.
    """

    kind: str
    name: str
    parameters: tuple[Type, ...] = ()
    fields: Mapping[str, Field] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    def field(self, name: str) -> Field | None:
        """An object's field; None when it has none of that name."""
        return None if self.fields is None else self.fields.get(name)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object: its type, and its key where that is spelled otherwise than in expressions."""

    type: Type
    key: str


BOOL, BYTES, DOUBLE, INT, UINT, STRING = (Type(n, n) for n in ("bool", "bytes", "double", "int", "uint", "string"))
DURATION, TIMESTAMP, DYN = (Type(name, name) for name in ("duration", "timestamp", "dyn"))
NULL = Type("null", "null")
ERROR = Type("error", "!error!")
TYPE = Type("type", "type")


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def type_of_type(of: Type) -> Type:
    return Type("type", "type", (of,))


def optional_of(of: Type) -> Type:
    return Type("opaque", "optional_type", (of,))


def opaque(name: str) -> Type:
    return Type("opaque", name)


def object_type(name: str, fields: Mapping[str, Field] | None = None) -> Type:
    return Type("object", name, fields={} if fields is None else fields)


def parameter(name: str) -> Type:
    return Type("parameter", name)


def unwrap_optional(of: Type) -> tuple[Type, bool]:
    """What is in an optional, and whether it is one."""
    if of.kind == "opaque" and of.name == "optional_type":
        return of.parameters[0], True
    return of, False


def is_dyn_or_error(of: Type) -> bool:
    return of.kind in ("dyn", "error")


def function_signature(arguments: Sequence[Type], member: bool) -> str:
    """How cel-go shows the types that a function is applied to."""
    target = f"{arguments[0]}." if member else ""
    return f"{target}({', '.join(map(str, arguments[1:] if member else arguments))})"


Bindings = dict[Type, Type]
"""What is known about type parameters."""


def assignable(bindings: Bindings, to: Sequence[Type], given: Sequence[Type]) -> Bindings | None:
    """Whether types fit others, pair by pair: what that binds the type parameters to, None when they do not fit."""
    trial = dict(bindings)
    if len(to) == len(given) and all(map(lambda a, b: _fits(trial, a, b), to, given)):
        return trial
    return None


def _fits(bindings: Bindings, one: Type, other: Type) -> bool:
    if other.kind == "parameter":
        fits, bound = _substitutes(bindings, one, other)
        if fits:
            return True
        if bound:
            return False
    if one.kind == "parameter":
        return _substitutes(bindings, other, one)[0]
    if is_dyn_or_error(one) or is_dyn_or_error(other):
        return True
    if one.kind == "null":
        return other.kind in ("null", "opaque", "object", "duration", "timestamp")
    if one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    if one.name != other.name or len(one.parameters) != len(other.parameters):
        return False
    return all(_fits(bindings, a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


def _substitutes(bindings: Bindings, value: Type, for_parameter: Type) -> tuple[bool, bool]:
    """Whether the type may stand for the parameter, and whether something does already."""
    if for_parameter in bindings:
        bound = bindings[for_parameter]
        if value == bound:
            return True, True
        if _fits(bindings, value, bound):
            bindings[for_parameter] = most_general(value, bound)
            return True, True
        return False, True
    if not _refers_to(bindings, for_parameter, value):
        bindings[for_parameter] = value
        return True, False
    return False, False


def _refers_to(bindings: Bindings, one: Type, within: Type) -> bool:
    if one == within:
        return True
    if within.kind == "parameter":
        return within in bindings and _refers_to(bindings, one, bindings[within])
    return any(_refers_to(bindings, one, part) for part in within.parameters)


def most_general(one: Type, other: Type) -> Type:
    """The more general of two types that fit each other."""
    return one if _as_general(one, other) else other


def _as_general(one: Type, other: Type) -> bool:
    if one.kind in ("dyn", "parameter"):
        return True
    if other.kind in ("dyn", "parameter") or one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    if one.name != other.name or len(one.parameters) != len(other.parameters):
        return False
    return all(_as_general(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


def substitute(bindings: Bindings, of: Type, unbound_to_dyn: bool = False) -> Type:
    """The type with what its parameters are bound to in their place."""
    if of.kind == "parameter":
        if of in bindings:
            return substitute(bindings, bindings[of], unbound_to_dyn)
        return DYN if unbound_to_dyn else of
    if not of.parameters:
        return of
    return Type(of.kind, of.name, tuple(substitute(bindings, part, unbound_to_dyn) for part in of.parameters))
