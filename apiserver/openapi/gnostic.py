"""The v2 document in protobuf, the only form of it that Kubernetes' own client library asks for.

The messages are those of https://github.com/google/gnostic (openapiv2/OpenAPIv2.proto): one for each object of the
specification, with maps as lists of named values.  What a message has no field for is left out; members whose names
begin with "x-" are kept as YAML, of which JSON is a part.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ACCEPTED = (MEDIA_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
"""Its name, and the older one that clients still use."""

Encoder = Callable[[Any], bytes]
Fields = Mapping[str, tuple[int, Encoder]]
_BYTES, _FIXED64 = 2, 1


def encode(document: Mapping[str, Any]) -> bytes:
    """A Swagger document as an `openapi.v2.Document`."""
    return _message(document, _DOCUMENT, extensions=16)


# --- the wire -------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _message(document: Mapping[str, Any], fields: Fields, extensions: int) -> bytes:
    parts = []
    for name, value in document.items():
        if name in fields:
            number, encoder = fields[name]
            for each in value if isinstance(value, list) and encoder is not _whole else (value,):
                if encoder in _SCALARS:
                    wire_type = _FIXED64 if encoder is _number else 0
                    parts.append(_varint(number << 3 | wire_type) + encoder(each))
                else:
                    parts.append(_field(number, encoder(each)))
        elif name.startswith("x-"):
            parts.append(_field(extensions, _named(name, _any(value))))
    return b"".join(parts)


def _named(name: str, value: bytes) -> bytes:
    return _field(1, name.encode()) + _field(2, value)


def _map(encoder: Encoder, number: int = 1) -> Encoder:
    return lambda members: b"".join(_field(number, _named(name, encoder(each))) for name, each in members.items())


def _wrapped(*numbers: int, encoder: Encoder) -> Encoder:
    """A value in messages that have nothing but one of several forms of it."""

    def wrap(value: Any) -> bytes:
        payload = encoder(value)
        for number in numbers:
            payload = _field(number, payload)
        return payload

    return wrap


def _text(value: str) -> bytes:
    return value.encode()


def _any(value: Any) -> bytes:
    return _field(2, orjson.dumps(value))


def _whole(value: Any) -> bytes:
    """A value that may be a list itself, and is one all the same."""
    return _any(value)


def _integer(value: int) -> bytes:
    return _varint(int(value) & 0xFFFF_FFFF_FFFF_FFFF)


def _number(value: float) -> bytes:
    return struct.pack("<d", value)


_SCALARS: tuple[Encoder, ...] = (_integer, _number)


# --- the messages ---------------------------------------------------------------------------------


def _flat(extensions: int, fields: Fields) -> Encoder:
    return lambda document: _message(document, fields, extensions)


def _texts(value: str | Iterable[str]) -> bytes:
    return b"".join(_field(1, each.encode()) for each in ([value] if isinstance(value, str) else value))


def _additional(value: Any) -> bytes:
    return _varint(2 << 3) + _integer(value) if isinstance(value, bool) else _field(1, _schema(value))


def _schema(schema: Any) -> bytes:
    return _message(schema, _SCHEMA, extensions=31)


_SCHEMA: dict[str, tuple[int, Encoder]] = {
    "$ref": (1, _text), "format": (2, _text), "title": (3, _text), "description": (4, _text), "default": (5, _whole),
    "multipleOf": (6, _number), "maximum": (7, _number), "exclusiveMaximum": (8, _integer), "minimum": (9, _number),
    "exclusiveMinimum": (10, _integer), "maxLength": (11, _integer), "minLength": (12, _integer),
    "pattern": (13, _text), "maxItems": (14, _integer), "minItems": (15, _integer), "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer), "minProperties": (18, _integer), "required": (19, _text), "enum": (20, _any),
    "additionalProperties": (21, _additional), "type": (22, _texts), "items": (23, _wrapped(1, encoder=_schema)),
    "allOf": (24, _schema), "properties": (25, _map(_schema)), "example": (30, _whole),
}  # fmt: skip

_body_parameter = _flat(
    6,
    {
        "description": (1, _text),
        "name": (2, _text),
        "in": (3, _text),
        "required": (4, _integer),
        "schema": (5, _schema),
    },
)
_path_parameter = _flat(
    22,
    {
        "required": (1, _integer), "in": (2, _text), "description": (3, _text), "name": (4, _text), "type": (5, _text),
        "format": (6, _text), "uniqueItems": (19, _integer),
    },
)  # fmt: skip
_query_parameter = _flat(
    23,
    {
        "required": (1, _integer), "in": (2, _text), "description": (3, _text), "name": (4, _text), "type": (6, _text),
        "format": (7, _text), "uniqueItems": (20, _integer),
    },
)  # fmt: skip
_PARAMETERS = {
    "body": _wrapped(1, 1, encoder=_body_parameter),
    "query": _wrapped(3, 2, 1, encoder=_query_parameter),
    "path": _wrapped(4, 2, 1, encoder=_path_parameter),
}


def _parameter(parameter: Any) -> bytes:
    return _PARAMETERS[parameter["in"]](parameter)


_response = _flat(5, {"description": (1, _text), "schema": (2, _wrapped(1, encoder=_schema))})
_operation = _flat(
    13,
    {
        "tags": (1, _text), "summary": (2, _text), "description": (3, _text), "operationId": (5, _text),
        "produces": (6, _text), "consumes": (7, _text), "parameters": (8, _parameter),
        "responses": (9, _map(_wrapped(1, encoder=_response))), "schemes": (10, _text), "deprecated": (11, _integer),
    },
)  # fmt: skip
_path_item = _flat(
    10,
    {
        "get": (2, _operation), "put": (3, _operation), "post": (4, _operation), "delete": (5, _operation),
        "options": (6, _operation), "head": (7, _operation), "patch": (8, _operation), "parameters": (9, _parameter),
    },
)  # fmt: skip
_key = _flat(5, {"type": (1, _text), "name": (2, _text), "in": (3, _text), "description": (4, _text)})
_DOCUMENT: dict[str, tuple[int, Encoder]] = {
    "swagger": (1, _text),
    "info": (2, _flat(7, {"title": (1, _text), "version": (2, _text), "description": (3, _text)})),
    "paths": (8, _map(_path_item, number=2)),
    "definitions": (9, _map(_schema)),
    "security": (12, _map(_texts)),
    "securityDefinitions": (13, _map(_wrapped(2, encoder=_key))),
}
