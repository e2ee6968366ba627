"""What OpenAPI schemas of custom resources may say, besides being structural."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.apiextensions_v1 import JSONSchemaProps, ValidationRule
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.registry.structural_schemas import find_field, unsupported

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_META_FIELDS = ("metadata", "kind", "apiVersion")
_LINE_BREAK = re.compile(r"[\n\r]")
_LIST_KEY = "this property is in x-kubernetes-list-map-keys, so it "
_OF_MAP_LIST = "if parent array's x-kubernetes-list-type is map"
_IN_SET = "must be atomic as item of a list with x-kubernetes-list-type=set"
_KEYS = "x-kubernetes-list-map-keys"


@dataclass(frozen=True)
class _Place:
    """Where in the whole schema a part of it is."""

    root: bool = False
    in_metadata: bool = False
    no_defaults: str | None = None
    """Why there may be no default here, None: there may."""


def validate_schema(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    yield from _validate(schema, path, _Place(root=True))


def _validate(schema: JSONSchemaProps, path: str, place: _Place) -> Iterator[FieldError]:
    yield from _validate_supported(schema, path, place)
    if schema.uniqueItems:
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)
    yield from _validate_below(schema, path, place)
    if schema.x_kubernetes_preserve_unknown_fields is False:
        yield invalid_value(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    yield from _validate_map_type(schema, path)
    yield from _validate_list_type(schema, path)
    yield from _validate_list_keys(schema, path)
    yield from _validate_items_of_sets_and_maps(schema, path)
    for index, rule in enumerate(schema.x_kubernetes_validations):
        yield from _validate_rule(rule, schema, f"{path}.x-kubernetes-validations[{index}]")


def _validate_supported(schema: JSONSchemaProps, path: str, place: _Place) -> Iterator[FieldError]:
    if schema.type and schema.type not in _TYPES:
        yield not_supported(f"{path}.type", schema.type, _TYPES)
    if schema.default is not None and place.no_defaults is not None:
        yield forbidden(f"{path}.default", f"must not be set {place.no_defaults}")
    for field, shown in (
        ("id", "id"),
        ("additionalItems", "additionalItems"),
        ("patternProperties", "patternProperties"),
        ("definitions", "definitions"),
        ("dependencies", "dependencies"),
        ("ref", "$ref"),
    ):
        value = getattr(schema, field)
        if value or (value is not None and field in ("additionalItems", "ref")):
            yield forbidden(f"{path}.{shown}", f"{shown} is not supported")
    if schema.type == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.items, list) and schema.items:
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.x_kubernetes_embedded_resource:
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")


def _validate_below(schema: JSONSchemaProps, path: str, place: _Place) -> Iterator[FieldError]:
    inner = replace(place, root=False)
    additional = schema.additionalProperties
    if additional is not None and additional is not True and schema.properties:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if isinstance(additional, JSONSchemaProps):
        reason = "inside additionalProperties applying to object metadata" if place.in_metadata else place.no_defaults
        yield from _validate(additional, f"{path}.additionalProperties", replace(inner, no_defaults=reason))
    for name, field in schema.properties.items():
        below = inner
        if name in _META_FIELDS and (place.root or schema.x_kubernetes_embedded_resource):
            reason = f"in top-level {name}" if place.root else place.no_defaults
            below = _Place(in_metadata=True, no_defaults=reason)
        yield from _validate(field, f"{path}.properties[{name}]", below)
    if schema.not_ is not None:
        yield from _validate(schema.not_, f"{path}.not", inner)
    for junctor in ("allOf", "oneOf", "anyOf"):
        for index, part in enumerate(getattr(schema, junctor)):
            yield from _validate(part, f"{path}.{junctor}[{index}]", inner)
    for name, part in schema.definitions.items():
        yield from _validate(part, f"{path}.definitions[{name}]", inner)
    if isinstance(schema.items, JSONSchemaProps):
        yield from _validate(schema.items, f"{path}.items", inner)
    elif schema.items:
        for index, part in enumerate(schema.items):
            yield from _validate(part, f"{path}.items[{index}]", inner)
    for name, dependency in schema.dependencies.items():
        if isinstance(dependency, JSONSchemaProps):
            yield from _validate(dependency, f"{path}.dependencies[{name}]", inner)


def _validate_map_type(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    if schema.x_kubernetes_map_type is None:
        return
    if schema.type != "object":
        yield _wrong_type(schema, path, "must be object if x-kubernetes-map-type is specified")
    if schema.x_kubernetes_map_type not in ("atomic", "granular"):
        where = f"{path}.x-kubernetes-map-type"
        yield not_supported(where, schema.x_kubernetes_map_type, ("atomic", "granular"))


def _wrong_type(schema: JSONSchemaProps, path: str, why: str) -> FieldError:
    where = f"{path}.type"
    return invalid_value(where, schema.type, why) if schema.type else required(where, why)


def _validate_list_type(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    kind, items = schema.x_kubernetes_list_type, schema.items
    if kind is not None and schema.type != "array":
        yield _wrong_type(schema, path, "must be array if x-kubernetes-list-type is specified")
    elif kind == "set" and isinstance(items, JSONSchemaProps):
        of_items = items.x_kubernetes_list_type
        if items.type == "array" and of_items not in (None, "atomic"):
            yield invalid_value(f"{path}.items.x-kubernetes-list-type", of_items, _IN_SET)
        elif items.type == "object" and items.x_kubernetes_map_type != "atomic":
            # Kubernetes shows the list type here.
            yield invalid_value(f"{path}.items.x-kubernetes-map-type", of_items, _IN_SET)
    if kind not in (None, "atomic", "set", "map"):
        yield not_supported(f"{path}.x-kubernetes-list-type", kind, ("atomic", "set", "map"))


def _validate_list_keys(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    kind, items, keys = schema.x_kubernetes_list_type, schema.items, schema.x_kubernetes_list_map_keys
    if keys and kind != "map":
        where, why = f"{path}.x-kubernetes-list-type", f"must be map if {_KEYS} is non-empty"
        yield required(where, why) if kind is None else invalid_value(where, kind, why)
    if kind != "map":
        return
    if not keys:
        yield required(f"{path}.{_KEYS}", "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    elif not isinstance(items, JSONSchemaProps):
        yield invalid_value(f"{path}.items", items, "must only have a single schema if x-kubernetes-list-type is map")
    elif items.type != "object":
        yield invalid_value(f"{path}.items.type", items.type, f"must be object {_OF_MAP_LIST}")
    else:
        for index, key in enumerate(keys):
            if key not in items.properties:
                yield invalid_value(f"{path}.{_KEYS}", list(keys), "entries must all be names of item properties")
            elif items.properties[key].type in ("array", "object"):
                where = f"{path}.items.properties[{key}].type"
                yield invalid_value(where, items.type, f"must be a scalar type {_OF_MAP_LIST}")
            if key in keys[:index]:
                yield invalid_value(f"{path}.{_KEYS}", list(keys), "must not contain duplicate entries")


def _validate_items_of_sets_and_maps(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    kind, items = schema.x_kubernetes_list_type, schema.items
    if kind not in ("set", "map") or not isinstance(items, JSONSchemaProps):
        return
    if items.nullable:
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {kind}")
    for key in schema.x_kubernetes_list_map_keys if kind == "map" else ():
        field = items.properties.get(key)
        if field is None:
            continue
        where = f"{path}.items.properties[{key}]"
        if key not in items.required and field.default is None:
            yield required(f"{where}.default", f"{_LIST_KEY}must have a default or be a required property")
        if field.nullable:
            yield forbidden(f"{where}.nullable", f"{_LIST_KEY}cannot be nullable")


def _validate_rule(rule: ValidationRule, schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    message = rule.message.strip()
    if not rule.rule.strip():
        yield required(f"{path}.rule", "rule is not specified")
    elif rule.message and not message:
        yield invalid_value(f"{path}.message", rule.message, "must be non-empty if specified")
    elif _LINE_BREAK.search(message):
        yield invalid_value(f"{path}.message", rule.message, "must not contain line breaks")
    elif _LINE_BREAK.search(rule.rule.strip()) and not message:
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.messageExpression and not rule.messageExpression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.reason is not None and rule.reason not in _REASONS:
        yield not_supported(f"{path}.reason", rule.reason, _REASONS)
    where = f"{path}.fieldPath"
    if rule.fieldPath and not rule.fieldPath.strip():
        yield invalid_value(where, rule.fieldPath, "must be non-empty if specified")
    if _LINE_BREAK.search(rule.fieldPath):
        yield invalid_value(where, rule.fieldPath, "must not contain line breaks")
    if rule.fieldPath and unsupported(schema) is None:
        found = find_field(schema, rule.fieldPath, keys=True)
        if isinstance(found, str):
            yield invalid_value(where, rule.fieldPath, "must be a valid path")
