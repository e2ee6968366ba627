"""What schemas do to values, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.apiextensions_v1 import JSONSchemaProps
from apiserver.custom_resources.version_order import version_rank
from apiserver.patch.json_value import copied, equal
from apiserver.registry.schema_defaulting import fill_in
from apiserver.registry.schema_fits import object_fits
from apiserver.registry.schema_pruning import drop_nulls, prune
from apiserver.registry.schema_values import validate_value

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "maxLength": 3, "pattern": "^a"},
        "free": {"type": "string", "nullable": True},
        "count": {"type": "integer", "minimum": 0, "maximum": 5},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "port": {"x-kubernetes-int-or-string": True},
        "choice": {"type": "string", "enum": ["a", "b"]},
        "list": {"type": "array", "minItems": 1, "items": {"type": "integer", "format": "int32"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "loose": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "one": {
            "type": "object",
            "properties": {"p": {"type": "string"}, "q": {"type": "string"}},
            "oneOf": [{"required": ["p"]}, {"required": ["q"]}],
        },
        "inner": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}},
    },
}
_NAMES = [*SCHEMA["properties"], "x", "p", "q", "odd"]
_SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 7) | st.sampled_from([2.0, 0.5, 2**31, 2**63, "", "a", "abc", "abcd"])
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
)


def schema(document: dict[str, Any]) -> JSONSchemaProps:
    return JSONSchemaProps.from_dict(document)


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4))
def test_what_fits_at_a_glance_needs_nothing_and_is_valid(value: dict[str, Any]) -> None:
    known = schema(SCHEMA)
    if not object_fits(known)(value):
        return
    left = copied(value)
    unknown: list[str] = []
    prune(left, known, True, unknown)
    drop_nulls(left, known)
    assert equal(left, value)
    assert unknown == []
    assert list(validate_value(value, known, "")) == []


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({}, True),
        ({"text": "ab", "free": None, "count": 5, "ratio": 0.5, "port": 80, "list": [1], "map": {"k": "v"}}, True),
        ({"loose": {"x": [{"y": None}]}, "one": {"p": ""}, "inner": {"x": 1}}, True),
        ({"odd": 1}, False),
        ({"text": "b"}, False),
        ({"text": None}, False),
        ({"count": True}, False),
        ({"ratio": 2.0}, False),
        ({"loose": {"x": 1.0}}, False),
        ({"list": []}, False),
        ({"one": {}}, False),
        ({"inner": {}}, False),
    ],
)
def test_a_glance_tells_what_needs_a_look(value: dict[str, Any], fits: bool) -> None:
    assert object_fits(schema(SCHEMA))(value) is fits


def test_unknown_fields_are_dropped_and_named() -> None:
    value = {"inner": {"x": 1, "y": 2}, "loose": {"any": 1}, "list": [1], "odd": {"z": 1}, "kind": "K"}
    unknown: list[str] = []
    prune(value, schema(SCHEMA), True, unknown)
    assert value == {"inner": {"x": 1}, "loose": {"any": 1}, "list": [1], "kind": "K"}
    assert sorted(unknown) == ["inner.y", "odd"]


def test_where_anything_is_allowed_objects_have_no_fields() -> None:
    value = {"a": 1, "b": {"c": 1}, "d": [{"e": 1}]}
    prune(value, schema({"type": "object", "additionalProperties": True}), False)
    assert value == {"a": 1, "b": {}, "d": [{"e": 1}]}


def test_defaults_reach_into_what_is_there() -> None:
    inner = {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}}
    value: dict[str, Any] = {"there": {}, "list": [{}, {"on": False}], "null": None}
    fill_in(
        value,
        schema(
            {
                "type": "object",
                "properties": {
                    "there": inner,
                    "away": inner,
                    "made": {**inner, "default": {}},
                    "null": {"type": "string", "default": "d"},
                    "list": {"type": "array", "items": inner},
                },
            }
        ),
    )
    assert value == {
        "there": {"on": True},
        "made": {"on": True},
        "null": "d",
        "list": [{"on": True}, {"on": False}],
    }


def test_versions_are_ordered_by_maturity_and_age() -> None:
    ordered = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    mixed = [*ordered[5:], *ordered[:5]]
    assert sorted(mixed, key=version_rank) == ordered


def test_only_what_changed_is_judged() -> None:
    tight = schema({"type": "object", "properties": {"a": {"type": "integer", "maximum": 1}, "b": {"type": "string"}}})
    assert list(validate_value({"a": 5, "b": "x"}, tight, "", old={"a": 5})) == []
    [error] = validate_value({"a": 6}, tight, "", old={"a": 5})
    assert error.field == "a"


def test_null_must_be_a_choice_where_there_are_some() -> None:
    choice = schema({"type": "string", "nullable": True, "enum": ["a"]})
    [error] = validate_value(None, choice, "", "spec.x")
    assert str(error) == 'spec.x: Unsupported value: null: supported values: "a"'
    assert not object_fits(schema({"type": "object", "properties": {"x": choice.to_dict()}}))({"x": None})


def test_a_pattern_made_to_be_slow_is_not() -> None:
    slow = schema({"type": "string", "pattern": "^(a+)+$"})
    [error] = validate_value("a" * 5000 + "!", slow, "", "spec.x")
    assert "should match '^(a+)+$'" in str(error)
