"""Structural schemas as types of CEL: what rules may select, how large it can be, and its values.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
(how types are mapped, and how names are escaped).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from cel import types
from cel.declared import Declared
from cel.types import Field, Type
from cel.values import Duration, MapList, SetList, Timestamp, parse_duration, parse_timestamp

_LARGEST_REQUEST = 3 * 1024 * 1024
_LONGEST_DURATION = _LONGEST_TIME = 32
_DATE = 12
_LEAST_SIZES = {"duration": 3, "date": _DATE, "date-time": 21}
_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function"),
        *("if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPED = re.compile(r"__|[-./]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPABLE = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*")


def escape(name: str) -> str | None:
    """A field's name as an identifier; None where it cannot be one."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _ESCAPABLE.fullmatch(name):
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def declare(schema: JSONSchemaProps, name: str = "self", whole: bool = False) -> Declared | None:
    """The type of a schema; None for what rules cannot look into.  `whole`: of a whole object, with its metadata."""
    if schema.x_kubernetes_int_or_string:
        most = _LARGEST_REQUEST - 2 if schema.maxLength is None else max(schema.maxLength, 0) * 4
        return Declared(types.DYN, most, 1)
    match schema.type:
        case "array":
            return _list(schema, name)
        case "object":
            additional = schema.additionalProperties
            if isinstance(additional, JSONSchemaProps) and not whole:
                return _map(schema, additional, name)
            return _object(schema, name, whole)
        case "string":
            return _string(schema)
        case "boolean":
            return Declared(types.BOOL, least_size=4)
        case "number":
            return Declared(types.DOUBLE, least_size=1, converts=True)
        case "integer":
            return Declared(types.INT, least_size=1)
    return _object(schema, name, whole) if whole else None


def _list(schema: JSONSchemaProps, name: str) -> Declared | None:
    items = schema.items
    if not isinstance(items, JSONSchemaProps):
        return None
    element = declare(items, f"{name}.@idx", items.x_kubernetes_embedded_resource)
    if element is None:
        return None
    most = (_LARGEST_REQUEST - 2) // (element.least_size + 1) if schema.maxItems is None else max(schema.maxItems, 0)
    list_type, keys = schema.x_kubernetes_list_type, tuple(schema.x_kubernetes_list_map_keys)
    converts = list_type in ("set", "map") or element.converts
    return Declared(types.list_of(element.type), most, 2, element, {}, converts, list_type, keys)


def _map(schema: JSONSchemaProps, of: JSONSchemaProps, name: str) -> Declared | None:
    element = declare(of, f"{name}.@elem", of.x_kubernetes_embedded_resource)
    if element is None:
        return None
    most = schema.maxProperties
    most = (_LARGEST_REQUEST - 2) // (element.least_size + 6) if most is None else max(most, 0)
    return Declared(types.map_of(types.STRING, element.type), most, 2, element, {}, element.converts)


_ANY_STRING = JSONSchemaProps.model_validate({"type": "string"})
_METADATA = JSONSchemaProps.model_validate(
    {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
)


def _with_metadata(properties: Mapping[str, JSONSchemaProps]) -> Mapping[str, JSONSchemaProps]:
    """Rules about whole objects see the kind, the version and two names, whatever else there is about metadata."""
    metadata = properties.get("metadata")
    named = () if metadata is None else (metadata.properties.get("name"), metadata.properties.get("generateName"))
    strings = (properties.get("kind"), properties.get("apiVersion"), *named)
    if named and all(each is not None and each.type == "string" for each in strings):
        return properties
    return {**properties, "kind": _ANY_STRING, "apiVersion": _ANY_STRING, "metadata": _METADATA}


def _object(schema: JSONSchemaProps, name: str, whole: bool) -> Declared:
    properties = _with_metadata(schema.properties) if whole else schema.properties
    fields: dict[str, Declared] = {}
    selectable: dict[str, Field] = {}
    least_size = 2
    for key, below in properties.items():
        identifier = escape(key)
        declared = declare(below, f"{name}.{identifier}", below.x_kubernetes_embedded_resource)
        if declared is None:
            continue
        fields[key] = declared
        if identifier is not None:
            selectable[identifier] = Field(declared.type, key)
        if key in schema.required and below.default is None:
            least_size += len(key) + declared.least_size + 4
    converts = any(each.converts for each in fields.values()) or any(of.nullable for of in properties.values())
    return Declared(types.object_type(name, selectable), 0, least_size, None, fields, converts)


def _string(schema: JSONSchemaProps) -> Declared:
    match schema.format:
        case "byte":
            most = _LARGEST_REQUEST - 2 if schema.maxLength is None else max(schema.maxLength, 0)
            return Declared(types.BYTES, most, 2, converts=True)
        case "duration":
            return Declared(types.DURATION, _LONGEST_DURATION, _LEAST_SIZES["duration"], converts=True)
        case "date":
            return Declared(types.TIMESTAMP, _DATE, _LEAST_SIZES["date"], converts=True)
        case "date-time":
            return Declared(types.TIMESTAMP, _LONGEST_TIME, _LEAST_SIZES["date-time"], converts=True)
    most = _LARGEST_REQUEST - 2
    if schema.maxLength is not None:
        most = max(schema.maxLength, 0) * 4
    elif schema.enum:
        most = max((len(value.encode()) for value in schema.enum if isinstance(value, str)), default=0)
    return Declared(types.STRING, most, 2)


def cardinality(declared: Declared) -> int:
    """How often values of this type can be in one request."""
    return _LARGEST_REQUEST // (declared.least_size + 1)


def to_value(value: Any, declared: Declared) -> Any:
    """A value of JSON as rules see it: times, durations and bytes for texts that stand for them, and no fields that
    are null."""
    if not declared.converts or value is None:
        return value
    if isinstance(value, list):
        return _to_list(value, declared)
    if isinstance(value, dict):
        if declared.element is not None:
            element = declared.element
            return {key: to_value(entry, element) for key, entry in value.items()}
        fields = declared.fields
        return {
            key: to_value(entry, fields[key]) if key in fields else entry
            for key, entry in value.items()
            if entry is not None
        }
    if declared.type.kind == "double":
        return float(value) if type(value) is int else value
    return _parsed(value, declared.type) if isinstance(value, str) else value


def _to_list(value: list[Any], declared: Declared) -> list[Any]:
    element = declared.element
    values = value if element is None else [to_value(item, element) for item in value]
    if declared.list_type == "set":
        return SetList(values)
    if declared.list_type == "map":
        keyed = MapList(values)
        keyed.keys = declared.list_keys
        return keyed
    return values


def _parsed(text: str, of: Type) -> bytes | Duration | Timestamp | str:
    """Schemas have validated the text, so one that cannot be parsed stays what it is."""
    try:
        match of.kind:
            case "bytes":
                return base64.b64decode(text, validate=True)
            case "duration":
                return parse_duration(text)
            case "timestamp":
                return parse_timestamp(text if "T" in text.upper() else f"{text}T00:00:00Z")
    except (ValueError, binascii.Error):
        pass
    return text
