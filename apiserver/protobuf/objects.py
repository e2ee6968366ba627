"""From a protobuf message to the dictionary that the same object's JSON would have given.

The schema form of the API types says what every field is, `field_numbers` which number it has.  A few Go types
are messages in protobuf and scalars in JSON (times, quantities, …); Go's embedded structs are messages of their
own in protobuf and no level at all in JSON.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from api.model import Model
from api.schema import Schema
from apiserver.protobuf import wire
from apiserver.protobuf.envelope import text
from apiserver.protobuf.members import Member, Members, members_of
from apiserver.protobuf.wire import Malformed
from apiserver.raw_extension import Raw

_DEEPEST: Final = 100
"""Levels of messages; the deepest built-in type has less than twenty, only recursive ones can have more."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_ONE: Final = -62135596800
"""Seconds since 1970 of the zero time of Go, which stands for no time."""


def read(model: type[Model], data: memoryview) -> dict[str, Any]:
    """The JSON-shaped dictionary of an encoded object, without `apiVersion` and `kind`.

    Fields with unknown numbers are passed over, as protobuf has it.  Raises Malformed.
    """
    document: dict[str, Any] = {}
    _read_into(document, members_of(model), data, _DEEPEST)
    return document


def _read_into(document: dict[str, Any], members: Members, data: memoryview, levels: int) -> None:
    """Add a message's fields to a document: a message that came in two parts is one, as protobuf has it."""
    if not levels:
        raise Malformed("exceeded max depth")
    for number, wire_type, payload in wire.fields(data):
        member = members.get(number)
        if member is None:
            continue
        if not isinstance(member, Member):
            _read_into(document, member, _bytes(payload, wire_type, "an embedded struct"), levels - 1)
            continue
        name, schema = member.name, member.schema
        if schema.type == "array" and schema.items is not None:
            document.setdefault(name, []).extend(_items(schema.items, wire_type, payload, name, levels))
        elif schema.type == "object" and schema.additional is not None:
            key, value = _entry(schema.additional, _bytes(payload, wire_type, name), name, levels)
            document.setdefault(name, {})[key] = value
        elif schema.model is not None:
            inner = document.setdefault(name, {})
            _read_into(inner, members_of(schema.model), _bytes(payload, wire_type, name), levels - 1)
        else:
            value = _value(schema, wire_type, payload, name, levels)
            if value is None or not (value or member.keeps_empty):
                document.pop(name, None)
            else:
                document[name] = value


def _items(schema: Schema, wire_type: int, payload: int | memoryview, name: str, levels: int) -> list[Any]:
    """One item, or many numbers packed into one field."""
    if schema.type in ("integer", "boolean") and isinstance(payload, memoryview) and wire_type == wire.BYTES:
        numbers, at = [], 0
        while at < len(payload):
            number, at = wire.varint(payload, at)
            numbers.append(_value(schema, wire.VARINT, number, name, levels))
        return numbers
    return [_value(schema, wire_type, payload, name, levels)]


def _entry(schema: Schema, data: memoryview, name: str, levels: int) -> tuple[str, Any]:
    """One entry of a map: a message with the key as 1 and the value as 2."""
    key, value = "", _EMPTY.get(schema.scalar or schema.type, lambda: None)()
    for number, wire_type, payload in wire.fields(data):
        if number == 1:
            key = text(_bytes(payload, wire_type, name))
        elif number == 2:
            value = _value(schema, wire_type, payload, name, levels - 1)
    return key, value


def _value(schema: Schema, wire_type: int, payload: int | memoryview, name: str, levels: int) -> Any:
    """A value that is no list member's or map's container; None for a time that is not set."""
    if schema.type in ("integer", "boolean"):
        if not isinstance(payload, int):
            raise _wrong_type(wire_type, name)
        if schema.type == "boolean":
            return payload != 0
        return wire.signed(payload, 32 if schema.format == "int32" else 64)
    if schema.type == "number":
        if wire_type != wire.FIXED64 or isinstance(payload, int):
            raise _wrong_type(wire_type, name)
        return struct.unpack("<d", payload)[0]
    data = _bytes(payload, wire_type, name)
    if schema.scalar:
        return _SCALARS[schema.scalar](data, name)
    if schema.type == "string":
        return base64.b64encode(data).decode() if schema.format == "byte" else text(data)
    if schema.model is not None:
        document: dict[str, Any] = {}
        _read_into(document, members_of(schema.model), data, levels - 1)
        return document
    if schema.type == "array" and schema.items is not None:  # Go's named slice type in a map: a message around it
        items: list[Any] = []
        for number, inner_type, inner in wire.fields(data):
            if number == 1:
                items += _items(schema.items, inner_type, inner, name, levels - 1)
        return items
    return _json(data, name)


def _bytes(payload: int | memoryview, wire_type: int, name: str) -> memoryview:
    if isinstance(payload, int) or wire_type != wire.BYTES:
        raise _wrong_type(wire_type, name)
    return payload


def _wrong_type(wire_type: int, name: str) -> Malformed:
    return Malformed(f"proto: wrong wireType = {wire_type} for field {name[:1].upper()}{name[1:]}")


# --- messages that are scalars in JSON ----------------------------------------------------------------


def _quantity(data: memoryview, name: str) -> str:
    return _string(_by_number(data), 1, name) or "0"


def _int_or_string(data: memoryview, name: str) -> int | str:
    found = _by_number(data)
    if _number(found, 1, name):
        return _string(found, 3, name)
    return wire.signed(_number(found, 2, name), 32)


def _time(data: memoryview, name: str) -> str | None:
    return _moment(data, name, "seconds")


def _micro_time(data: memoryview, name: str) -> str | None:
    return _moment(data, name, "microseconds")


def _moment(data: memoryview, name: str, precision: str) -> str | None:
    if not len(data):
        return None
    found = _by_number(data)
    seconds, nanos = wire.signed(_number(found, 1, name), 64), wire.signed(_number(found, 2, name), 32)
    if precision == "seconds":
        nanos = 0
    if seconds == _YEAR_ONE and not nanos:
        return None
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise Malformed(f"{name}: the year is not in the range 1 to 9999") from None
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def _json(data: memoryview, name: str) -> Any:
    """What RawExtension, FieldsV1 and their like hold: JSON, in field 1."""
    found = _by_number(data).get(1)
    if found is None:
        return None
    encoded = _bytes(found[1], found[0], name)
    if not len(encoded):
        return None
    try:
        return orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{name}: {error}") from None


def _raw(data: memoryview, name: str) -> Any:
    value = _json(data, name)
    return Raw(bytes(_by_number(data)[1][1]).decode()) if isinstance(value, dict) else value


def _by_number(data: memoryview) -> dict[int, tuple[int, int | memoryview]]:
    return {number: (wire_type, payload) for number, wire_type, payload in wire.fields(data)}


def _number(found: Mapping[int, tuple[int, int | memoryview]], number: int, name: str) -> int:
    wire_type, payload = found.get(number, (wire.VARINT, 0))
    if not isinstance(payload, int):
        raise _wrong_type(wire_type, name)
    return payload


def _string(found: Mapping[int, tuple[int, int | memoryview]], number: int, name: str) -> str:
    wire_type, payload = found.get(number, (wire.BYTES, memoryview(b"")))
    return text(_bytes(payload, wire_type, name))


def _schema_or(other: Callable[[Mapping[int, list[memoryview | int]]], Any], at: int = 1) -> Callable[..., Any]:
    """A JSON schema in field `at`, or what `other` makes of the rest."""

    def read(data: memoryview, name: str) -> Any:
        from api.apiextensions_v1 import JSONSchemaProps  # only who defines custom resources needs it

        found: dict[int, list[memoryview | int]] = {}
        for number, _, payload in wire.fields(data):
            found.setdefault(number, []).append(payload)
        if at not in found:
            return other(found)
        return _message(JSONSchemaProps, found[at][-1], name)

    return read


def _message(model: type[Model], payload: memoryview | int, name: str) -> dict[str, Any]:
    document: dict[str, Any] = {}
    _read_into(document, members_of(model), _bytes(payload, wire.BYTES, name), _DEEPEST)
    return document


def _schemas(found: Mapping[int, list[memoryview | int]]) -> list[Any]:
    from api.apiextensions_v1 import JSONSchemaProps

    return [_message(JSONSchemaProps, each, "items") for each in found.get(2, [])]


def _texts(found: Mapping[int, list[memoryview | int]]) -> list[str]:
    return [text(_bytes(each, wire.BYTES, "dependencies")) for each in found.get(2, [])]


_SCALARS: dict[str, Callable[[memoryview, str], Any]] = {
    "JSON": _json,
    "JSONSchemaPropsOrArray": _schema_or(_schemas),
    "JSONSchemaPropsOrBool": _schema_or(lambda found: bool(found.get(1, [0])[-1]), at=2),
    "JSONSchemaPropsOrStringArray": _schema_or(_texts),
    "RawExtension": _raw,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "Time": _time,
    "MicroTime": _micro_time,
}
_EMPTY: dict[str, Callable[[], Any]] = {
    "string": str, "integer": int, "boolean": bool, "number": float, "array": list, "object": dict,
    "Quantity": lambda: "0", "IntOrString": int,
}  # fmt: skip
