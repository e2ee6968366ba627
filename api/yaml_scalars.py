"""What an unquoted YAML scalar means to Go's YAML library, which Kubernetes reads and writes with.

It knows the scalars of YAML 1.1 (`y`, `no` and `on` are booleans, `010` is eight).  Dates are strings when read,
and are quoted when written.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"([-+]?)(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)| (\d\d?):(\d\d?):(\d\d?)(?:\.\d+)?)?"
)


def resolve(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar.  Raises ValueError for infinities and NaN, which JSON has no words for."""
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0] in "+-.0123456789":
        digits = text.replace("_", "")
        if found := _INTEGER.fullmatch(digits):
            try:
                return _integer(found[1], found[2])
            except (ValueError, OverflowError):
                return text  # more than a float holds: Go leaves it a string
        if _FLOAT.fullmatch(digits):
            return number if math.isfinite(number := float(digits)) else text
        if _SPECIAL.fullmatch(text):
            raise ValueError(f"json: unsupported value: {text}")
    return text


def needs_quotes(text: str) -> bool:
    """Whether a string would be read as something else if it stood there without quotes."""
    if text in _NULLS or text in _TRUE or text in _FALSE:
        return True
    if text[0] not in "+-.0123456789":
        return False
    digits = text.replace("_", "")
    patterns = (
        _INTEGER.fullmatch(digits),
        _FLOAT.fullmatch(digits),
        _SPECIAL.fullmatch(text),
        _BASE_60.fullmatch(text),
    )
    return any(patterns) or _is_timestamp(text)


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return False
    year, month, day, *clock = (int(group) for group in found.groups() if group is not None)
    hour, minute, second = clock or (0, 0, 0)
    try:
        datetime(year, month, day, hour, minute, second)
    except ValueError:
        return False
    return True


def _integer(sign: str, digits: str) -> int | float:
    base = {"x": 16, "b": 2, "o": 8}.get(digits[1:2].lower())
    if base:
        digits = digits[2:]
    elif len(digits) > 1 and digits[0] == "0":
        base = 8
    value = int(digits, base or 10) * (-1 if sign == "-" else 1)
    return value if -(2**63) <= value < 2**64 else float(value)
