"""From an object's JSON to its protobuf message: the way back of `objects`.

What JSON leaves out is left out here too, so that a decoded message says what the JSON would have said.
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
from apiserver.protobuf.members import Member, Members, members_of
from apiserver.protobuf.wire import BYTES, FIXED64, VARINT, field, written_varint
from apiserver.raw_extension import text_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def write(model: type[Model], document: Mapping[str, Any]) -> bytes:
    """The message of an object, of which `kind` and `apiVersion` are no part.

    Raises LookupError for types whose field numbers nobody has written down.
    """
    return _message(members_of(model), document)


def _message(members: Members, document: Mapping[str, Any]) -> bytes:
    out = []
    for number, member in members.items():
        if not isinstance(member, Member):
            if inlined := _message(member, document):
                out.append(field(number, BYTES, inlined))
            continue
        value, schema = document.get(member.name), member.schema
        if value is None:
            continue
        if schema.type == "array" and schema.items is not None:
            items = schema.items
            out += [field(number, *_value(items, item)) for item in value]
        elif schema.type == "object" and schema.additional is not None:
            inner = schema.additional
            for key, entry in value.items():
                pair = field(1, BYTES, key.encode()) + field(2, *_value(inner, entry))
                out.append(field(number, BYTES, pair))
        else:
            out.append(field(number, *_value(schema, value)))
    return b"".join(out)


def _value(schema: Schema, value: Any) -> tuple[int, bytes]:
    """Wire type and payload of one value."""
    if schema.scalar:
        return BYTES, _SCALARS[schema.scalar](value)
    match schema.type:
        case "string":
            return BYTES, base64.b64decode(value) if schema.format == "byte" else value.encode()
        case "integer" | "boolean":
            return VARINT, written_varint(int(value))
        case "number":
            return FIXED64, struct.pack("<d", value)
        case "array" if schema.items is not None:  # Go's named slice type in a map: a message around it
            return BYTES, b"".join(field(1, *_value(schema.items, item)) for item in value)
    if schema.model is not None:
        return BYTES, _message(members_of(schema.model), value)
    return BYTES, field(1, BYTES, orjson.dumps(value))


# --- messages that are scalars in JSON ----------------------------------------------------------------


def _quantity(value: Any) -> bytes:
    return field(1, BYTES, str(value).encode())


def _int_or_string(value: Any) -> bytes:
    if isinstance(value, str):
        return (
            field(1, VARINT, written_varint(1)) + field(2, VARINT, written_varint(0)) + field(3, BYTES, value.encode())
        )
    return field(1, VARINT, written_varint(0)) + field(2, VARINT, written_varint(value)) + field(3, BYTES, b"")


def _time(value: str) -> bytes:
    since = datetime.fromisoformat(value) - _EPOCH
    seconds, rest = divmod(since, timedelta(seconds=1))
    return field(1, VARINT, written_varint(seconds)) + field(2, VARINT, written_varint(rest.microseconds * 1000))


def _json(value: Any) -> bytes:
    return field(1, BYTES, orjson.dumps(value))


def _raw(value: Any) -> bytes:
    return field(1, BYTES, text_of(value).encode())


def _schema(value: Any) -> bytes:
    from api.apiextensions_v1 import JSONSchemaProps  # only who reads definitions of custom resources needs it

    return _message(members_of(JSONSchemaProps), value)


def _schema_or_schemas(value: Any) -> bytes:
    if isinstance(value, dict):
        return field(1, BYTES, _schema(value))
    return b"".join(field(2, BYTES, _schema(each)) for each in value)


def _schema_or_bool(value: Any) -> bytes:
    if isinstance(value, dict):
        return field(1, VARINT, written_varint(1)) + field(2, BYTES, _schema(value))
    return field(1, VARINT, written_varint(int(value)))


def _schema_or_texts(value: Any) -> bytes:
    if isinstance(value, dict):
        return field(1, BYTES, _schema(value))
    return b"".join(field(2, BYTES, each.encode()) for each in value)


_SCALARS: dict[str, Callable[[Any], bytes]] = {
    "JSON": _json,
    "JSONSchemaPropsOrArray": _schema_or_schemas,
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrStringArray": _schema_or_texts,
    "RawExtension": _raw,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "Time": _time,
    "MicroTime": _time,
}
