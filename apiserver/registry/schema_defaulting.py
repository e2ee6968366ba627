"""Defaults of structural schemas, put in where a value says nothing.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from __future__ import annotations

from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from apiserver.patch.json_value import copied


def fill_in(value: Any, schema: JSONSchemaProps) -> None:
    """Put in the defaults, in place.  Objects that are not there stay away, unless they have a default themselves."""
    if isinstance(value, dict):
        properties, additional = schema.properties, schema.additionalProperties
        for name, below in properties.items():
            if below.default is not None and (name not in value or (value[name] is None and not below.nullable)):
                value[name] = copied(below.default)
        for name, part in value.items():
            inner = properties.get(name, additional)
            if not isinstance(inner, JSONSchemaProps):
                continue
            if part is None and not inner.nullable and inner.default is not None:
                value[name] = part = copied(inner.default)
            if isinstance(part, dict | list):
                fill_in(part, inner)
    elif isinstance(value, list) and isinstance(schema.items, JSONSchemaProps):
        for index, item in enumerate(value):
            if item is None and not schema.items.nullable and schema.items.default is not None:
                value[index] = item = copied(schema.items.default)
            if isinstance(item, dict | list):
                fill_in(item, schema.items)


def has_defaults(schema: JSONSchemaProps) -> bool:
    """Whether there is anything to put in anywhere."""
    if schema.default is not None:
        return True
    below = [schema.items, schema.additionalProperties, *schema.properties.values()]
    return any(isinstance(each, JSONSchemaProps) and has_defaults(each) for each in below)
