"""RFC 6902, and where Kubernetes' server goes beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from api.errors import Invalid, RequestEntityTooLarge
from apiserver.patch import json_patch
from apiserver.patch.json_value import copied

DOCUMENT = {"data": {"a": "1", "b": "2"}, "list": ["x", "y"], "n": 1, "truth": True, "a/b": {"~": "odd"}}


def changed(*operations: dict[str, Any]) -> Any:
    return json_patch.apply(copied(DOCUMENT), list(operations))


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/data/c", "value": "3"}, ("data",), {"a": "1", "b": "2", "c": "3"}),
        ({"op": "add", "path": "/data/a", "value": "9"}, ("data",), {"a": "9", "b": "2"}),
        ({"op": "add", "path": "/list/-", "value": "z"}, ("list",), ["x", "y", "z"]),
        ({"op": "add", "path": "/list/0", "value": "w"}, ("list",), ["w", "x", "y"]),
        ({"op": "add", "path": "/list/-1", "value": "z"}, ("list",), ["x", "y", "z"]),
        ({"op": "add", "path": "/data/nothing"}, ("data", "nothing"), None),
        ({"op": "remove", "path": "/data/a"}, ("data",), {"b": "2"}),
        ({"op": "remove", "path": "/list/-1"}, ("list",), ["x"]),
        ({"op": "replace", "path": "/data/a", "value": {"deep": []}}, ("data", "a"), {"deep": []}),
        ({"op": "replace", "path": "/data/missing", "value": "3"}, ("data", "missing"), "3"),
        ({"op": "replace", "path": "/list/1", "value": "z"}, ("list",), ["x", "z"]),
        ({"op": "move", "from": "/data/a", "path": "/moved"}, ("moved",), "1"),
        ({"op": "copy", "from": "/list", "path": "/data/copied"}, ("data", "copied"), ["x", "y"]),
        ({"op": "copy", "from": "/data/missing", "path": "/data/copied"}, ("data", "copied"), None),
        ({"op": "replace", "path": "/a~1b/~0", "value": "escaped"}, ("a/b", "~"), "escaped"),
        ({"op": "add", "path": "ignored/x", "value": 1}, ("x",), 1),
    ],
)
def test_operation(operation: dict[str, Any], path: tuple[str, ...], expected: Any) -> None:
    value = changed(operation)
    for step in path:
        value = value[step]
    assert value == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data/missing"},
        {"op": "remove", "path": "/missing/a"},
        {"op": "add", "path": "/missing/a/b", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/one", "value": 1},
        {"op": "remove", "path": "/list/2"},
        {"op": "remove", "path": "/list/-3"},
        {"op": "replace", "path": "/n/deeper", "value": 1},
        {"op": "move", "from": "/data/missing", "path": "/x"},
        {"op": "move", "path": "/x"},
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "test", "path": "/data/missing", "value": "1"},
        {"op": "replace", "path": "", "value": "text"},
        {"op": "frobnicate", "path": "/n"},
        {"path": "/n"},
        {"op": "add", "value": 1},
    ],
)
def test_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        changed(operation)
    assert refusal.value.message == "the server rejected our request due to an error in our request"
    assert refusal.value.http_code == 422


def test_values_are_compared_as_json_and_not_as_python() -> None:
    for path, value in (("/truth", 1), ("/n", True), ("/n", 1.0)):
        with pytest.raises(Invalid):
            changed({"op": "test", "path": path, "value": value})
    assert changed({"op": "test", "path": "/n", "value": 1}) == DOCUMENT
    assert changed({"op": "test", "path": "/data/missing", "value": None}) == DOCUMENT
    assert changed({"op": "test", "path": "", "value": dict(DOCUMENT)}) == DOCUMENT


def test_copies_are_independent() -> None:
    operations = [
        {"op": "copy", "from": "/data/a", "path": "/data/b"},
        {"op": "add", "path": "/data/b/-", "value": "2"},
    ]
    assert json_patch.apply({"data": {"a": ["1"]}}, operations) == {"data": {"a": ["1"], "b": ["1", "2"]}}
    value: list[str] = []
    operations = [{"op": "add", "path": "/a", "value": value}, {"op": "add", "path": "/a/-", "value": "1"}]
    assert json_patch.apply({}, operations) == {"a": ["1"]}
    assert value == []


def test_limits() -> None:
    with pytest.raises(RequestEntityTooLarge, match="is 10000, got 10001"):
        json_patch.apply({}, [{}] * 10_001)
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(Invalid):
        json_patch.apply({"a": ["x" * 1000]}, doubling)
