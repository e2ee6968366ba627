"""Whole objects within custom ones (`x-kubernetes-embedded-resource`): they have kinds and metadata of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, invalid_value, required
from api.meta_v1 import ObjectMeta
from api.schema import MISSING
from apiserver.registry.names import dns1035, path_segment
from apiserver.registry.object_meta import validate as validate_metadata

_SUBSTITUTE = "fakename"
"""Embedded objects need no name and no namespace."""


def children(value: Any, schema: JSONSchemaProps, path: str) -> Iterator[tuple[Any, JSONSchemaProps, str]]:
    """The parts of a value that have schemas of their own, with their paths."""
    if isinstance(value, dict):
        for name, part in value.items():
            below = schema.properties.get(name)
            if below is not None:
                yield part, below, f"{path}.{name}" if path else name
            elif isinstance(schema.additionalProperties, JSONSchemaProps):
                yield part, schema.additionalProperties, f"{path}[{name}]"
    elif isinstance(value, list) and isinstance(schema.items, JSONSchemaProps):
        for index, item in enumerate(value):
            yield item, schema.items, f"{path}[{index}]"


def validate_embedded(value: Any, schema: JSONSchemaProps, path: str, whole: bool = False) -> Iterator[FieldError]:
    """The rules of the whole objects in a value; `whole`: whether it is one itself, whatever its schema says."""
    if (whole or (path and schema.x_kubernetes_embedded_resource)) and isinstance(value, dict):
        yield from _validate_names(value, path)
        if isinstance(metadata := value.get("metadata"), dict):
            meta = ObjectMeta.from_dict(metadata)
            meta.name, meta.namespace = meta.name or _SUBSTITUTE, meta.namespace or _SUBSTITUTE
            yield from validate_metadata(meta, True, path_segment, f"{path}.metadata")
    for part, below, where in children(value, schema, path):
        yield from validate_embedded(part, below, where)


def _validate_names(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for field in ("apiVersion", "kind"):
        where, text = f"{path}.{field}", value.get(field, MISSING)
        if text is MISSING:
            yield required(where)
        elif not isinstance(text, str):
            yield invalid_value(where, text, "must be a string")
        elif not text:
            yield invalid_value(where, text, "must not be empty")
        elif field == "apiVersion":
            if text.count("/") > 1:
                yield invalid_value(where, text, f"unexpected GroupVersion string: {text}")
        elif complaints := dns1035(text.lower()):
            why = f"may have mixed case, but should otherwise match: {','.join(complaints)}"
            yield invalid_value(where, text, why)
