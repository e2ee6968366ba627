"""One small form for every schema: what a field is, how it merges, what it defaults to.

Built-in kinds get theirs from the pydantic models (`schema_of`), custom resources from their OpenAPI
documents; every generic algorithm (strategic merge, server-side apply, field validation, OpenAPI) walks
this form and nothing else.

The vocabulary is that of the published documents: `x-kubernetes-list-type`, `-list-map-keys`, `-map-type`,
`-patch-strategy`, `-patch-merge-key`
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Annotated, Any, Final, TypeAlias

from pydantic.fields import FieldInfo

from api.model import (
    Atomic,
    Base64,
    Default,
    Enum,
    Granular,
    Int32,
    Int64,
    IntOrString,
    ListMap,
    ListSet,
    Merge,
    MicroTime,
    Model,
    Named,
    NotRequired,
    Quantity,
    Required,
    Time,
    is_atomic,
)

ModelClass: TypeAlias = type[Model]


class Missing:
    """Stands for "no default", since null is a default that schemas can name."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(eq=False, kw_only=True)
class Schema:
    """The shape of one JSON value.  Never changed once built, and shared between all that use it.

    `type` is "object", "array", "string", "integer", "number", "boolean", or "" for any value at all.
    An object has `properties`, or `additional` as the schema of a map's values, or neither: then it is
    free-form.
    """

    type: str = ""
    format: str = ""
    model: ModelClass | None = None
    """The API type of an object; published as a component of its own name."""
    scalar: str = ""
    """The name of what is no model but published as a component: Quantity, Time, MicroTime, IntOrString, JSON, …"""
    declared: Callable[[], Mapping[str, Schema]] | None = None
    """Gives the properties; called on first use, so that big and recursive types cost nothing until then."""
    required: tuple[str, ...] = ()
    """The properties that have to be given."""
    additional: Schema | None = None
    items: Schema | None = None
    list_type: str = "atomic"
    """How the items of an array are told apart: "atomic" (not at all), "set" or "map" (by `list_keys`)."""
    list_keys: tuple[str, ...] = ()
    atomic: bool = False
    """An object that is owned and replaced as a whole."""
    granular: bool = False
    """An object that is said not to be, where its type is or could be."""
    patch_strategy: str = ""
    """Comma-separated words of strategic merge patch: merge, replace, retainKeys."""
    patch_merge_key: str = ""
    default: Any = MISSING
    enum: tuple[str, ...] = ()
    nullable: bool = False
    preserve_unknown: bool = False
    """Members that are not declared are kept."""
    description: str = ""

    @cached_property
    def properties(self) -> Mapping[str, Schema]:
        """The members of an object by their names on the wire."""
        return self.declared() if self.declared is not None else {}

    @cached_property
    def exact(self) -> bool:
        """Whether all of the value is of declared types, so that Python's `==` compares it as JSON does.

        Where any value is allowed it does not: `True == 1` and `1 == 1.0`, which JSON tells apart.
        """
        return _is_exact(self, set())

    def child(self, name: str) -> Schema | None:
        """The schema of an object's member; None for one that is not declared."""
        return self.properties.get(name) or self.additional


ANY: Final = Schema(preserve_unknown=True)
"""Any JSON value."""


def _is_exact(schema: Schema, seen: set[int]) -> bool:
    if id(schema.model or schema) in seen:
        return True
    seen.add(id(schema.model or schema))
    if not schema.type or schema.scalar == "IntOrString":
        return schema.scalar != "" and not schema.preserve_unknown
    if schema.type == "object":
        if schema.preserve_unknown:
            return False
        inner = [*schema.properties.values(), *([schema.additional] if schema.additional else [])]
        return all(_is_exact(each, seen) for each in inner)
    return schema.items is None or _is_exact(schema.items, seen)


@cache
def schema_of(model: type[Model]) -> Schema:
    """The schema of an API type.  Cheap: fields are looked at when something asks for them."""
    return Schema(
        type="object",
        model=model,
        declared=partial(_fields, model),
        required=_required(model),
        atomic=is_atomic(model),
    )


@cache
def _fields(model: type[Model]) -> dict[str, Schema]:
    hints = typing.get_type_hints(model, include_extras=True)
    return {
        field.alias or name: _with_markers(_of_type(hints[name]), field, list(_markers(hints[name])))
        for name, field in model.model_fields.items()
    }


def _required(model: type[Model]) -> tuple[str, ...]:
    hints = model.model_fields
    return tuple(field.alias or name for name, field in hints.items() if _is_required(field))


def _is_required(field: FieldInfo) -> bool:
    for marker in field.metadata:
        if isinstance(marker, Required | NotRequired):
            return isinstance(marker, Required)
    return field.is_required()


def _markers(kind: Any) -> typing.Iterator[Any]:
    if typing.get_origin(kind) is Annotated:
        yield from kind.__metadata__


def _with_markers(schema: Schema, field: FieldInfo, markers: list[Any]) -> Schema:
    changes: dict[str, Any] = {}
    for marker in markers:
        match marker:
            case ListMap():
                changes |= {"list_type": "map", "list_keys": marker.keys}
            case ListSet():
                changes["list_type"] = "set"
            case Atomic():
                changes["atomic"] = True
            case Granular():
                changes |= {"atomic": False, "granular": True}
            case Merge():
                changes |= {"patch_strategy": marker.strategy, "patch_merge_key": marker.key}
            case Enum():
                changes["enum"] = marker.values
            case Default():
                changes["default"] = marker.value
    if "default" not in changes:
        if field.is_required() and schema.type in _EMPTY and not schema.scalar:
            changes["default"] = _EMPTY[schema.type]
        elif schema.model is not None and field.validate_default and field.default_factory is not None:
            changes["default"] = {}
    return replace(schema, **changes) if changes else schema


_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "boolean": False}
"""Kubernetes publishes the empty value as the default of every scalar that is always present."""

_SCALARS: list[tuple[Any, Schema]] = [
    (Quantity, Schema(scalar="Quantity")),
    (Time, Schema(type="string", format="date-time", scalar="Time")),
    (MicroTime, Schema(type="string", format="date-time", scalar="MicroTime")),
    (Base64, Schema(type="string", format="byte")),
    (Int32, Schema(type="integer", format="int32")),
    (Int64, Schema(type="integer", format="int64")),
]
_PLAIN: dict[Any, Schema] = {
    str: Schema(type="string"),
    bool: Schema(type="boolean"),
    int: Schema(type="integer"),
    float: Schema(type="number", format="double"),
    Any: ANY,
    object: ANY,
}
_INT_OR_STRING = Schema(scalar="IntOrString", format="int-or-string")


def _of_type(kind: Any) -> Schema:
    """The schema of a field's declared type, without what its markers say."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        for known, schema in _SCALARS:
            if any(known.__metadata__[0] is marker for marker in kind.__metadata__):
                return schema
        names = [marker.name for marker in kind.__metadata__ if isinstance(marker, Named)]
        if names:
            return Schema(scalar=names[0], preserve_unknown=True)
        schema = _of_type(kind.__origin__)
        choices = [marker.values for marker in kind.__metadata__ if isinstance(marker, Enum)]
        return replace(schema, enum=choices[0]) if choices else schema
    if origin in (types.UnionType, typing.Union):
        if kind == IntOrString or set(kind.__args__) - {type(None)} == set(IntOrString.__args__):
            return _INT_OR_STRING
        arguments = [a for a in kind.__args__ if a is not type(None)]
        if len(arguments) == 1:
            return _of_type(arguments[0])
        return ANY
    if origin is list:
        item = _of_type(kind.__args__[0])
        return Schema(type="array", items=item)
    if origin is dict:
        value = _of_type(kind.__args__[1])
        return Schema(type="object", preserve_unknown=True) if value is ANY else Schema(type="object", additional=value)
    if isinstance(kind, type) and issubclass(kind, Model):
        return schema_of(kind)
    try:
        return _PLAIN[kind]
    except (KeyError, TypeError):
        raise TypeError(f"no schema for the declared type {kind!r}") from None
