"""Rules of schemas: what `self` is, and which rules a value breaks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from api.apiextensions_v1 import JSONSchemaProps
from api.schema import MISSING
from apiserver.expressions.rule_evaluation import Evaluation, validator
from apiserver.expressions.schema_types import declare, escape, to_value
from apiserver.registry.schema_rules import validate_rules
from cel.values import MapList, SetList


def rules(*texts: str, **more: Any) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": text, **more} for text in texts]}


def run(schema: dict[str, Any], new: Any, old: Any = MISSING, budget: int = 10_000_000) -> Evaluation:
    """Of a field a with this schema."""
    whole = JSONSchemaProps.from_dict({"type": "object", "properties": {"a": schema}})
    of = validator(whole)
    assert of is not None
    evaluation = Evaluation(budget)
    evaluation.run(of, "", {"a": new}, MISSING if old is MISSING else {"a": old})
    return evaluation


def found(schema: dict[str, Any], new: Any, old: Any = MISSING, budget: int = 10_000_000) -> list[str]:
    return [str(error) for error in run(schema, new, old, budget).errors]


INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("int", "int"),
        ("1a", None),
        ("a b", None),
        ("é", None),
    ],
)
def test_names_are_escaped(name: str, expected: str | None) -> None:
    assert escape(name) == expected


def test_values_are_what_their_schema_says() -> None:
    schema = JSONSchemaProps.from_dict({
        "type": "object",
        "properties": {
            "number": {"type": "number"},
            "bytes": {"type": "string", "format": "byte"},
            "duration": {"type": "string", "format": "duration"},
            "date": {"type": "string", "format": "date"},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "keyed": {
                "type": "array",
                "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    })  # fmt: skip
    declared = declare(schema)
    assert declared is not None
    value = to_value({"number": 1, "bytes": "aGk=", "set": ["a"], "keyed": [{"k": "x"}], "free": {"b": 1}}, declared)
    assert [type(value[name]) for name in ("number", "set", "keyed")] == [float, SetList, MapList]
    assert value["bytes"] == b"hi"
    assert value["free"] == {"b": 1}
    assert [str(declared.fields[name].type) for name in ("duration", "date")] == ["duration", "timestamp"]


def test_rules_are_kept_or_broken() -> None:
    schema = {**INTEGER, **rules("self > 1", "self < 5")}
    assert found(schema, 3) == []
    assert found(schema, 0) == ["a: Invalid value: 0: failed rule: self > 1"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"message": "too small"}, "a: Invalid value: 1: too small"),
        ({"messageExpression": "'%d is small'.format([self])"}, "a: Invalid value: 1: 1 is small"),
        ({"messageExpression": "self > 5 ? 'x' : ''", "message": "m"}, "a: Invalid value: 1: m"),
        ({"messageExpression": "string(1 / 0)", "message": "m"}, "a: Invalid value: 1: m"),
        ({"reason": "FieldValueForbidden"}, "a: Forbidden: failed rule: self > 1"),
        ({"reason": "FieldValueRequired"}, "a: Required value: failed rule: self > 1"),
        ({"reason": "FieldValueDuplicate"}, "a: Duplicate value: 1"),
    ],
)
def test_broken_rules_say_so_in_their_way(more: dict[str, Any], expected: str) -> None:
    assert found({**INTEGER, **rules("self > 1", **more)}, 1) == [expected]


def test_a_rule_that_fails_is_broken() -> None:
    assert found({**INTEGER, **rules("1 / self == 1")}, 0) == [
        'a: Invalid value: "integer": division by zero evaluating rule: 1 / self == 1'
    ]
    loose = {"x-kubernetes-int-or-string": True, **rules("self.startsWith('a')")}
    [message] = found(loose, 1)
    assert "no such overload" in message
    assert "did not match a supported operator" in message


def test_complaints_can_be_about_a_field_below() -> None:
    schema = {
        "type": "object",
        "properties": {"b": INTEGER, "m": {"type": "object", "additionalProperties": INTEGER}},
        **rules("false", fieldPath=".b"),
    }
    assert [error.split(": ")[0] for error in found(schema, {"b": 1})] == ["a.b"]
    schema |= rules("false", fieldPath=".m['k']")
    assert [error.split(": ")[0] for error in found(schema, {"b": 1})] == ["a.m[k]"]


def test_rules_are_everywhere() -> None:
    positive = {**INTEGER, **rules("self > 0")}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": positive},
            "map": {"type": "object", "additionalProperties": positive},
            "n": {**INTEGER, "allOf": [rules("self != 7")]},
        },
    }
    assert [error.split(": ")[0] for error in found(schema, {"list": [1, 0], "map": {"k": 0}, "n": 7})] == [
        "a.list[1]",
        "a.map[k]",
        "a.n",
    ]


def test_transition_rules_hold_only_between_values() -> None:
    schema = {**INTEGER, **rules("self >= oldSelf")}
    assert found(schema, 1) == []
    assert found(schema, 1, 1) == []
    assert found(schema, 1, 2) == ["a: Invalid value: 1: failed rule: self >= oldSelf"]
    optional = {**INTEGER, **rules("!oldSelf.hasValue() || self > oldSelf.value()", optionalOldSelf=True)}
    assert found(optional, 1) == []
    assert len(found(optional, 1, 1)) == 1


def test_items_of_keyed_lists_have_old_values() -> None:
    item = {
        "type": "object",
        "properties": {"k": {"type": "string"}, "v": {**INTEGER, **rules("self >= oldSelf")}},
    }
    keyed = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    }
    old = [{"k": "x", "v": 5}, {"k": "y", "v": 1}]
    assert [each.split(": ")[0] for each in found(keyed, [{"k": "y", "v": 1}, {"k": "x", "v": 4}], old)] == ["a[1].v"]
    assert found({"type": "array", "items": item}, [{"k": "x", "v": 4}], old) == []


def test_what_an_update_leaves_as_it_was_is_forgiven_with_a_warning() -> None:
    schema = {
        "type": "object",
        "properties": {"b": {**INTEGER, **rules("self > 1")}, "c": INTEGER},
    }
    evaluation = run(schema, {"b": 0, "c": 2}, {"b": 0, "c": 1})
    assert evaluation.errors == []
    assert evaluation.warnings == ["a.b: Invalid value: 0: failed rule: self > 1"]
    assert found(schema, {"b": -1}, {"b": 0}) == ["a.b: Invalid value: -1: failed rule: self > 1"]


def test_equality_is_that_of_the_type_of_a_list() -> None:
    def lists(kind: dict[str, Any]) -> dict[str, Any]:
        listed = {"type": "array", "items": INTEGER, **kind}
        return {"type": "object", "properties": {"x": listed, "y": listed}, **rules("self.x == self.y")}

    value = {"x": [1, 2], "y": [2, 1]}
    assert found(lists({"x-kubernetes-list-type": "set"}), value) == []
    assert len(found(lists({}), value)) == 1


def test_a_budget_that_is_spent_ends_the_evaluation() -> None:
    schema = {"type": "array", "items": {"type": "string"}, **rules("self.all(x, x != '')", "false")}
    [message] = found(schema, ["a"] * 100, budget=50)
    assert "running out of cost budget, no further validation rules will be run" in message


def test_rules_cannot_run_away() -> None:
    square = {"type": "array", "items": INTEGER, **rules("self.all(x, self.all(y, x + y > 0))")}
    began = time.perf_counter()
    [message] = found(square, list(range(1, 3000)))
    assert "operation cancelled: actual cost limit exceeded" in message
    assert time.perf_counter() - began < 10


def test_whole_objects_have_a_kind_and_names() -> None:
    schema = JSONSchemaProps.from_dict({
        "type": "object",
        "properties": {"spec": {"type": "object"}},
        **rules("self.metadata.name.startsWith('a') && self.kind == 'K'"),
    })  # fmt: skip
    of = validator(schema)
    assert of is not None
    evaluation = Evaluation(10_000_000)
    evaluation.run(of, "", {"kind": "K", "apiVersion": "a/v1", "metadata": {"name": "b"}}, MISSING)
    assert [error.field for error in evaluation.errors] == ["<nil>"]


# --- when a definition is written ------------------------------------------------------------------


def refused(schema: dict[str, Any]) -> list[str]:
    whole = JSONSchemaProps.from_dict({"type": "object", "properties": {"a": schema}})
    return [str(error) for error in validate_rules(whole, "s", ())]


def test_definitions_are_told_what_their_rules_could_cost() -> None:
    strings = {"type": "array", "items": {"type": "string"}}
    message = refused({**strings, **rules("self.all(x, self.all(y, x == y))")})[0]
    assert message.startswith(
        "s.properties[a].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds"
    )
    assert "more than 100x" in message
    bounded = {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 5}}
    assert refused({**bounded, **rules("self.all(x, self.all(y, x == y))")}) == []


def test_all_rules_together_have_a_limit() -> None:
    many = {"type": "array", "items": INTEGER, **rules(*["self.all(x, x > 0)"] * 20)}
    messages = refused(many)
    assert messages[-1].startswith("s: Forbidden: x-kubernetes-validations estimated rule cost total for entire")
    assert sum("contributed to estimated rule cost total" in each for each in messages) == 4


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({**INTEGER, **rules("self")}, "cel expression must evaluate to a bool"),
        ({**INTEGER, **rules("self.a > 1")}, "compilation failed: ERROR: <input>:1:5: type 'int' does not support"),
        (
            {**INTEGER, **rules("'a'.find(')') == ''")},
            "program instantiation failed: error parsing regexp: unexpected ):",
        ),
        (
            {**INTEGER, **rules("true", messageExpression="'a'.find(')')")},
            "messageExpression instantiation failed: error parsing regexp: unexpected ):",
        ),
        ({**INTEGER, **rules("true", messageExpression="1")}, "messageExpression must evaluate to a string"),
        ({**INTEGER, **rules("true", optionalOldSelf=True)}, "may not be set if oldSelf is not used in rule"),
        (
            {"type": "array", "maxItems": 2, "items": {**INTEGER, **rules("self > oldSelf")}},
            "oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[a]",
        ),
    ],
)
def test_rules_that_cannot_be_are_refused(schema: dict[str, Any], expected: str) -> None:
    [message] = refused(schema)
    assert expected in message
