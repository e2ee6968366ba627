"""What calls cost when they are evaluated, in cel-go's units (about 50 ns of its time each).

https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints.  Costs grow with the sizes of arguments, so
that a limit on cost bounds the work whatever an expression does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from cel.time_limit import check
from cel.values import Opaque, size

TRAVERSAL = 0.1
"""For each character, byte or element that is passed over."""
REGEX = 0.25
"""For each character of a regular expression."""

LIST, MAP, OBJECT = 10, 30, 40
"""What creating them costs."""

CallCost = Callable[[Sequence[Any]], int]
"""From the arguments, the target first: calls are paid for before they are made."""


def cost_of(function: str, overload: str) -> CallCost | None:
    """How the calls of an overload are charged; None: one unit each."""
    return _BY_FUNCTION.get(function) or _BY_OVERLOAD.get(overload)


def _fixed(cost: int) -> CallCost:
    return lambda arguments: cost


def _traversal(arguments: Sequence[Any]) -> int:
    return ceil(size(arguments[0]) * TRAVERSAL)


def _twice(arguments: Sequence[Any]) -> int:
    return ceil(size(arguments[0]) * 2 * TRAVERSAL)


def _regex(arguments: Sequence[Any]) -> int:
    return ceil((1 + size(arguments[0])) * TRAVERSAL) * ceil(size(arguments[1]) * REGEX)


def _every_element(arguments: Sequence[Any]) -> int:
    return whole_traversal(arguments[0])


def whole_traversal(value: Any) -> int:
    """The cost of passing over a value and all that is in it."""
    if isinstance(value, str):
        return int(len(value.encode()) * TRAVERSAL)
    if isinstance(value, bytes):
        return int(len(value) * TRAVERSAL)
    if isinstance(value, list):
        check()
        return sum(map(whole_traversal, value))
    if isinstance(value, dict):
        check()
        return sum(whole_traversal(key) + whole_traversal(entry) for key, entry in value.items())
    return 1


_SCALARS = frozenset((bool, int, float, type(None)))


def _equality(arguments: Sequence[Any]) -> int:
    if type(arguments[0]) in _SCALARS or isinstance(arguments[0], Opaque):
        return 1
    return ceil(min(size(arguments[0]), size(arguments[1])) * TRAVERSAL)


def _concatenation(arguments: Sequence[Any]) -> int:
    return ceil((size(arguments[0]) + size(arguments[1])) * TRAVERSAL)


def _plus(arguments: Sequence[Any]) -> int:
    return _concatenation(arguments) if type(arguments[0]) in (str, bytes) else 1


def _comparison(arguments: Sequence[Any]) -> int:
    if type(arguments[0]) in _SCALARS:
        return 1
    return ceil(min(size(arguments[0]), size(arguments[1])) * TRAVERSAL)


def _contains(arguments: Sequence[Any]) -> int:
    return ceil(size(arguments[0]) * TRAVERSAL) * ceil(size(arguments[1]) * TRAVERSAL)


def _membership(arguments: Sequence[Any]) -> int:
    return len(arguments[1]) if isinstance(arguments[1], list) else 1


def _join(arguments: Sequence[Any]) -> int:
    texts = arguments[0]
    separators = size(arguments[1]) * (len(texts) - 1) if len(arguments) > 1 and texts else 0
    return ceil((sum(map(size, texts)) + separators) * 2 * TRAVERSAL)


def _selector(arguments: Sequence[Any]) -> int:
    length = size(arguments[1])
    return LIST + ceil(length * TRAVERSAL) + ceil(ceil(length * 0.5) * (LIST + OBJECT))


def _contains_ip(arguments: Sequence[Any]) -> int:
    octets: int = arguments[0].octets
    return ceil(2 * octets * TRAVERSAL) + _parsed(arguments[1])


def _contains_cidr(arguments: Sequence[Any]) -> int:
    octets: int = arguments[0].octets
    return ceil(2 * octets * TRAVERSAL) + ceil(octets * TRAVERSAL) + 1 + _parsed(arguments[1])


def _parsed(argument: Any) -> int:
    return ceil(len(argument) * TRAVERSAL) if isinstance(argument, str) else 0


def _validate(arguments: Sequence[Any]) -> int:
    pattern_size: int = arguments[0].pattern_size
    return ceil((1 + size(arguments[1])) * TRAVERSAL) * ceil(pattern_size * REGEX)


def _sets(arguments: Sequence[Any]) -> int:
    return size(arguments[0]) * size(arguments[1]) + 1


def _both_sets(arguments: Sequence[Any]) -> int:
    return 2 * size(arguments[0]) * size(arguments[1]) + 1


def _new_list(size: int, factor: float = 1.0) -> int:
    return int(size * factor) + 1 + LIST


def _compared(values: list[Any]) -> int:
    """Each element with each."""
    factor = 2 + TRAVERSAL if values and isinstance(values[0], str | bytes) else 2
    return _new_list(len(values) ** 2, factor)


def _slice(arguments: Sequence[Any]) -> int:
    values, start, end = arguments
    return _new_list(max(min(end, len(values)) - max(start, 0), 0))


def _flatten(arguments: Sequence[Any]) -> int:
    return _new_list(len(arguments[0]), max(arguments[1], 0) if len(arguments) > 1 else 1)


_BY_FUNCTION: dict[str, CallCost] = {
    "check": _fixed(350_000),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _every_element),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim"), _traversal),
    **dict.fromkeys(("strings.quote", "jsonpatch.escapeKey"), _traversal),
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _twice),
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _regex),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver"), _traversal),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    "_==_": _equality,
    "_!=_": _equality,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _comparison),
    "_+_": _plus,
    "@in": _membership,
    "contains": _contains,
    "matches": _regex,
    **dict.fromkeys(("startsWith", "endsWith"), _traversal),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets),
    "sets.equivalent": _both_sets,
    **dict.fromkeys(("distinct", "sort", "@sortByAssociatedKeys"), lambda arguments: _compared(arguments[-1])),
    "reverse": lambda arguments: _new_list(len(arguments[0])),
    "lists.range": lambda arguments: _new_list(max(arguments[0], 0)),
    "slice": _slice,
    "flatten": _flatten,
    "format": _traversal,
}
_BY_OVERLOAD: dict[str, CallCost] = {"string_to_bytes": _traversal, "bytes_to_string": _traversal}
