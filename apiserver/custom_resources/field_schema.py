"""A structural schema in the form that server-side apply walks: how fields merge and are owned.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#custom-resources-and-server-side-apply
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from api.apiextensions_v1 import JSONSchemaProps
from api.meta_v1 import ObjectMeta
from api.schema import ANY, MISSING, Schema, schema_of

_STRING: Final = Schema(type="string")


def field_schema(schema: JSONSchemaProps, *, root: bool = False) -> Schema:
    """`root`: whether it is the schema of whole objects, as embedded ones are, too."""
    default = MISSING if schema.default is None else schema.default
    preserve = bool(schema.x_kubernetes_preserve_unknown_fields)
    if schema.x_kubernetes_int_or_string or not schema.type:
        return Schema(preserve_unknown=True, default=default, nullable=schema.nullable)
    if schema.type == "array":
        items = field_schema(schema.items) if isinstance(schema.items, JSONSchemaProps) else ANY
        return Schema(
            type="array",
            items=items,
            list_type=schema.x_kubernetes_list_type or "atomic",
            list_keys=tuple(schema.x_kubernetes_list_map_keys),
            default=default,
            nullable=schema.nullable,
        )
    if schema.type != "object":
        # Formats are the validation's affair, and none makes a scalar anything but one field.
        return Schema(type=schema.type, default=default, nullable=schema.nullable)
    additional = schema.additionalProperties
    return Schema(
        type="object",
        declared=partial(_members, schema, root or schema.x_kubernetes_embedded_resource),
        additional=field_schema(additional) if isinstance(additional, JSONSchemaProps) else ANY if additional else None,
        atomic=schema.x_kubernetes_map_type == "atomic",
        preserve_unknown=preserve,
        default=default,
        nullable=schema.nullable,
    )


def _members(schema: JSONSchemaProps, whole: bool) -> Mapping[str, Schema]:
    members = {name: field_schema(field) for name, field in schema.properties.items()}
    if whole:
        members |= {"apiVersion": _STRING, "kind": _STRING, "metadata": schema_of(ObjectMeta)}
    return members
