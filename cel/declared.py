"""What is known of a variable beyond its type: how large it can be.  An estimate of costs looks it up by path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cel.types import Type


@dataclass(frozen=True, slots=True)
class Declared:
    """A type with the bounds of its values.

    `most` is how many characters, items or members there can be, `least_size` the least that the value takes as JSON.
    `element` is what a list or map is made of, `fields` an object's by their own names.  `converts`: values are not
    those that JSON has.  `list_type` and `list_keys` are a list's `x-kubernetes-list-type` and its map keys.
    """

    type: Type
    most: int = 0
    least_size: int = 0
    element: Declared | None = None
    fields: Mapping[str, Declared] = field(default_factory=dict)
    converts: bool = False
    list_type: str | None = None
    list_keys: tuple[str, ...] = ()


def size_at(declared: Declared, path: tuple[str, ...]) -> int | None:
    """The most that is at a path from a variable of this type on; the variable's name does not matter."""
    at: Declared | None = declared
    for step in path[1:]:
        if at is None:
            return None
        if step in ("@items", "@values"):
            at = at.element
        elif step == "@keys":
            return 0 if at.type.kind == "map" else None
        else:
            of = at.type.field(step)
            at = None if of is None else at.fields.get(of.key)
    return None if at is None else at.most
