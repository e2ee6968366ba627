"""A quick look at whether a value keeps to a structural schema in every respect.

Nearly all values do.  So each schema is compiled once into functions that only say yes, or that a closer look is
needed, which prunes, drops nulls and finds the words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.go_patterns import searcher
from apiserver.patch.json_value import equal
from apiserver.registry.schema_formats import has_format, is_known
from apiserver.registry.schema_pruning import META_FIELDS
from apiserver.registry.schema_values import validate_value

Fits = Callable[[Any], bool]
_INT64 = 2**63
_LIMITS = (
    "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "anyOf", "allOf", "oneOf", "not_"
)  # fmt: skip
"""What there may be to keep to for a value that is an integer or a string."""


def object_fits(schema: JSONSchemaProps) -> Fits:
    """A look at the members of a whole object, apart from apiVersion, kind and metadata.

    True: all are known, none is null that may not be, all numbers are as Go has them, and all is valid.
    """
    speaks_of_whole = META_FIELDS & (schema.properties.keys() | set(schema.required))
    if speaks_of_whole or schema.minProperties is not None or schema.maxProperties is not None:
        return _needs_a_look
    return _fits(schema)


def _needs_a_look(value: Any) -> bool:
    return False


def _fits(schema: JSONSchemaProps) -> Fits:
    if schema.x_kubernetes_embedded_resource:
        return _needs_a_look
    if schema.x_kubernetes_int_or_string:
        look: Fits = _is_int_or_string
        if any(getattr(schema, name) not in (None, "", []) for name in _LIMITS):
            look = _and_valid(look, schema)
    elif not schema.type:
        look = _and_valid(_is_plain, schema)
    else:
        look = _MAKERS[schema.type](schema)
        if schema.anyOf or schema.allOf or schema.oneOf or schema.not_ is not None:
            look = _and_valid(look, schema)
    if schema.nullable:
        look = _or_null(look)
    return _and_one_of(look, schema.enum) if schema.enum else look


def _or_null(look: Fits) -> Fits:
    return lambda value: value is None or look(value)


def _and_one_of(look: Fits, choices: list[Any]) -> Fits:
    return lambda value: look(value) and any(equal(value, choice) for choice in choices)


def _and_valid(look: Fits, schema: JSONSchemaProps) -> Fits:
    return lambda value: look(value) and next(validate_value(value, schema, ""), None) is None


def _is_int_or_string(value: Any) -> bool:
    return type(value) is str or _is_integer(value)


def _is_integer(value: Any) -> bool:
    return type(value) is int and -_INT64 <= value < _INT64


def _is_plain(value: Any) -> bool:
    """Whether all numbers of any JSON value are as Go has them."""
    kind = type(value)
    if kind is dict:
        return all(map(_is_plain, value.values()))
    if kind is list:
        return all(map(_is_plain, value))
    if kind is int:
        return _is_integer(value)
    return not (kind is float and value.is_integer())


def _boolean(schema: JSONSchemaProps) -> Fits:
    return lambda value: value is True or value is False


def _string(schema: JSONSchemaProps) -> Fits:
    least, most = schema.minLength, schema.maxLength
    search = searcher(schema.pattern) if schema.pattern else None
    form = schema.format if is_known(schema.format, schema.type) else ""
    if least is None and most is None and search is None and not form:
        return lambda value: type(value) is str

    def look(value: Any) -> bool:
        return (
            type(value) is str
            and (least is None or len(value) >= least)
            and (most is None or len(value) <= most)
            and (search is None or search(value) is not None)
            and (not form or has_format(value, form))
        )

    return look


def _integer(schema: JSONSchemaProps) -> Fits:
    limited = schema.minimum is not None or schema.maximum is not None or schema.multipleOf is not None
    return _and_valid(_is_integer, schema) if limited or schema.format else _is_integer


def _number(schema: JSONSchemaProps) -> Fits:
    def is_number(value: Any) -> bool:
        return type(value) in (int, float) and _is_plain(value)

    limited = schema.minimum is not None or schema.maximum is not None or schema.multipleOf is not None
    return _and_valid(is_number, schema) if limited or schema.format else is_number


def _array(schema: JSONSchemaProps) -> Fits:
    least, most = schema.minItems or 0, schema.maxItems
    if not isinstance(schema.items, JSONSchemaProps) or schema.x_kubernetes_preserve_unknown_fields:
        return _needs_a_look
    inner = _fits(schema.items)

    def look(value: Any) -> bool:
        return (
            type(value) is list
            and len(value) >= least
            and (most is None or len(value) <= most)
            and all(map(inner, value))
        )

    return look


def _object(schema: JSONSchemaProps) -> Fits:
    known = {name: _fits(field) for name, field in schema.properties.items()}
    additional, needed = schema.additionalProperties, frozenset(schema.required)
    other: Fits = _needs_a_look  # a field that will be dropped
    if isinstance(additional, JSONSchemaProps):
        other = _fits(additional)
    elif schema.x_kubernetes_preserve_unknown_fields:
        other = _is_plain
    least, most = schema.minProperties or 0, schema.maxProperties

    def look(value: Any) -> bool:
        if type(value) is not dict or len(value) < least or (most is not None and len(value) > most):
            return False
        for name, part in value.items():
            if not known.get(name, other)(part):
                return False
        return not needed or needed <= value.keys()

    return look


_MAKERS: dict[str, Callable[[JSONSchemaProps], Fits]] = {
    "array": _array,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "object": _object,
    "string": _string,
}
