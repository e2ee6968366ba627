"""Exact comparison and copying of JSON values, and how Go prints them in messages."""

from __future__ import annotations

from typing import Any

from api.go_floats import go_float


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same.

    Python's `==` is not enough: it takes true for 1 and 1 for 1.0, which JSON tells apart.
    """
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is dict:
        if len(left) != len(right):
            return False
        for key, value in left.items():
            other = right.get(key, _ABSENT)
            if other is not value and not equal(value, other):
                return False
        return True
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


_ABSENT = object()


def copied(value: Any) -> Any:
    """An independent copy of a JSON value."""
    if type(value) is dict:
        return {key: copied(item) if type(item) in _CONTAINERS else item for key, item in value.items()}
    if type(value) is list:
        return [copied(item) if type(item) in _CONTAINERS else item for item in value]
    return value


_CONTAINERS = frozenset((dict, list))


def go_text(value: Any) -> str:
    """A JSON value as Go's `%v` prints it: `map[a:1 b:[x y]]`, keys in order."""
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_text, value)) + "]"
    if isinstance(value, float):
        return go_float(value)
    return str(value)
