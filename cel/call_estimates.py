"""What the calls of Kubernetes' functions can cost, and how large their results can be.

https://kubernetes.io/docs/reference/using-api/cel/#cost-estimation: which rules a definition may have depends on this,
so the estimates are Kubernetes' own, those included that could be closer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Protocol

from cel.estimates import MOST, ONE, ZERO, Estimate, fixed
from cel.runtime_costs import LIST, OBJECT, REGEX, TRAVERSAL
from cel.syntax import Expr, Literal
from cel.types import Type

_LONGEST_PATTERN = 128
"""Of the named formats."""
_CHECK = fixed(350_000)
"""Allows two authorization checks in an expression."""


class Sizes(Protocol):
    """What is known about the parts of a call."""

    def size(self, node: Expr) -> Estimate: ...

    def elements(self, node: Expr) -> tuple[Type, Estimate] | None:
        """The type of a list's elements and their sizes; None for what is no list."""
        ...


CallEstimate = tuple[Estimate, Estimate | None]
"""Cost, and the size of the result where that is known."""
Estimator = Callable[[Sizes, str, Expr | None, list[Expr]], CallEstimate | None]
"""From what is known, the id of the overload, the target and the arguments; None when it has no opinion."""


def _always(cost: Estimate) -> Estimator:
    return lambda sizes, overload, target, arguments: (cost, None)


def _each_element(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    found = sizes.elements(target)
    if found is None:  # a string
        return sizes.size(target).scaled(TRAVERSAL), None
    of, size = found
    cost = ONE.plus(size.scaled(TRAVERSAL)) if of.kind in ("string", "bytes") else ONE
    return sizes.size(target).times(cost), None


def _of_argument(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if len(arguments) != 1:
        return None
    size = sizes.size(arguments[0])
    return size.scaled(TRAVERSAL), size


def _of_target(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    size = sizes.size(target)
    return size.scaled(TRAVERSAL), size


def _quote(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate:
    size = sizes.size(arguments[0])
    return size.scaled(TRAVERSAL), size.plus(fixed(2)).union(size.plus(size).plus(fixed(2)))


def _replace(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None or len(arguments) < 2:
        return None
    size, old, new = sizes.size(target), sizes.size(arguments[0]), sizes.size(arguments[1])
    count_most, kept_most = 0, 0
    if old.least == 0:
        count_most, kept_most = min(size.most + 1, MOST), size.most
    elif new.most <= old.least:
        kept_most = size.most
    else:
        count_most = ceil(float(size.most) / float(old.least))
    count_least, kept_least = 0, 0
    if old.most == 0:
        count_least, kept_least = min(size.least + 1, MOST), size.least
    elif old.most <= new.least:
        kept_least = size.least
    else:
        count_least = ceil(float(size.least) / float(old.most))
    result = Estimate(count_least, count_most).times(new).plus(Estimate(kept_least, kept_most))
    return size.scaled(2 * TRAVERSAL), result


def _split(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    size = sizes.size(target)
    most = size.most
    if len(arguments) > 1 and isinstance(arguments[1], Literal) and isinstance(arguments[1].value, int):
        most = arguments[1].value % 2**64
    return size.scaled(2 * TRAVERSAL), Estimate(0, most)


def _join(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    count = sizes.size(target)
    found = sizes.elements(target)
    size = ZERO if found is None else count.times(found[1])
    if arguments:
        between = Estimate(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(sizes.size(arguments[0]).times(between))
    return size.scaled(TRAVERSAL), size


def _find(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None or not arguments:
        return None
    size = sizes.size(target)
    cost = size.plus(ONE).scaled(TRAVERSAL).times(sizes.size(arguments[0]).scaled(REGEX))
    return cost, Estimate(0, size.most)


def _parsed(factor: float) -> Estimator:
    """Of a text; without one it is the `ip()` of a CIDR."""

    def estimated(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate:
        return (sizes.size(arguments[0]).scaled(factor) if arguments else ONE), None

    return estimated


_OCTETS = Estimate(4, 16)


def _contains_ip(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None or not arguments:
        return None
    cost = _OCTETS.plus(_OCTETS).scaled(TRAVERSAL)
    if overload == "cidr_contains_ip_string":
        cost = cost.plus(sizes.size(arguments[0]).scaled(TRAVERSAL))
    return cost, None


def _contains_cidr(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None or not arguments:
        return None
    cost = _OCTETS.plus(_OCTETS).scaled(TRAVERSAL).plus(_OCTETS.scaled(TRAVERSAL)).plus(ONE)
    if overload == "cidr_contains_cidr_string":
        cost = cost.plus(sizes.size(arguments[0]).scaled(TRAVERSAL))
    return cost, None


def _validate(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    return sizes.size(arguments[0]).scaled(TRAVERSAL).scaled(_LONGEST_PATTERN * REGEX), None


def _selector(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    size = sizes.size(arguments[0])
    requirements = size.scaled(0.5).scaled(LIST + OBJECT)
    return fixed(LIST).plus(size.scaled(TRAVERSAL)).plus(requirements), None


def _sets(factor: int) -> Estimator:
    def estimated(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate:
        pairs = sizes.size(arguments[0]).times(sizes.size(arguments[1]))
        return pairs.scaled(factor).plus(ONE), None

    return estimated


def _new_list(size: Estimate, factor: float = 1.0) -> CallEstimate:
    return size.scaled(factor).plus(fixed(1 + LIST)), size


def _distinct(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    size = sizes.size(target)
    return _new_list(size.times(size), 2)


def _sort(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    """By the elements, or by keys that are given."""
    keys = arguments[0] if arguments else target
    if keys is None:
        return None
    size = sizes.size(keys)
    texts = keys.type.parameters and keys.type.parameters[0].kind in ("string", "bytes")
    return _new_list(size.times(size), 2 + TRAVERSAL if texts else 2)


def _reverse(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    return None if target is None else _new_list(sizes.size(target))


def _range(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate:
    return _new_list(fixed(_number(arguments[0], MOST)))


def _slice(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    start, end = _number(arguments[0], 0), _number(arguments[1], sizes.size(target).most)
    return _new_list(fixed((end - start) % 2**64))


def _flatten(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    if target is None:
        return None
    return _new_list(sizes.size(target), _number(arguments[0], MOST) if arguments else 1)


def _number(node: Expr, otherwise: int) -> int:
    """An integer that is written there, but none below zero."""
    if isinstance(node, Literal) and type(node.value) is int:
        return max(node.value, 0)
    return otherwise


_O1_EQUALITY = (
    *("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"),
    *(f"kubernetes.authorization.{name}" for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck")),
    "kubernetes.authorization.Decision",
)


def _equality(sizes: Sizes, overload: str, target: Expr | None, arguments: list[Expr]) -> CallEstimate | None:
    one, other = arguments[0].type, arguments[1].type
    if one != other:
        return None
    if one.name in _O1_EQUALITY:
        return ONE, None
    if one.name == "kubernetes.URL":
        return Estimate(1, sizes.size(arguments[1]).most).scaled(TRAVERSAL), None
    return (Estimate(1, 64).scaled(TRAVERSAL), None) if one.name == "kubernetes.NamedFormat" else None


CALLS: dict[str, Estimator] = {
    "check": _always(_CHECK),
    **dict.fromkeys(("serviceAccount", "path", "group", "resource", "subresource", "namespace"), _always(ONE)),
    **dict.fromkeys(("name", "allowed", "reason", "error", "errored"), _always(ONE)),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _each_element),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _of_argument),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _of_target),
    "strings.quote": _quote,
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip"), _parsed(TRAVERSAL)),
    "ip.isCanonical": _parsed(2 * TRAVERSAL),
    **dict.fromkeys(("masked", "prefixLength", "family", "isUnspecified", "isLoopback"), _always(ONE)),
    **dict.fromkeys(("isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast"), _always(ONE)),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver"), _parsed(TRAVERSAL)),
    "validate": _validate,
    "format.named": _always(ONE),
    **dict.fromkeys(("sign", "asInteger", "isInteger", "asApproximateFloat", "isGreaterThan"), _always(ONE)),
    **dict.fromkeys(("isLessThan", "compareTo", "add", "sub", "major", "minor", "patch"), _always(ONE)),
    **dict.fromkeys(("getScheme", "getHostname", "getHost", "getPort", "getEscapedPath", "getQuery"), _always(ONE)),
    "_==_": _equality,
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "sets.equivalent": _sets(2),
    "distinct": _distinct,
    **dict.fromkeys(("sort", "@sortByAssociatedKeys"), _sort),
    "reverse": _reverse,
    "lists.range": _range,
    "slice": _slice,
    "flatten": _flatten,
}
