"""The algebra of field sets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.patch.field_set import (
    FieldSet,
    difference,
    intersection,
    key_step,
    ordered,
    parse,
    paths,
    union,
    union_in_order,
    without,
)

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"1"'])
NODES: st.SearchStrategy[Any] = st.recursive(
    st.just({}),
    lambda inner: st.builds(
        lambda children, member: {".": {}, **children} if member else children,
        st.dictionaries(STEPS, inner, min_size=1),
        st.booleans(),
    ),
    max_leaves=8,
)
SETS = st.dictionaries(STEPS, NODES)


def members(fields: FieldSet) -> set[str]:
    return set(paths(fields))


@given(SETS, SETS)
def test_operations_are_those_of_sets(left: FieldSet, right: FieldSet) -> None:
    assert members(union(left, right)) == members(left) | members(right)
    assert members(difference(left, right)) == members(left) - members(right)
    assert members(intersection(left, right)) == members(left) & members(right)


@given(SETS, SETS)
def test_without_takes_whole_branches(left: FieldSet, right: FieldSet) -> None:
    gone = members(right)
    kept = {path for path in members(left) if not any(path.startswith(prefix) for prefix in gone)}
    assert kept <= members(without(left, right)) <= members(left) - gone


@given(SETS, SETS)
def test_a_union_in_order_is_the_union_put_in_order(left: FieldSet, right: FieldSet) -> None:
    found = union_in_order(ordered(left), right)
    assert json.dumps(found) == json.dumps(ordered(union(left, right)))


@given(SETS)
def test_order_changes_nothing_else(fields: FieldSet) -> None:
    assert ordered(fields) == fields
    assert parse(fields) == fields


def test_numbers_are_ordered_as_numbers() -> None:
    steps = [key_step({"port": port, "protocol": protocol}) for port in (53, 443, 80) for protocol in ("UDP", "TCP")]
    ports = ordered({step: {} for step in [*steps, ".", "f:z"]})
    shown = [step.replace('"', "") for step in ports]
    assert shown[:2] == [".", "f:z"]
    assert [text[8:-1].replace("protocol:", "") for text in shown[2:]] == [
        f"{port},{protocol}" for port in (53, 80, 443) for protocol in ("TCP", "UDP")
    ]


def test_paths_read_as_in_messages() -> None:
    fields = {
        "f:spec": {
            "f:replicas": {},
            "f:list": {key_step({"port": 80, "name": "a"}): {".": {}, "f:x": {}}, 'v:"b"': {}, "i:3": {}},
        }
    }
    assert list(paths(fields)) == [
        ".spec.replicas",
        '.spec.list[name="a",port=80]',
        '.spec.list[="b"]',
        ".spec.list[3]",
        '.spec.list[name="a",port=80].x',
    ]


@pytest.mark.parametrize("document", [{"nope": {}}, {"k:{": {}}, {"k:1": {}}, {"i:x": {}}, {"f:a": []}, [], None])
def test_malformed_sets_are_refused(document: Any) -> None:
    with pytest.raises(ValueError):
        parse(document)


def test_keys_become_canonical() -> None:
    assert parse({'k:{ "b": 1,"a":"x" }': {}}) == {'k:{"a":"x","b":1}': {}}
