"""The types that expressions can count on objects of a kind to have, from what is published of the kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api.meta_v1 import ObjectMeta
from api.schema import Schema, schema_of
from apiserver.custom_resources.endpoint import CustomEndpoint
from apiserver.endpoint import Endpoint
from apiserver.expressions.schema_types import declare, escape
from cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Field,
    Type,
    list_of,
    map_of,
    object_type,
)

_SIMPLE = {"boolean": BOOL, "number": DOUBLE, "integer": INT, "string": STRING}


def type_of(endpoint: Endpoint) -> Type:
    """The type of a resource's objects."""
    name = endpoint.resource.kind
    if isinstance(endpoint, CustomEndpoint):
        return _custom(endpoint, name)
    return object_type(name, _Fields(endpoint.schema, name))


def _custom(endpoint: CustomEndpoint, name: str) -> Type:
    declared = declare(endpoint.version.schema, name)
    fields = {} if declared is None or declared.type.fields is None else dict(declared.type.fields)
    metadata = object_type(f"{name}.metadata", _Fields(schema_of(ObjectMeta), f"{name}.metadata"))
    head = {"apiVersion": STRING, "kind": STRING, "metadata": metadata}
    return object_type(name, fields | {key: Field(of, key) for key, of in head.items()})


class _Fields(Mapping[str, Field]):
    """An object's fields by their names in expressions.  Each is looked into when it is first used: there are many,
    and some contain themselves."""

    def __init__(self, schema: Schema, name: str) -> None:
        self._schema, self._name = schema, name
        self._keys = {escaped: key for key in schema.properties if (escaped := escape(key)) is not None}
        self._known: dict[str, Field | None] = {}

    def __getitem__(self, name: str) -> Field:
        if name not in self._known:
            key = self._keys[name]
            of = _type(self._schema.properties[key], f"{self._name}.{name}")
            self._known[name] = None if of is None else Field(of, key)
        field = self._known[name]
        if field is None:
            raise KeyError(name)
        return field

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _type(schema: Schema, name: str) -> Type | None:
    """None for what expressions cannot look into."""
    if schema.scalar == "IntOrString":
        return DYN
    if schema.scalar == "Quantity":
        return STRING
    match schema.type:
        case "array":
            element = None if schema.items is None else _type(schema.items, f"{name}.@idx")
            return None if element is None else list_of(element)
        case "object" if schema.additional is not None:
            value = _type(schema.additional, f"{name}.@elem")
            return None if value is None else map_of(STRING, value)
        case "object":
            return object_type(name, _Fields(schema, name))
        case "string" if schema.format == "date-time":
            return TIMESTAMP
        case "string" if schema.format == "byte":
            return BYTES
    return _SIMPLE.get(schema.type)
