"""Lists as sets: `sets.contains`, `sets.equivalent`, `sets.intersects`.

https://github.com/google/cel-go/blob/master/ext/README.md#sets
"""

from __future__ import annotations

from typing import Any

from cel.functions import Library
from cel.values import contains


def _contains_all(values: list[Any], wanted: list[Any]) -> bool:
    return all(contains(values, value) for value in wanted)


def _equivalent(one: list[Any], other: list[Any]) -> bool:
    return _contains_all(one, other) and _contains_all(other, one)


def _intersects(one: list[Any], other: list[Any]) -> bool:
    return any(contains(other, value) for value in one)


SETS = Library()
SETS.add("sets.contains", "(list(T), list(T)) -> bool", call=_contains_all)
SETS.add("sets.equivalent", "(list(T), list(T)) -> bool", call=_equivalent)
SETS.add("sets.intersects", "(list(T), list(T)) -> bool", call=_intersects)
