"""The base of every API type, and the vocabulary its fields are declared with.

A field's declaration says how the field behaves on the wire, in the same three ways as in
Kubernetes' own Go types:

    name: str                        always present, also when empty (and `required` in the schema)
    hostNetwork: bool = False        left out when empty: an explicit false and no value are the same
    replicas: int | None = None      left out only when unset: an explicit 0 is kept
    metadata: ObjectMeta = struct()  a nested object that is always present, as {} when empty

Markers in `Annotated[...]` carry what merging needs (`ListMap`, `ListSet`, `Atomic`, `Merge`) and what
the published schema says (`Enum`, `Default`); pydantic itself ignores them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from functools import partial
from inspect import Signature
from types import UnionType
from typing import Annotated, Any, NamedTuple, Self, TypeVar, get_args

import orjson
import pydantic
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    SerializationInfo,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined, core_schema

from api.quantity import canonical
from api.rfc3339 import to_microsecond

_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_ModelType = TypeVar("_ModelType", bound="type[Model]")
_ATOMIC: set[type[Model]] = set()
_UNIONS: dict[type[Model], tuple[str, tuple[str, ...]]] = {}


# Markers are plain classes: making a dataclass takes a millisecond, which every start would wait for.


class ListMap:
    """`x-kubernetes-list-type: map`: items are told apart by these keys."""

    __slots__ = ("keys",)

    def __init__(self, *keys: str) -> None:
        self.keys = keys


class ListSet:
    """`x-kubernetes-list-type: set`: scalar items, each at most once."""


class Atomic:
    """`x-kubernetes-map-type: atomic`: owned and replaced as a whole.  Lists are atomic unless marked."""


class Granular:
    """`x-kubernetes-map-type: granular`: owned member by member, also where the type is atomic elsewhere."""


def atomic(model: _ModelType) -> _ModelType:
    """Marks a type whose objects are owned and replaced as a whole wherever they appear
    (`x-kubernetes-map-type: atomic` on the type itself)."""
    _ATOMIC.add(model)
    return model


def union(*members: str, discriminator: str = "") -> Callable[[_ModelType], _ModelType]:
    """Marks a type of which one member is set, which one being said by the `discriminator`
    (`x-kubernetes-unions`)."""

    def mark(model: _ModelType) -> _ModelType:
        _UNIONS[model] = (discriminator, members)
        return model

    return mark


def union_of(model: type[Model]) -> tuple[str, tuple[str, ...]] | None:
    """The discriminator and the members of a type marked with `@union`."""
    return _UNIONS.get(model)


def is_atomic(model: type[Model]) -> bool:
    """Whether the type is marked with `@atomic`."""
    return model in _ATOMIC


class Merge(NamedTuple):
    """How strategic merge patch treats the field (`x-kubernetes-patch-strategy` and `-merge-key`)."""

    key: str = ""
    strategy: str = "merge"


class Enum:
    """The values the published schema lists.  Wrong values are refused by validation, not by decoding."""

    __slots__ = ("values",)

    def __init__(self, *values: str) -> None:
        self.values = values


class Required:
    """`required` in the published schema although it can be absent on the wire (a nil pointer in Go)."""


class NotRequired:
    """Not `required` in the published schema although it is always present on the wire."""


class Default(NamedTuple):
    """The default the published schema names; the apiserver's defaulting fills it in."""

    value: Any


class Named(NamedTuple):
    """A value of any shape that is published as a component of this name."""

    name: str


_AS_GIVEN = {"as given": True}


class NotGiven(list[Any]):
    """A `NullWhenEmpty` list that nobody gave, which Go tells from one that was given without items."""


class NullWhenEmpty:
    """A list that is written as null when it has no items (in Go: without `omitempty`); declared without a default."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = core_schema.no_info_after_validator_function(
            _list_for_null, core_schema.nullable_schema(handler(source))
        )
        schema["serialization"] = core_schema.wrap_serializer_function_ser_schema(_null_for_empty, info_arg=True)
        return schema


def _list_for_null(value: Any) -> Any:
    return NotGiven() if value is None else value


def _null_for_empty(value: list[Any], handler: Callable[[list[Any]], Any], info: SerializationInfo[Any]) -> Any:
    if value or (info.context and not isinstance(value, NotGiven)):
        return handler(value)
    return None


def struct() -> Any:
    """A nested object that is always present on the wire, as `{}` when nothing in it is set.

    The default is a plain dictionary that pydantic validates into the model: the two never compare
    equal, so `exclude_defaults` keeps the field.
    """
    return Field(default={}, validate_default=True)


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first or last day there is, and a zone that moves it over the edge
        raise ValueError("Time.MarshalJSON: year outside of range [0,9999]") from None


def _to_second(value: datetime) -> datetime:
    value = _in_utc(value)
    return value.replace(microsecond=0) if value.microsecond else value  # `replace` is slow, and hardly ever needed


def _with_microseconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _MICRO_TIME.fullmatch(value):
        raise ValueError("not an RFC 3339 time with six digits after the second")
    return _in_utc(datetime.fromisoformat(value))


def _is_base64(value: str) -> str:
    if "\n" in value or "\r" in value:  # line breaks are let through and not kept
        value = value.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("illegal base64 data") from error
    return value


Time = Annotated[datetime, AfterValidator(_to_second)]
"""RFC 3339 with seconds, always in UTC."""

MicroTime = Annotated[datetime, BeforeValidator(_with_microseconds), PlainSerializer(to_microsecond, return_type=str)]
"""RFC 3339 with exactly six digits of microseconds, always in UTC."""

Quantity = Annotated[str, BeforeValidator(canonical)]
"""A resource quantity in its canonical form ("500m", "1Gi"); see `api.quantity`."""

Base64 = Annotated[str, AfterValidator(_is_base64)]
"""Bytes, kept in their base64 encoding."""

_UNSET = "\0unset"


class AlwaysPresent:
    """Marks a field that is written as null when unset; declared with `= null()`.

    Lets a field take the stand-in for "unset" as its default and turns it into None.

    Default and value then differ, so that `exclude_defaults` keeps the field and null is written.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unset = core_schema.no_info_after_validator_function(_nothing, core_schema.literal_schema([_UNSET]))
        return core_schema.union_schema([unset, handler(source)], mode="left_to_right")


def _nothing(_: Any) -> None:
    return None


ZeroTime = Annotated[Time | None, AlwaysPresent()]
"""A time that is null on the wire when unset (a Go struct, not a pointer); declared with `= null()`."""

ZeroMicroTime = Annotated[MicroTime | None, AlwaysPresent()]
"""The same with microseconds."""

NullString = Annotated[str | None, AlwaysPresent()]
"""A string that is null on the wire when unset (a Go pointer without `omitempty`)."""


def null() -> Any:
    """The default of a field that is written as null when unset."""
    return Field(default=_UNSET, validate_default=True)


IntOrString = int | str
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
JSONObject = dict[str, Any]
JSONValue = Annotated[Any, Named("JSON")]
RawExtension = Annotated[Any, Named("RawExtension")]
"""An object of any kind, kept as it is."""


def _without_fraction(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


Number = Annotated[float, PlainSerializer(_without_fraction)]
"""A JSON number; whole ones are written without a fraction."""


def _factory(kind: Callable[[], Any]) -> Callable[[], Any]:
    """`kind` as a factory whose signature pydantic need not parse out of C's documentation, for every field anew."""
    factory = partial(kind)
    factory.__signature__ = Signature()  # type: ignore[attr-defined]
    return factory


_new_list, _new_dict = _factory(list), _factory(dict)


class Model(pydantic.BaseModel):
    """One API type.  Fields carry the API's own names, as its documentation shows them.

    Decoding is strict about types, as Kubernetes is, and ignores fields it does not know unless told
    otherwise.  Validators are built on first use.
    """

    model_config = ConfigDict(
        strict=True, extra="ignore", defer_build=True, populate_by_name=True, protected_namespaces=()
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        # A factory makes an empty list or dict; pydantic would deep-copy the default, at twice the cost.
        for field in cls.model_fields.values():
            if field.default == [] and field.default is not PydanticUndefined:
                field.default, field.default_factory = PydanticUndefined, _new_list
            elif field.default == {} and not field.validate_default:
                field.default, field.default_factory = PydanticUndefined, _new_dict
            elif field.default == {}:
                members = _empty_members(bare(field.annotation))
                field.default, field.default_factory = PydanticUndefined, _factory(partial(_same, members))

    @classmethod
    def decode(cls, data: bytes | str, *, unknown_fields: bool = True) -> Self:
        """Read JSON.

        As in Go, null means "not given" everywhere and a missing value is the type's empty one.
        Raises pydantic.ValidationError for a value of a wrong type, and, with
        `unknown_fields=False`, for a field the type does not have.
        """
        extra: Any = "ignore" if unknown_fields else "forbid"
        try:
            return cls.model_validate_json(data, extra=extra)
        except pydantic.ValidationError as error:
            kinds = {problem["type"] for problem in error.errors(include_url=False, include_context=False)}
            if "json_invalid" in kinds:
                raise
            document = without_nulls(orjson.loads(data))
        return cls._decode_sparse(document, extra)

    @classmethod
    def _decode_sparse(cls, document: Any, extra: Any) -> Self:
        """Decode with the empty value put in wherever an always-present field is missing."""
        for _ in range(32):  # a filled-in object may itself lack fields: one level of nesting a turn
            try:
                return cls.model_validate_json(orjson.dumps(document), extra=extra)
            except pydantic.ValidationError as error:
                missing = [p["loc"] for p in error.errors(include_url=False) if p["type"] == "missing"]
                if not missing:
                    raise
                for location in missing:
                    _fill_in(cls, document, location)
        raise ValueError(f"{cls.__name__}: nested too deeply")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, unknown_fields: bool = True) -> Self:
        """Read an object that is already parsed into JSON-shaped dictionaries and lists."""
        return cls.decode(orjson.dumps(document), unknown_fields=unknown_fields)

    def encode(self, members: Set[str] | None = None, *, as_given: bool = False) -> bytes:
        """JSON as the API writes it: empty values left out or kept as each field declares.

        With `members` only these fields of the object.  With `as_given` a list that somebody gave without items is
        one, even where null is written for it.
        """
        include: Any = members
        context = _AS_GIVEN if as_given else None
        return self.__pydantic_serializer__.to_json(
            self, include=include, exclude_defaults=True, by_alias=True, context=context
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-shaped dictionaries and lists."""
        document: dict[str, Any] = orjson.loads(self.encode())
        return document

    def copy_deep(self) -> Self:
        """An independent copy."""
        return self.model_copy(deep=True)

    def changed(self, before: Self) -> frozenset[str]:
        """The members that are not one and the same object in an earlier state."""
        former = before.__dict__
        return frozenset([name for name, value in self.__dict__.items() if value is not former[name]])


def _same(members: dict[str, Any]) -> dict[str, Any]:
    """What an always-present object is read from when it is missing; reading changes nothing of it."""
    return members


_EMPTY: dict[Any, Any] = {str: "", int: 0, bool: False, float: 0.0}


def _empty_members(model: type[Model]) -> dict[str, Any]:
    """What an always-present object holds when nothing is known of it: the empty value of each required field."""
    return {name: _empty_field(field) for name, field in model.model_fields.items() if field.is_required()}


def _empty_field(field: FieldInfo) -> Any:
    if any(isinstance(mark, NullWhenEmpty) for mark in field.metadata) or type(None) in get_args(field.annotation):
        return None
    is_quantity = any(isinstance(mark, BeforeValidator) and mark.func is canonical for mark in field.metadata)
    return "0" if is_quantity else _empty(field.annotation)


def _empty(kind: Any) -> Any:
    kind = bare(kind)
    origin = getattr(kind, "__origin__", None)
    if origin in (list, dict):
        return origin()
    if isinstance(kind, type) and issubclass(kind, Model):
        return {}
    return _EMPTY.get(kind, 0 if kind == IntOrString else "")


def _fill_in(model: type[Model], document: Any, location: tuple[int | str, ...]) -> None:
    """Put the empty value of its type at `location`, a place where a required field is missing."""
    kind: Any = model
    for step in location[:-1]:
        members = [bare(member) for member in get_args(kind)] if isinstance(kind, UnionType) else []
        if members:  # the step is the name of the member that the value nearly was
            kind = next(m for m in members if (getattr(m, "__origin__", m) is list) == str(step).startswith("list["))
        elif isinstance(step, str) and getattr(kind, "__origin__", None) is list:
            continue  # not a place, but which of a union's types the value was taken for
        elif isinstance(step, int):
            kind, document = inner_type(kind)[0], document[step]
        else:
            is_model = isinstance(kind, type) and issubclass(kind, Model)
            kind = field_type(kind, step) if is_model else inner_type(kind)[-1]
            document = document.setdefault(step, {})  # an always-present object that was left out
        kind = bare(kind)
    kind = bare(kind)
    last = location[-1]
    document[last] = _empty_field(_field(kind, str(last)))


def field_type(model: Any, name: str) -> Any:
    """The declared type of the field that is called `name` on the wire."""
    return _field(model, name).annotation


def _field(model: Any, name: str) -> FieldInfo:
    fields: dict[str, FieldInfo] = bare(model).model_fields
    return fields.get(name) or next(f for f in fields.values() if f.alias == name)


def bare(kind: Any) -> Any:
    """A type without `Annotated[...]` and without `| None`."""
    while True:
        if hasattr(kind, "__metadata__"):
            kind = kind.__origin__
            continue
        arguments = [a for a in getattr(kind, "__args__", ()) if a is not type(None)]
        if type(None) in getattr(kind, "__args__", ()) and len(arguments) == 1:
            kind = arguments[0]
            continue
        return kind


def inner_type(kind: Any) -> list[Any]:
    """The item type of a list, or key and value types of a mapping."""
    return [bare(argument) for argument in bare(kind).__args__]


def without_nulls(value: Any) -> Any:
    """A copy of a JSON value without the object members that are null."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value
