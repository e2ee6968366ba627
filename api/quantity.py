"""Resource quantities: "100m" CPU, "64Mi" of memory, "1e3".

Defined in https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.  A
quantity is an exact decimal number with a suffix; its canonical form has no fraction, the largest
suffix that allows that, and the suffix family (binary, decimal or exponent) it was written in.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_UP, Decimal
from functools import lru_cache

_SYNTAX = re.compile(r"^([+-]?)(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_LARGEST = Decimal(2**63 - 1)
_FARTHEST = 999
"""Of an exponent: numbers beyond it are no larger or smaller for any purpose, but could not be computed with."""

MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def _split(text: str) -> tuple[Decimal, str]:
    found = _SYNTAX.match(text)
    if found is None:
        raise ValueError(MESSAGE)
    number, suffix = Decimal(found[1] + found[2]), found[3] or ""
    if suffix in _BINARY:
        return number * 1024 ** _BINARY[suffix], "binary"
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), "decimal"
    return number.scaleb(max(-_FARTHEST, min(int(suffix[1:]), _FARTHEST))), "exponent"


@lru_cache(maxsize=8192)
def parse(quantity: str) -> Decimal:
    """The exact value.  Raises ValueError when it is not a quantity."""
    number, _ = _split(quantity)
    return number


def add(first: str, second: str) -> str:
    """The sum, in the suffix family of the first that is not zero."""
    number, family = _split(first)
    other, other_family = _split(second)
    return format_as(number + other, family if number else other_family)


def whole(quantity: str) -> int:
    """The value rounded up to an integer: bytes of memory, a count."""
    return int(parse(quantity).to_integral_value(ROUND_CEILING))


def milli(quantity: str) -> int:
    """The value in thousandths, rounded up: millicores of CPU."""
    return int((parse(quantity) * 1000).to_integral_value(ROUND_CEILING))


def canonical(value: str | int | float) -> str:
    """The canonical form of what a client sent, a string or a bare number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(MESSAGE)
    return _canonical(value if isinstance(value, str) else repr(value))


@lru_cache(maxsize=8192)
def _canonical(text: str) -> str:
    return format_as(*_split(text))


def format_as(number: Decimal, family: str = "decimal") -> str:
    """Write an exact value in the canonical form of a suffix family: decimal, binary or exponent."""
    if number == 0:
        return "0"
    nano = number.scaleb(9).to_integral_value(ROUND_UP)  # nothing is finer than a billionth
    number = min(nano.scaleb(-9), _LARGEST) if number > 0 else max(nano.scaleb(-9), -_LARGEST)
    if family == "binary" and (abs(number) < 1024 or number != number.to_integral_value()):
        family = "decimal"
    if family == "binary":
        for suffix, power in reversed(_BINARY.items()):
            if number % 1024**power == 0:
                return f"{int(number / 1024**power)}{suffix}"
        return str(int(number))
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = number.scaleb(-power)
        if scaled == scaled.to_integral_value():
            if family == "exponent":
                return f"{int(scaled)}e{power}" if power else str(int(scaled))
            return f"{int(scaled)}{suffix}"
    raise AssertionError("every value is a whole number of billionths")
