"""Whether a custom object keeps to the schema of its version, in the order of Kubernetes' own checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, duplicate, invalid_value
from api.schema import MISSING
from apiserver.custom_resources.definition import Version
from apiserver.custom_resources.object import CustomObject
from apiserver.custom_resources.rules import rule_errors
from apiserver.registry.embedded_objects import children, validate_embedded
from apiserver.registry.schema_values import validate_value

_BLOCKING = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
_MOST_REPLICAS = 2**31 - 1


def validate(
    version: Version, new: CustomObject, old: CustomObject | None, *, status: bool = False
) -> list[FieldError]:
    """All that is wrong with an object's members; `old` is its state before an update, `status` said of a write of
    that alone."""
    errors: list[FieldError] = []
    fits = version.fits(new.members)
    document: Any = None
    before: Any = None
    if version.has_rules or not fits:
        document = _document(version, new)
        before = MISSING if old is None else _document(version, old)
    if not fits:
        errors += validate_value(document, version.schema, "", old=before)
    if version.scale is not None:
        errors += _validate_scale(version, new, status)
    if version.has_embedded:
        errors += validate_embedded(new.members, version.schema, "")
    if version.has_keyed_lists and (old is None or not any(_validate_lists(old.members, version.schema, ""))):
        errors += _validate_lists(new.members, version.schema, "")
    if version.has_rules:
        if any(error.type in _BLOCKING for error in errors):
            errors.append(invalid_value("<nil>", None, _NOT_CHECKED))
        else:
            broken, new.forgiven = rule_errors(version, document, before)
            errors += broken
    return errors


def _document(version: Version, obj: CustomObject) -> dict[str, Any]:
    """The whole object as its schema sees it.  Metadata is read only where something may be said about it."""
    metadata: dict[str, Any] = {}
    if version.has_rules or "metadata" in version.schema.properties:
        metadata = orjson.loads(obj.metadata.encode())
    return {"apiVersion": version.api_version, "kind": version.kind, "metadata": metadata, **obj.members}


# --- scale ------------------------------------------------------------------------------------------


def _validate_scale(version: Version, obj: CustomObject, status: bool) -> Iterator[FieldError]:
    scale = version.scale
    assert scale is not None
    if not status:
        yield from _validate_replicas(obj, scale.specReplicasPath)
        if scale.labelSelectorPath:
            selector = dig(obj.members, scale.labelSelectorPath)
            if selector is not None and not isinstance(selector, str):
                yield invalid_value(scale.labelSelectorPath, "", _accessor(scale.labelSelectorPath, selector, "string"))
    yield from _validate_replicas(obj, scale.statusReplicasPath)


def _validate_replicas(obj: CustomObject, path: str) -> Iterator[FieldError]:
    replicas = dig(obj.members, path)
    if replicas is None:
        return
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        yield invalid_value(path, 0, _accessor(path, replicas, "int64"))
    elif replicas < 0:
        yield invalid_value(path, replicas, "should be a non-negative integer")
    elif replicas > _MOST_REPLICAS:
        yield invalid_value(path, replicas, f"should be less than or equal to {_MOST_REPLICAS}")


def _accessor(path: str, value: Any, wanted: str) -> str:
    kinds = {bool: "bool", str: "string", int: "int64", float: "float64", list: "[]interface {}"}
    kind = kinds.get(type(value), "map[string]interface {}")
    return f"{path} accessor error: {value} is of the type {kind}, expected {wanted}"


def dig(members: Any, path: str) -> Any:
    """The value at a path such as `.spec.replicas`; None where there is none."""
    for step in path.lstrip(".").split("."):
        members = members.get(step) if isinstance(members, dict) else None
    return members


# --- lists whose items are told apart ------------------------------------------------------------


def _validate_lists(value: Any, schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    if isinstance(value, list) and schema.x_kubernetes_list_type in ("set", "map"):
        seen: dict[bytes, int] = {}
        for index, item in enumerate(value):
            keys = item
            if schema.x_kubernetes_list_type == "map":
                if not isinstance(item, dict):
                    continue
                keys = {key: item[key] for key in sorted(schema.x_kubernetes_list_map_keys) if key in item}
            encoded = orjson.dumps(keys, option=orjson.OPT_SORT_KEYS)
            seen[encoded] = seen.get(encoded, 0) + 1
            if seen[encoded] == 2:  # one that is there more often is complained of once
                yield duplicate(f"{path}[{index}]", keys)
    for part, below, where in children(value, schema, path):
        yield from _validate_lists(part, below, where)
