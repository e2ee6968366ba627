"""Whether a value keeps to a schema, in the words of Kubernetes' OpenAPI validator (k8s.io/kube-openapi)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, invalid_value, not_supported, required, too_long, too_many
from apiserver.registry.go_patterns import compiled
from apiserver.registry.schema_formats import has_format

_FLOAT = 3.4028234663852886e38  # the largest of 32 bits
_LIMITS: dict[tuple[str, str], tuple[float, float]] = {
    ("integer", "int32"): (-(2**31), 2**31 - 1),
    ("integer", "uint32"): (0, 2**32 - 1),
    ("integer", "uint64"): (0, 2**64 - 1),
    ("number", "float"): (-_FLOAT, _FLOAT),
}


def validate_value(value: Any, schema: JSONSchemaProps, path: str, name: str = "") -> Iterator[FieldError]:
    """`path` is the field of the whole value, `name` that of the part of it which is looked at; both may be empty."""
    where = _joined(path, name)
    yield from _validate_type(value, schema, where, name)
    if value is None:
        return
    yield from _validate_junctors(value, schema, path, name)
    if isinstance(value, str):
        yield from _validate_string(value, schema, where, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _validate_number(value, schema, path, name)
    elif isinstance(value, list):
        yield from _validate_list(value, schema, path, name)
    if schema.enum and value not in schema.enum:
        yield not_supported(where, value, [c if isinstance(c, str) else json.dumps(c) for c in schema.enum])
    if isinstance(value, dict):
        yield from _validate_object(value, schema, path, name)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _whole(path: str, message: str) -> FieldError:
    """A complaint that belongs to no field."""
    return invalid_value(path or "<nil>", "", message)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, types in (("boolean", bool), ("string", str), ("integer", int), ("number", float), ("array", list)):
        if isinstance(value, types):
            return kind
    return "object"


def _validate_type(value: Any, schema: JSONSchemaProps, where: str, name: str) -> Iterator[FieldError]:
    wanted = ["integer", "string"] if schema.x_kubernetes_int_or_string else [schema.type] if schema.type else []
    found = _type_of(value)
    if found == "integer" or (found == "number" and value == int(value)):
        found = "number" if "number" in wanted else "integer"
    if not wanted or found in wanted or (value is None and schema.nullable):
        return
    shown = f'{name} in body must be of type {",".join(wanted)}: "{found}"'
    yield FieldError("FieldValueTypeInvalid", where, found, shown)


def _validate_string(value: str, schema: JSONSchemaProps, where: str, name: str) -> Iterator[FieldError]:
    """Only the first of the rules about the characters is complained of."""
    if schema.maxLength is not None and len(value) > schema.maxLength:
        yield too_long(where, schema.maxLength)
    elif schema.minLength is not None and len(value) < schema.minLength:
        yield invalid_value(where, value, f"{name} in body should be at least {schema.minLength} chars long")
    elif schema.pattern and not compiled(schema.pattern).search(value):
        yield invalid_value(where, value, f"{name} in body should match '{schema.pattern}'")
    if schema.format and not has_format(value, schema.format):
        message = f'{name} in body must be of type {schema.format}: "{value}"'
        yield FieldError("FieldValueTypeInvalid", where, value, message)


def _validate_number(value: float, schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    where, factor = _joined(path, name), schema.multipleOf
    limits = _LIMITS.get((schema.type, schema.format))
    if limits is not None and not limits[0] <= value <= limits[1]:
        kind = f"{schema.type} with format {schema.format}"
        yield _whole(path, f"Checked value must be of type {kind} in {name}")
    if factor is not None:
        if isinstance(value, int):
            factor = int(factor)  # integers are compared as such, whatever is left of the factor
        if factor <= 0:
            yield invalid_value(where, factor, f"factor MultipleOf declared for {name} must be positive: {factor}")
        elif abs(value / factor - round(value / factor)) > 1e-9:
            yield invalid_value(where, value, f"{name} in body should be a multiple of {_shown(factor)}")
    if schema.maximum is not None:
        limit = _shown(schema.maximum)
        if schema.exclusiveMaximum and value >= schema.maximum:
            yield invalid_value(where, value, f"{name} in body should be less than {limit}")
        elif value > schema.maximum:
            yield invalid_value(where, value, f"{name} in body should be less than or equal to {limit}")
    if schema.minimum is not None:
        limit = _shown(schema.minimum)
        if schema.exclusiveMinimum and value <= schema.minimum:
            yield invalid_value(where, value, f"{name} in body should be greater than {limit}")
        elif value < schema.minimum:
            yield invalid_value(where, value, f"{name} in body should be greater than or equal to {limit}")


def _shown(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _validate_list(value: list[Any], schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    where = _joined(path, name)
    if isinstance(schema.items, JSONSchemaProps):
        for index, item in enumerate(value):
            yield from validate_value(item, schema.items, path, f"{name}[{index}]")
    if schema.minItems is not None and len(value) < schema.minItems:
        yield invalid_value(where, len(value), f"{name} in body should have at least {schema.minItems} items")
    if schema.maxItems is not None and len(value) > schema.maxItems:
        yield too_many(where, len(value), schema.maxItems)


def _validate_object(value: dict[str, Any], schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    where = _joined(path, name)
    if schema.minProperties is not None and len(value) < schema.minProperties:
        complaint = f"{name} in body should have at least {schema.minProperties} properties"
        yield invalid_value(where, len(value), complaint)
    if schema.maxProperties is not None and len(value) > schema.maxProperties:
        yield too_many(where, len(value), schema.maxProperties)
    for field in schema.required:
        if field not in value:
            yield required(f"{where}.{field}")
    for field, part in value.items():
        below = schema.properties.get(field, schema.additionalProperties)
        if isinstance(below, JSONSchemaProps):
            yield from validate_value(part, below, path, f"{name}.{field}" if name else field)


def _validate_junctors(value: Any, schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    def complaints(part: JSONSchemaProps) -> list[FieldError]:
        return list(validate_value(value, part, path, name))

    if schema.anyOf:
        found = [complaints(part) for part in schema.anyOf]
        if all(found):
            yield _whole(path, f'"{name}" must validate at least one schema (anyOf)')
            yield from min(found, key=len)
    if schema.oneOf:
        found = [complaints(part) for part in schema.oneOf]
        valid = sum(not errors for errors in found)
        if valid != 1:
            count = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _whole(path, f'"{name}" must validate one and only one schema (oneOf). {count}')
            if not valid:
                yield from min(found, key=len)
    if schema.allOf:
        found = [complaints(part) for part in schema.allOf]
        for errors in found:
            yield from errors
        if any(found):
            yield _whole(path, f'"{name}" must validate all the schemas (allOf)')
    if schema.not_ is not None and not complaints(schema.not_):
        yield _whole(path, f'"{name}" must not validate the schema (not)')
