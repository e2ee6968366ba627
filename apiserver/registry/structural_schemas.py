"""Structural schemas: those from which a server can tell what an object's fields are.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, forbidden, invalid_value, required
from api.go_patterns import pattern_error

_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_EMPTY = JSONSchemaProps.model_validate({})
_INT_OR_STRING = [_EMPTY.model_copy(update={"type": kind}) for kind in ("integer", "string")]
# What may not stand below anyOf, allOf, oneOf and not, for it says what a value is and not which values are valid.
_NOT_NESTED = (
    ("type", "type", "must be empty to be structural"),
    ("additionalProperties", "additionalProperties", "must be undefined to be structural"),
    ("default", "default", "must be undefined to be structural"),
    ("title", "title", "must be empty to be structural"),
    ("description", "description", "must be empty to be structural"),
    ("nullable", "nullable", "must be false to be structural"),
    (
        "x_kubernetes_preserve_unknown_fields",
        "x-kubernetes-preserve-unknown-fields",
        "must be false to be structural",
    ),
    ("x_kubernetes_embedded_resource", "x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x_kubernetes_int_or_string", "x-kubernetes-int-or-string", "must be false to be structural"),
    ("x_kubernetes_list_map_keys", "x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x_kubernetes_list_type", "x-kubernetes-list-type", "must be undefined to be structural"),
    ("x_kubernetes_map_type", "x-kubernetes-map-type", "must be undefined to be structural"),
    ("x_kubernetes_validations", "x-kubernetes-validations", "must be empty to be structural"),
)
_UNSUPPORTED = (
    ("id", "id"),
    ("schema_", "schema"),
    ("ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)


def subschemas(schema: JSONSchemaProps) -> Iterator[JSONSchemaProps]:
    """The schemas right below one."""
    if isinstance(schema.items, list):
        yield from schema.items
    yield from (s for s in (schema.items, schema.additionalProperties, schema.not_) if isinstance(s, JSONSchemaProps))
    for several in (schema.allOf, schema.anyOf, schema.oneOf):
        yield from several
    yield from schema.properties.values()


def unsupported(schema: JSONSchemaProps) -> str | None:
    """Why a schema cannot be read as a structural one at all; None when it can."""
    for field, shown in _UNSUPPORTED:
        value = getattr(schema, field)
        if value or (field == "additionalItems" and value is not None):
            return f"OpenAPIV3Schema '{shown}' is not supported"
    if schema.x_kubernetes_preserve_unknown_fields is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.items, list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return next((why for below in subschemas(schema) if (why := unsupported(below)) is not None), None)


def validate_structure(schema: JSONSchemaProps, path: str) -> list[FieldError]:
    return sorted([*_validate(schema, "root", path), *_incomplete(schema, schema, path, path)], key=str)


def _validate(schema: JSONSchemaProps, level: str, path: str) -> Iterator[FieldError]:
    embedded = schema.x_kubernetes_embedded_resource
    preserving = bool(schema.x_kubernetes_preserve_unknown_fields)
    if schema.type == "array" and schema.items is None:
        yield required(f"{path}.items", "must be specified")
    if isinstance(schema.items, JSONSchemaProps):
        yield from _validate(schema.items, "item", f"{path}.items")
    for name, field in schema.properties.items():
        yield from _validate(field, "field", f"{path}.properties[{name}]")
    if schema.additionalProperties is not None:
        if level == "root":
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(schema.additionalProperties, JSONSchemaProps):
            yield from _validate(schema.additionalProperties, "field", f"{path}.additionalProperties")
    if schema.x_kubernetes_int_or_string:
        why = "must be false if x-kubernetes-int-or-string is true"
        if preserving:
            yield invalid_value(f"{path}.x-kubernetes-preserve-unknown-fields", True, why)
        if embedded:
            yield invalid_value(f"{path}.x-kubernetes-embedded-resource", True, why)
    yield from _validate_values(schema, path, _is_int_or_string(schema), _begins_with_int_or_string(schema))
    if embedded and schema.type != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid_value(f"{path}.type", schema.type, why) if schema.type else required(f"{path}.type", why)
    elif not schema.type and not schema.x_kubernetes_int_or_string and not preserving:
        yield required(f"{path}.type", _UNTYPED[level])
    if embedded and schema.additionalProperties is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", why)
    if level == "root" and schema.type and schema.type != "object":
        yield invalid_value(f"{path}.type", schema.type, "must be object at the root")
    if level == "root" or embedded:
        for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
            if name in schema.properties and (given := schema.properties[name].type) != wanted:
                yield invalid_value(f"{path}.properties[{name}].type", given, f"must be {wanted}")
    if level == "root" and "metadata" in schema.properties and not _only_names(schema.properties["metadata"]):
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", why)
    if embedded and not preserving and not schema.properties:
        yield required(
            f"{path}.properties",
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        )


def _only_names(metadata: JSONSchemaProps) -> bool:
    """Whether the schema of metadata restricts no more than the object's name."""
    rest = metadata.model_copy(update={"type": "", "default": None, "externalDocs": None, "example": None})
    if metadata.properties and set(metadata.properties) <= {"name", "generateName"}:
        rest.properties = {}
    return rest == _EMPTY


def _is_int_or_string(schema: JSONSchemaProps) -> bool:
    return schema.anyOf == _INT_OR_STRING


def _begins_with_int_or_string(schema: JSONSchemaProps) -> bool:
    return bool(schema.allOf) and _is_int_or_string(schema.allOf[0])


def _validate_values(
    schema: JSONSchemaProps, path: str, skip_any: bool = False, skip_first: bool = False
) -> Iterator[FieldError]:
    """`skip_any`: whether anyOf only says that it is an integer or a string; `skip_first`: or the first of allOf."""
    if not skip_any:
        for index, nested in enumerate(schema.anyOf):
            yield from _validate_nested(nested, f"{path}.anyOf[{index}]")
    for index, nested in enumerate(schema.allOf):
        yield from _validate_nested(nested, f"{path}.allOf[{index}]", skip_first and index == 0)
    for index, nested in enumerate(schema.oneOf):
        yield from _validate_nested(nested, f"{path}.oneOf[{index}]")
    if schema.not_ is not None:
        yield from _validate_nested(schema.not_, f"{path}.not")
    if schema.pattern and (why := pattern_error(schema.pattern)) is not None:
        complaint = f"must be a valid regular expression, but isn't: {why}"
        yield invalid_value(f"{path}.pattern", schema.pattern, complaint)


def _validate_nested(schema: JSONSchemaProps, path: str, skip_any: bool = False) -> Iterator[FieldError]:
    yield from _validate_values(schema, path, skip_any)
    if isinstance(schema.items, JSONSchemaProps):
        yield from _validate_nested(schema.items, f"{path}.items")
    for name, field in schema.properties.items():
        yield from _validate_nested(field, f"{path}.properties[{name}]")
    for field_name, shown, why in _NOT_NESTED:
        value = getattr(schema, field_name)
        if value or (value is not None and field_name in ("default", "additionalProperties")):
            yield forbidden(f"{path}.{shown}", why)
    if "metadata" in schema.properties:
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _incomplete(rules: JSONSchemaProps, schema: JSONSchemaProps, path: str, rules_path: str) -> Iterator[FieldError]:
    """Fields that rules below anyOf and its like speak of, but that the structure does not have.

    `rules` are those at `rules_path` about the values of `schema`, which is at `path`.
    """
    nested = [] if rules.not_ is None else [(rules.not_, "not")]
    for junctor in ("allOf", "anyOf", "oneOf"):
        nested += [(part, f"{junctor}[{index}]") for index, part in enumerate(getattr(rules, junctor))]
    for part, name in nested:
        yield from _incomplete_part(part, schema, path, f"{rules_path}.{name}")


def _incomplete_part(part: JSONSchemaProps, schema: JSONSchemaProps, path: str, where: str) -> Iterator[FieldError]:
    yield from _incomplete(part, schema, path, where)
    spoken_of = {f"properties[{name}]": (field, schema.properties.get(name)) for name, field in part.properties.items()}
    if isinstance(part.items, JSONSchemaProps):
        spoken_of["items"] = (part.items, schema.items if isinstance(schema.items, JSONSchemaProps) else None)
    for key, (field, structure) in spoken_of.items():
        if structure is None:
            yield required(f"{path}.{key}", f"because it is defined in {where}.{key}")
        else:
            yield from _incomplete_part(field, structure, f"{path}.{key}", f"{where}.{key}")


_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\['(?P<key>[^']*)'\]|\[\"(?P<key2>[^\"]*)\"\]")


def find_field(schema: JSONSchemaProps, path: str, *, keys: bool) -> JSONSchemaProps | str:
    """The schema of the field at a path such as `.spec.replicas`, or what is wrong with the path.

    `keys`: whether members of maps may be named, as in `.spec.labels['app']`.
    """
    where = 0
    while where < len(path):
        step = _STEP.match(path, where)
        if step is None:
            return (
                f"expected [ or . but got: {path[where:]}" if path[where] not in ".[" else "unexpected end of JSON path"
            )
        if step["field"] is None and not keys:
            return "array notation is not allowed"
        if step["field"] is not None:
            below: object = schema.properties.get(step["field"])
        else:
            below = schema.additionalProperties
        if not isinstance(below, JSONSchemaProps):
            return "does not refer to a valid field"
        schema, where = below, step.end()
    return schema
