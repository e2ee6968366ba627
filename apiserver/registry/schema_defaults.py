"""Whether the defaults in a structural schema fit the schema themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, invalid_value, required
from apiserver.registry.schema_values import validate_value

_META_FIELDS = ("apiVersion", "kind", "metadata")


def validate_defaults(schema: JSONSchemaProps, path: str, embedded: bool = True) -> Iterator[FieldError]:
    """`embedded`: whether the schema is that of a whole object, as it is at the root.

    Below additionalProperties there are none.
    """
    if schema.default is not None:
        where = f"{path}.default"
        if pruned(schema.default, schema, embedded) != schema.default:
            yield invalid_value(where, schema.default, "must not have unknown fields")
        missing = []
        if embedded and isinstance(schema.default, dict):
            missing = [
                required(f"{where}.{field}") for field in ("apiVersion", "kind") if not schema.default.get(field)
            ]
        yield from missing or validate_value(schema.default, schema, where)
    if isinstance(schema.items, JSONSchemaProps):
        yield from validate_defaults(schema.items, f"{path}.items", schema.items.x_kubernetes_embedded_resource)
    for name, field in schema.properties.items():
        yield from validate_defaults(field, f"{path}.properties[{name}]", field.x_kubernetes_embedded_resource)


def pruned(value: Any, schema: JSONSchemaProps, embedded: bool) -> Any:
    """The value without the fields that the schema does not have.  `embedded`: whether it is a whole object."""
    if isinstance(value, list) and isinstance(schema.items, JSONSchemaProps):
        return [pruned(item, schema.items, schema.items.x_kubernetes_embedded_resource) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, part in value.items():
        below = schema.properties.get(name, schema.additionalProperties)
        if embedded and name in _META_FIELDS:
            kept[name] = part
        elif isinstance(below, JSONSchemaProps):
            kept[name] = pruned(part, below, below.x_kubernetes_embedded_resource)
        elif below is True or schema.x_kubernetes_preserve_unknown_fields:
            kept[name] = part
    return kept
