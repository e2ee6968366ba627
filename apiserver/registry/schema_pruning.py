"""Values cut to their structural schemas: fields that a schema does not have, and nulls where there may be none.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
"""

from __future__ import annotations

from typing import Any

from api.apiextensions_v1 import JSONSchemaProps

META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
"""What a whole object has besides what its schema names."""
_NOTHING = JSONSchemaProps.model_validate({})


def prune(
    value: Any,
    schema: JSONSchemaProps,
    embedded: bool,
    unknown: list[str] | None = None,
    path: str = "",
    *,
    preserving: bool = False,
) -> None:
    """Take the fields that the schema does not have out of the value, in place.

    `embedded`: whether the value is a whole object.  `unknown` gains the paths of what was taken out, where it
    matters.  `preserving`: whether the value is an item of a list that keeps what is unknown.
    """
    preserving = preserving or bool(schema.x_kubernetes_preserve_unknown_fields)
    if isinstance(value, list):
        if isinstance(schema.items, JSONSchemaProps):
            inner = schema.items
            for index, item in enumerate(value):
                where, whole = f"{path}[{index}]", inner.x_kubernetes_embedded_resource
                if isinstance(item, dict | list):
                    prune(item, inner, whole, unknown, where, preserving=preserving)
        return
    if not isinstance(value, dict):
        return
    properties, additional = schema.properties, schema.additionalProperties
    gone = []
    for name, part in value.items():
        if embedded and name in META_FIELDS:
            continue
        below = properties.get(name, additional)
        if below is None or below is False:
            if not preserving:
                gone.append(name)
        elif isinstance(part, dict | list):
            # Where anything is allowed and nothing said of it, objects have no fields.
            inner = below if isinstance(below, JSONSchemaProps) else _NOTHING
            prune(part, inner, inner.x_kubernetes_embedded_resource, unknown, f"{path}.{name}" if path else name)
    for name in gone:
        del value[name]
        if unknown is not None:
            unknown.append(f"{path}.{name}" if path else name)


def drop_nulls(value: Any, schema: JSONSchemaProps) -> None:
    """Take nulls out of objects, in place, where the schema allows none and has no default to put there."""
    if isinstance(value, dict):
        properties, additional = schema.properties, schema.additionalProperties
        gone = []
        for name, part in value.items():
            below = properties.get(name, additional)
            if not isinstance(below, JSONSchemaProps):
                continue
            if part is None:
                if not below.nullable and below.default is None:
                    gone.append(name)
            elif isinstance(part, dict | list):
                drop_nulls(part, below)
        for name in gone:
            del value[name]
    elif isinstance(value, list) and isinstance(schema.items, JSONSchemaProps):
        for item in value:
            drop_nulls(item, schema.items)
