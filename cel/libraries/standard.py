"""Operators, conversions and the functions that every CEL has.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from cel import types
from cel.errors import EvaluationError, no_such_overload
from cel.functions import Library
from cel.libraries.regex import search
from cel.types import Type
from cel.values import (
    RUNTIME_NAMES,
    Duration,
    Optional,
    Timestamp,
    UInt,
    concatenate,
    contains,
    equals,
    format_double,
    format_duration,
    format_timestamp,
    index_of,
    parse_duration,
    parse_timestamp,
    type_name,
    type_of,
)

_EARLIEST, _LATEST = -62135596800 * 10**9, 253402300800 * 10**9
COMPARABLE = (bool, int, UInt, float, str, bytes, Duration, Timestamp)
_NUMERIC = (int, UInt, float)


def integer(value: int) -> int:
    """Raises EvaluationError where an int cannot hold the value."""
    if -(2**63) <= value < 2**63:
        return value
    raise EvaluationError("integer overflow")


def unsigned(value: int) -> UInt:
    if 0 <= value < 2**64:
        return UInt(value)
    raise EvaluationError("unsigned integer overflow")


def _duration(nanoseconds: int) -> Duration:
    if -(2**63) <= nanoseconds < 2**63:
        return Duration(nanoseconds)
    raise EvaluationError("duration overflow")


def _timestamp(nanoseconds: int) -> Timestamp:
    if _EARLIEST <= nanoseconds < _LATEST:
        return Timestamp(nanoseconds)
    raise EvaluationError("timestamp overflow")


def _same(one: Any, other: Any, function: str, *kinds: type) -> type:
    """The type of both operands, one of `kinds`."""
    kind = type(one)
    if kind not in kinds:
        raise no_such_overload(function)
    if type(other) is not kind:
        raise no_such_overload()
    return kind


def add(one: Any, other: Any) -> Any:
    if isinstance(one, list) and isinstance(other, list):
        return concatenate(one, other)
    if type(one) in (Duration, Timestamp) and type(other) in (Duration, Timestamp):
        if type(one) is type(other) is Timestamp:
            raise no_such_overload()
        total = one.nanoseconds + other.nanoseconds
        return _duration(total) if type(one) is type(other) else _timestamp(total)
    kind = _same(one, other, "_+_", int, UInt, float, str, bytes)
    if kind is int:
        return integer(one + other)
    return unsigned(one + other) if kind is UInt else one + other


def subtract(one: Any, other: Any) -> Any:
    if type(one) in (Duration, Timestamp) and type(other) in (Duration, Timestamp):
        difference = one.nanoseconds - other.nanoseconds
        if type(one) is type(other):
            return _duration(difference)
        if type(one) is Duration:
            raise no_such_overload()
        return _timestamp(difference)
    kind = _same(one, other, "_-_", int, UInt, float)
    if kind is int:
        return integer(one - other)
    return unsigned(int(one) - int(other)) if kind is UInt else one - other


def multiply(one: Any, other: Any) -> Any:
    kind = _same(one, other, "_*_", int, UInt, float)
    if kind is int:
        return integer(one * other)
    return unsigned(one * other) if kind is UInt else one * other


def divide(one: Any, other: Any) -> Any:
    kind = _same(one, other, "_/_", int, UInt, float)
    if kind is float:
        if other == 0:
            infinity = math.copysign(math.inf, one) * math.copysign(1, other)
            return math.nan if one == 0 or one != one else infinity
        return one / other
    if other == 0:
        raise EvaluationError("division by zero")
    quotient = abs(one) // abs(other)
    return unsigned(quotient) if kind is UInt else integer(quotient if (one < 0) == (other < 0) else -quotient)


def modulo(one: Any, other: Any) -> Any:
    kind = _same(one, other, "_%_", int, UInt)
    if other == 0:
        raise EvaluationError("modulus by zero")
    remainder = abs(one) % abs(other)
    return unsigned(remainder) if kind is UInt else (-remainder if one < 0 else remainder)


def negate(value: Any) -> Any:
    if type(value) is int:
        return integer(-value)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return _duration(-value.nanoseconds)
    raise no_such_overload("-_")


def logical_not(value: Any) -> bool:
    if value is True or value is False:
        return not value
    raise no_such_overload("!_")


def _comparison(function: str, compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compared(one: Any, other: Any) -> bool:
        kind, other_kind = type(one), type(other)
        if kind is not other_kind or kind not in COMPARABLE:
            if kind not in COMPARABLE:
                raise no_such_overload(function)
            if kind not in _NUMERIC or other_kind not in _NUMERIC:
                raise no_such_overload()
        return bool(compare(one, other))

    return compared


less = _comparison("_<_", operator.lt)


def in_container(value: Any, container: Any) -> bool:
    if isinstance(container, dict):
        return type(value) in (str, int, UInt, bool, float) and value in container
    if isinstance(container, list):
        return contains(container, value)
    raise no_such_overload("@in")


def index(container: Any, key: Any) -> Any:
    """An element or entry.  Raises EvaluationError when there is none."""
    if isinstance(container, Optional):
        return optional_index(container, key)
    if isinstance(container, dict):
        try:
            return container[key]
        except (KeyError, TypeError):
            raise EvaluationError(f"no such key: {_shown_key(key)}") from None
    if isinstance(container, list):
        at = index_of(key)
        if 0 <= at < len(container):
            return container[at]
        raise EvaluationError(f"index out of bounds: {at}")
    raise EvaluationError(f"no such key: {_shown_key(key)}")


def optional_index(container: Any, key: Any) -> Optional:
    """An element or entry as an optional."""
    if isinstance(container, Optional):
        if not container.present:
            return container
        container = container.value
    if isinstance(container, dict):
        there = isinstance(key, str | int | float) and key in container
        return Optional(container[key], True) if there else Optional()
    if isinstance(container, list):
        at = index_of(key)
        return Optional(container[at], True) if 0 <= at < len(container) else Optional()
    return Optional()


def _shown_key(key: Any) -> str:
    return "true" if key is True else "false" if key is False else str(key)


def _size(value: Any) -> int:
    return len(value)


def _conversion(to: Type, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`convert` raises ValueError or returns NotImplemented for what it cannot convert."""
    name = RUNTIME_NAMES.get(to.kind, to.name)

    def converted(value: Any) -> Any:
        try:
            result = convert(value)
        except ValueError:
            result = NotImplemented
        if result is NotImplemented:
            raise EvaluationError(f"type conversion error from '{type_name(value)}' to '{name}'")
        return result

    return converted


def _to_int(value: Any) -> Any:
    match value:
        case bool():
            return NotImplemented
        case int():
            return integer(int(value))
        case float():
            if not -(2.0**63) < value < 2.0**63:
                raise EvaluationError("integer overflow")
            return int(value)
        case str():
            return integer(int(value)) if _is_number(value) and -(2**63) <= int(value) < 2**63 else NotImplemented
        case Timestamp():
            return value.nanoseconds // 10**9
        case Duration():
            return value.nanoseconds
    return NotImplemented


def _is_number(text: str) -> bool:
    return text.isascii() and text.lstrip("+-").isdigit() and len(text) - len(text.lstrip("+-")) < 2


def _to_uint(value: Any) -> Any:
    match value:
        case bool():
            return NotImplemented
        case int():
            return unsigned(int(value))
        case float():
            if not 0 <= value < 2.0**64:
                raise EvaluationError("unsigned integer overflow")
            return UInt(value)
        case str():
            valid = value.isascii() and value.isdigit() and int(value) < 2**64
            return UInt(int(value)) if valid else NotImplemented
    return NotImplemented


def _to_double(value: Any) -> Any:
    match value:
        case bool():
            return NotImplemented
        case int() | float():
            return float(value)
        case str():
            return float(value) if value.strip() == value and "_" not in value else NotImplemented
    return NotImplemented


def to_string(value: Any) -> Any:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return format_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
        case Duration():
            return format_duration(value)
        case Timestamp():
            return format_timestamp(value)
    return getattr(value, "text", NotImplemented)


_TRUE, _FALSE = ("1", "t", "true", "TRUE", "True", "T"), ("0", "f", "false", "FALSE", "False", "F")


def _to_bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return True if value in _TRUE else False if value in _FALSE else NotImplemented


def _to_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else NotImplemented


def _to_duration(value: Any) -> Any:
    if isinstance(value, Duration):
        return value
    if type(value) is int:
        return _duration(value)
    return parse_duration(value) if isinstance(value, str) else NotImplemented


def _to_timestamp(value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value
    if type(value) is int:
        return _timestamp(value * 10**9)
    return parse_timestamp(value) if isinstance(value, str) else NotImplemented


def _library() -> Library:
    library = Library()
    for of in (types.BOOL, types.BYTES, types.DOUBLE, types.INT, types.UINT, types.STRING):
        library.add_type(of)
    library.types |= {
        "list": types.list_of(types.DYN),
        "map": types.map_of(types.DYN, types.DYN),
        "null_type": types.NULL,
        "type": types.TYPE,
        "google.protobuf.Duration": types.DURATION,
        "google.protobuf.Timestamp": types.TIMESTAMP,
    }
    for name in ("_&&_", "_||_"):
        library.add(name, "(bool, bool) -> bool", call=NotImplemented, id={"_&&_": "and", "_||_": "or"}[name])
    library.add("_?_:_", "(bool, T, T) -> T", call=NotImplemented, id="conditional")
    library.add("@not_strictly_false", "(bool) -> bool", call=NotImplemented)
    library.add("!_", "(bool) -> bool", call=logical_not, checks=False)
    library.add("_==_", "(A, A) -> bool", call=equals, checks=False, id="equals")
    library.add("_!=_", "(A, A) -> bool", call=lambda a, b: not equals(a, b), checks=False, id="not_equals")
    compared = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
    numbers = ("int", "uint", "double")
    for name, compare in (("_<_", operator.lt), ("_<=_", operator.le), ("_>_", operator.gt), ("_>=_", operator.ge)):
        call = _comparison(name, compare)
        for kind in compared:
            library.add(name, f"({kind}, {kind}) -> bool", call=call, checks=False, id=f"compare_{kind}")
        for one in numbers:
            for other in numbers:
                if one != other:
                    library.add(name, f"({one}, {other}) -> bool", call=call, checks=False)
    _add_arithmetic(library)
    library.add("@in", "(A, list(A)) -> bool", call=in_container, checks=False, id="in_list")
    library.add("@in", "(A, map(A, B)) -> bool", call=in_container, checks=False, id="in_map")
    library.add("_[_]", "(list(A), int) -> A", call=index, checks=False, id="index_list")
    library.add("_[_]", "(map(A, B), A) -> B", call=index, checks=False, id="index_map")
    for sized in ("string", "bytes", "list(A)", "map(A, B)"):
        library.add("size", f"({sized}) -> int", f"{sized}.() -> int", call=_size)
    library.add("contains", "string.(string) -> bool", call=operator.contains, id="contains_string")
    library.add("endsWith", "string.(string) -> bool", call=str.endswith, id="ends_with_string")
    library.add("startsWith", "string.(string) -> bool", call=str.startswith, id="starts_with_string")
    for signature in ("string.(string) -> bool", "(string, string) -> bool"):
        library.add("matches", signature, call=lambda text, pattern: search(pattern, text), id="matches_string")
    _add_conversions(library)
    return library


def _add_arithmetic(library: Library) -> None:
    plus = {"bytes": "add_bytes", "double": "", "int": "", "list(A)": "add_list", "string": "add_string", "uint": ""}
    for kind, id in plus.items():
        library.add("_+_", f"({kind}, {kind}) -> {kind}", call=add, checks=False, id=id)
    for signature in ("(duration, duration) -> duration", "(duration, timestamp) -> timestamp"):
        library.add("_+_", signature, call=add, checks=False)
    library.add("_+_", "(timestamp, duration) -> timestamp", call=add, checks=False)
    for name, call in (("_-_", subtract), ("_*_", multiply), ("_/_", divide)):
        for kind in ("double", "int", "uint"):
            library.add(name, f"({kind}, {kind}) -> {kind}", call=call, checks=False)
    for signature in ("(duration, duration) -> duration", "(timestamp, duration) -> timestamp"):
        library.add("_-_", signature, call=subtract, checks=False)
    library.add("_-_", "(timestamp, timestamp) -> duration", call=subtract, checks=False)
    for kind in ("int", "uint"):
        library.add("_%_", f"({kind}, {kind}) -> {kind}", call=modulo, checks=False)
    for kind in ("double", "int", "duration"):
        library.add("-_", f"({kind}) -> {kind}", call=negate, checks=False)


def _add_conversions(library: Library) -> None:
    for to, convert, sources in (
        (types.BOOL, _to_bool, "bool string"),
        (types.BYTES, _to_bytes, "bytes string"),
        (types.DOUBLE, _to_double, "double int string uint"),
        (types.DURATION, _to_duration, "duration int string"),
        (types.INT, _to_int, "int double duration string timestamp uint"),
        (types.STRING, to_string, "string bool bytes double duration int timestamp uint"),
        (types.TIMESTAMP, _to_timestamp, "timestamp int string"),
        (types.UINT, _to_uint, "uint double int string"),
    ):
        call = _conversion(to, convert)
        for source in sources.split():
            id = {"bytes_string": "string_to_bytes", "string_bytes": "bytes_to_string"}.get(f"{to}_{source}", "")
            library.add(str(to), f"({source}) -> {to}", call=call, checks=False, id=id)
    library.add("dyn", "(A) -> dyn", call=lambda value: value)
    library.add("type", "(A) -> type(A)", call=type_of)
    for signature in ("(map(K, V), K, V) -> map(K, V)", "(map(K, V), map(K, V)) -> map(K, V)"):
        library.add("cel.@mapInsert", signature, call=NotImplemented)  # the loop around it does that


STANDARD = _library()
