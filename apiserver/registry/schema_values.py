"""Whether a value keeps to a schema, in the words of Kubernetes' OpenAPI validator (k8s.io/kube-openapi)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, invalid_value, not_supported, required, too_long, too_many
from api.go_floats import go_float
from api.go_patterns import searcher
from api.schema import MISSING
from apiserver.patch.json_value import equal
from apiserver.registry.schema_formats import has_format, is_known

_FLOAT = 3.4028234663852886e38  # the largest of 32 bits
_LIMITS: dict[tuple[str, str], tuple[float, float]] = {
    ("integer", "int32"): (-(2**31), 2**31 - 1),
    ("integer", "int64"): (-(2**63), 2**63 - 1),
    ("number", "float"): (-_FLOAT, _FLOAT),
}


def validate_value(
    value: Any, schema: JSONSchemaProps, path: str, name: str = "", old: Any = MISSING
) -> Iterator[FieldError]:
    """`path` is the field of the whole value, `name` that of the part of it which is looked at; both may be empty.

    `old` is what was in the place of the value before an update: what is wrong with what stays as it is, is let pass
    (ratcheting, KEP-4008).
    """
    if old is not MISSING and equal(value, old):
        return
    where = _joined(path, name)
    yield from _validate_type(value, schema, where, name)
    if value is None:
        yield from _validate_choice(value, schema, where)
        return
    if schema.anyOf or schema.oneOf or schema.allOf or schema.not_ is not None:
        yield from _validate_junctors(value, schema, path, name, old)
    if isinstance(value, str):
        yield from _validate_string(value, schema, where, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _validate_number(value, schema, path, name)
    elif isinstance(value, list):
        yield from _validate_list(value, schema, path, name, old)
    yield from _validate_choice(value, schema, where)
    if isinstance(value, dict):
        yield from _validate_object(value, schema, path, name, old)


def _validate_choice(value: Any, schema: JSONSchemaProps, where: str) -> Iterator[FieldError]:
    if schema.enum and not any(equal(value, choice) for choice in schema.enum):
        yield not_supported(where, value, [c if isinstance(c, str) else json.dumps(c) for c in schema.enum])


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


_GO_FORMATS = {"integer": "int64", "number": "float64"}


def _validate_type(value: Any, schema: JSONSchemaProps, where: str, name: str) -> Iterator[FieldError]:
    wanted = ["integer", "string"] if schema.x_kubernetes_int_or_string else [schema.type] if schema.type else []
    found = _type_of(value)
    if not wanted or found in wanted or (value is None and schema.nullable):
        return
    whole = found == "number" and value == int(value) and "integer" in wanted
    if whole or (found == "integer" and "number" in wanted):
        return
    if value is not None and is_known(schema.format, schema.type):
        if found not in ("string", "array"):  # these are told by their format, which is Go's
            found, wanted = _GO_FORMATS.get(found, ""), [schema.format]
        elif schema.type not in ("integer", "number"):
            return
    shown = f'{name} in body must be of type {",".join(wanted)}: "{found}"'
    yield FieldError("FieldValueTypeInvalid", where, found, shown)


def _validate_string(value: str, schema: JSONSchemaProps, where: str, name: str) -> Iterator[FieldError]:
    """Only the first of the rules about the characters is complained of."""
    if schema.maxLength is not None and len(value) > schema.maxLength:
        yield too_long(where, schema.maxLength)
    elif schema.minLength is not None and len(value) < schema.minLength:
        yield invalid_value(where, value, f"{name} in body should be at least {schema.minLength} chars long")
    elif schema.pattern and searcher(schema.pattern)(value) is None:
        yield invalid_value(where, value, f"{name} in body should match '{schema.pattern}'")
    if is_known(schema.format, schema.type) and not has_format(value, schema.format):
        message = f'{name} in body must be of type {schema.format}: "{value}"'
        yield FieldError("FieldValueTypeInvalid", where, value, message)


def _validate_number(value: float, schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    where = _joined(path, name)
    yield from _validate_range("Checked", value, schema, path, name)
    if schema.multipleOf is not None:
        unfit = list(_validate_range("MultipleOf", schema.multipleOf, schema, path, name))
        yield from unfit
        factor, shown = _bound(schema.multipleOf, value, bool(unfit))
        if factor <= 0:
            yield invalid_value(where, factor, f"factor MultipleOf declared for {name} must be positive: {shown}")
        elif abs(value / factor - round(value / factor)) > 1e-9:
            yield invalid_value(where, value, f"{name} in body should be a multiple of {shown}")
    if schema.minimum is not None:
        unfit = list(_validate_range("Minimum boundary", schema.minimum, schema, path, name))
        yield from unfit
        least, shown = _bound(schema.minimum, value, bool(unfit))
        if schema.exclusiveMinimum and value <= least:
            yield invalid_value(where, value, f"{name} in body should be greater than {shown}")
        elif value < least:
            yield invalid_value(where, value, f"{name} in body should be greater than or equal to {shown}")
    if schema.maximum is not None:
        unfit = list(_validate_range("Maximum boundary", schema.maximum, schema, path, name))
        yield from unfit
        most, shown = _bound(schema.maximum, value, bool(unfit))
        if schema.exclusiveMaximum and value >= most:
            yield invalid_value(where, value, f"{name} in body should be less than {shown}")
        elif value > most:
            yield invalid_value(where, value, f"{name} in body should be less than or equal to {shown}")


def _bound(number: float, value: float, unfit: bool) -> tuple[float, str]:
    """What a value is compared with, and its text: integers with integers, whatever is left of the number."""
    if isinstance(value, int) and not unfit:
        return int(number), str(int(number))
    return number, go_float(float(number))


def _validate_range(what: str, number: float, schema: JSONSchemaProps, path: str, name: str) -> Iterator[FieldError]:
    """A format binds the numbers of the schema too: with limits beyond it, no value is valid, be it ever so small."""
    limits = _LIMITS.get((schema.type, schema.format))
    if limits is None:
        return
    broken = schema.type == "integer" and number != int(number)
    if broken or not limits[0] <= number <= limits[1]:
        yield _whole(path, f"{what} value must be of type {schema.type} with format {schema.format} in {name}")


def _validate_list(value: list[Any], schema: JSONSchemaProps, path: str, name: str, old: Any) -> Iterator[FieldError]:
    where = _joined(path, name)
    if isinstance(schema.items, JSONSchemaProps):
        before = _by_keys(old, schema)
        for index, item in enumerate(value):
            former = before.get(_keys(item, schema), MISSING) if before else MISSING
            yield from validate_value(item, schema.items, path, f"{name}[{index}]", former)
    if schema.minItems is not None and len(value) < schema.minItems:
        yield invalid_value(where, len(value), f"{name} in body should have at least {schema.minItems} items")
    if schema.maxItems is not None and len(value) > schema.maxItems:
        yield too_many(where, len(value), schema.maxItems)


def _by_keys(items: Any, schema: JSONSchemaProps) -> dict[str, Any]:
    """The items of a list that has keys; items of other lists are not known again."""
    if not isinstance(items, list) or schema.x_kubernetes_list_type != "map":
        return {}
    return {_keys(item, schema): item for item in items}


def _keys(item: Any, schema: JSONSchemaProps) -> str:
    return json.dumps([item.get(key) for key in schema.x_kubernetes_list_map_keys] if isinstance(item, dict) else item)


def _validate_object(
    value: dict[str, Any], schema: JSONSchemaProps, path: str, name: str, old: Any
) -> Iterator[FieldError]:
    """The number of members comes first and alone; then what they are, then which are missing."""
    where = _joined(path, name)
    if schema.minProperties is not None and len(value) < schema.minProperties:
        complaint = f"{name} in body should have at least {schema.minProperties} properties"
        yield invalid_value(where, len(value), complaint)
        return
    if schema.maxProperties is not None and len(value) > schema.maxProperties:
        yield too_many(where, len(value), schema.maxProperties)
        return
    before = old if isinstance(old, dict) else {}
    for field, part in value.items():
        below = _below(schema, field)
        if below is not None:
            inner = f"{name}.{field}" if name else field
            yield from validate_value(part, below, path, inner, before.get(field, MISSING))
    for field in schema.required:
        if field not in value:
            yield required(_joined(where, field))


def _below(schema: JSONSchemaProps, field: str) -> JSONSchemaProps | None:
    """The schema of a member of an object."""
    below = schema.properties.get(field, schema.additionalProperties)
    return below if isinstance(below, JSONSchemaProps) else None


def _validate_junctors(value: Any, schema: JSONSchemaProps, path: str, name: str, old: Any) -> Iterator[FieldError]:
    def complaints(part: JSONSchemaProps) -> list[FieldError]:
        return list(validate_value(value, part, path, name, old))

    if schema.anyOf:
        found = [complaints(part) for part in schema.anyOf]
        if all(found):
            yield _whole(path, f'"{name}" must validate at least one schema (anyOf)')
            yield from _closest(value, schema.anyOf, found)
    if schema.oneOf:
        found = [complaints(part) for part in schema.oneOf]
        valid = sum(not errors for errors in found)
        if valid != 1:
            count = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _whole(path, f'"{name}" must validate one and only one schema (oneOf). {count}')
            if not valid:
                yield from _closest(value, schema.oneOf, found)
    if schema.allOf:
        found = [complaints(part) for part in schema.allOf]
        for errors in found:
            yield from errors
        if any(found):
            none = ". None validated" if all(found) else ""
            yield _whole(path, f'"{name}" must validate all the schemas (allOf){none}')
    if schema.not_ is not None and not complaints(schema.not_):
        yield _whole(path, f'"{name}" must not validate the schema (not)')


def _closest(value: Any, parts: list[JSONSchemaProps], found: list[list[FieldError]]) -> list[FieldError]:
    """What is wrong under that of the schemas which the value meets in the most points, the first of them."""
    return max(zip(parts, found, strict=True), key=lambda pair: _points(value, pair[0]))[1]


def _points(value: Any, schema: JSONSchemaProps) -> int:
    """In how many points a value is held against a schema and does not fail, as the validator counts them."""
    typed = not any(_validate_type(value, schema, "", ""))
    if value is None:
        return int(typed)
    points = 4 + (1 + typed if schema.type or schema.format else 0)
    if isinstance(value, str):
        points += 1 + is_known(schema.format, schema.type)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        points += 2
    elif isinstance(value, list):
        points += 2 + sum(_points(item, schema.items) for item in value if isinstance(schema.items, JSONSchemaProps))
    elif isinstance(value, dict):
        least, most = schema.minProperties or 0, schema.maxProperties
        known = value.items() if len(value) >= least and (most is None or len(value) <= most) else ()
        points += 1 + sum(_points(part, below) for name, part in known if (below := _below(schema, name)))
    points += sum(_points(value, part) for part in schema.allOf)
    return points + _points_of_choice(value, schema.anyOf) + _points_of_choice(value, schema.oneOf)


def _points_of_choice(value: Any, parts: list[JSONSchemaProps]) -> int:
    met = [part for part in parts if not any(validate_value(value, part, ""))]
    return max((_points(value, part) for part in met[:1] or parts), default=0)
