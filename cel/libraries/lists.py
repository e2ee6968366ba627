"""Lists: Kubernetes' own functions and cel-go's.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library,
https://github.com/google/cel-go/blob/master/ext/README.md#lists
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from cel.errors import EvaluationError
from cel.functions import Library
from cel.libraries.standard import COMPARABLE, add, less
from cel.time_limit import bound_list, check
from cel.values import Duration, UInt, contains, equals

_COMPARABLE_NAMES = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")


def _is_sorted(values: list[Any]) -> bool:
    return not any(less(after, before) for before, after in pairwise(values))


def _sum(zero: Any) -> Callable[[list[Any]], Any]:
    def total(values: list[Any]) -> Any:
        if not values:
            return zero
        result = values[0]
        for value in values[1:]:
            result = add(result, value)
        return result

    return total


def _smallest(values: list[Any]) -> Any:
    return _extreme("min", values, less)


def _largest(values: list[Any]) -> Any:
    return _extreme("max", values, lambda one, other: less(other, one))


def _extreme(name: str, values: list[Any], better: Callable[[Any, Any], bool]) -> Any:
    if not values:
        raise EvaluationError(f"{name} called on empty list")
    found = values[0]
    for value in values[1:]:
        if better(value, found):
            found = value
    return found


def _index_of(values: list[Any], wanted: Any) -> int:
    return next((at for at, value in enumerate(values) if equals(value, wanted)), -1)


def _last_index_of(values: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(values) - 1, -1, -1) if equals(values[at], wanted)), -1)


def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvaluationError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if len(values) < end:
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


def _flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: list[Any] = []
    check()
    for value in values:
        bound_list(len(flat))
        flat += _flatten(value, depth - 1) if isinstance(value, list) and depth else [value]
    return flat


def _sort(values: list[Any]) -> list[Any]:
    return _sort_by_keys(values, values)


def _sort_by_keys(values: list[Any], keys: list[Any]) -> list[Any]:
    """The values in the order of their keys."""
    if len(values) != len(keys):
        raise EvaluationError("list elements and keys must be of the same number")
    if keys and type(keys[0]) not in COMPARABLE:
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")

    def compare(one: int, other: int) -> int:
        return less(keys[other], keys[one]) - less(keys[one], keys[other])

    return [values[at] for at in sorted(range(len(values)), key=cmp_to_key(compare))]


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not contains(found, value):
            found.append(value)
    return found


_LONGEST_RANGE = 1_000_000


def _range(count: int) -> list[int]:
    if count > _LONGEST_RANGE:
        raise EvaluationError(f"range exceeds the limit of {_LONGEST_RANGE}")
    return list(range(count))


def _library() -> Library:
    library = Library()
    for name in _COMPARABLE_NAMES:
        library.add("isSorted", f"list({name}).() -> bool", call=_is_sorted)
        library.add("min", f"list({name}).() -> {name}", call=_smallest)
        library.add("max", f"list({name}).() -> {name}", call=_largest)
        library.add("sort", f"list({name}).() -> list({name})", call=_sort)
        library.add("@sortByAssociatedKeys", f"list(T).(list({name})) -> list(T)", call=_sort_by_keys)
    for name, zero in (("int", 0), ("uint", UInt(0)), ("double", 0.0), ("duration", Duration(0))):
        library.add("sum", f"list({name}).() -> {name}", call=_sum(zero))
    library.add("indexOf", "list(T).(T) -> int", call=_index_of)
    library.add("lastIndexOf", "list(T).(T) -> int", call=_last_index_of)
    library.add("slice", "list(T).(int, int) -> list(T)", call=_slice)
    library.add("flatten", "list(list(T)).() -> list(T)", "list(dyn).(int) -> list(dyn)", call=_flatten)
    library.add("reverse", "list(T).() -> list(T)", call=lambda values: values[::-1])
    library.add("distinct", "list(T).() -> list(T)", call=_distinct)
    library.add("lists.range", "(int) -> list(int)", call=_range)
    return library


LISTS = _library()
