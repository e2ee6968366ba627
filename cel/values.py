"""Values while an expression is evaluated: JSON's own in Python (None, bool, int, float, str, list, dict), and the
classes here for what JSON has no value for.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#values
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from cel import types
from cel.errors import EvaluationError
from cel.time_limit import bound_list, check
from cel.types import Type


class UInt(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time in nanoseconds."""

    nanoseconds: int


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A point in time: nanoseconds since 1970 in UTC."""

    nanoseconds: int

    def datetime(self) -> datetime:
        """To the microsecond, which is all that datetime has."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.nanoseconds // 1000)


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be missing."""

    value: Any = None
    present: bool = False


NONE = Optional()


class Opaque:
    """The base of values that only the functions of a library understand; `type` is theirs."""

    __slots__ = ()
    type: ClassVar[Type]


class Object(dict[str, Any]):
    """An object that an expression made: of the named type."""

    __slots__ = ("name",)

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.name = name


class LazyMap(dict[str, Any]):
    """A map whose values are computed when they are first asked for; what computes them may raise EvaluationError."""

    def __init__(self, computed: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__()
        self.computed = computed

    def __contains__(self, key: object) -> bool:
        return key in self.computed

    def __missing__(self, key: str) -> Any:
        if key not in self.computed:
            raise KeyError(key)
        value = self[key] = self.computed[key]()
        return value


def to_json(value: Any) -> Any:
    """A value as JSON has it; what JSON has no value for becomes text."""
    check()
    match value:
        case dict():
            return {str(key): to_json(entry) for key, entry in value.items()}
        case list():
            return [to_json(element) for element in value]
        case Duration():
            return format_duration(value)
        case Timestamp():
            return format_timestamp(value)
        case bytes():
            return base64.b64encode(value).decode()
        case UInt():
            return int(value)
        case Optional():
            return to_json(value.value)
    return getattr(value, "text", value)


class SetList(list[Any]):
    """A list of type set: its order means nothing."""


class MapList(list[Any]):
    """A list of type map: its order means nothing, and items are told apart by the values of `keys`."""

    keys: tuple[str, ...] = ()

    def key_of(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self.keys) if isinstance(item, dict) else (repr(item),)


_SIMPLE = {
    bool: types.BOOL,
    int: types.INT,
    UInt: types.UINT,
    float: types.DOUBLE,
    str: types.STRING,
    bytes: types.BYTES,
    Duration: types.DURATION,
    Timestamp: types.TIMESTAMP,
    type(None): types.NULL,
    Type: types.TYPE,
    Optional: types.opaque("optional_type"),
}
_LIST, _MAP = Type("list", "list"), Type("map", "map")


def type_of(value: Any) -> Type:
    """The type of a value, without what it is made of."""
    found = _SIMPLE.get(type(value))
    if found is not None:
        return found
    if isinstance(value, dict):
        return _MAP
    if isinstance(value, list):
        return _LIST
    of: Type = value.type
    return of


RUNTIME_NAMES = {"null": "null_type", "duration": "google.protobuf.Duration", "timestamp": "google.protobuf.Timestamp"}


def type_name(value: Any) -> str:
    """How errors at run time name the type of a value."""
    of = type_of(value)
    return RUNTIME_NAMES.get(of.kind, of.name)


_NUMBERS = (int, UInt, float)


def equals(one: Any, other: Any) -> bool:
    """Equality; values of different types differ, but numbers compare by value."""
    kind, other_kind = type(one), type(other)
    if kind is other_kind and kind in (str, int, bool, float):
        return bool(one == other)
    if kind in _NUMBERS and other_kind in _NUMBERS:
        return bool(one == other)
    if isinstance(one, list):
        check()
        return isinstance(other, list) and _lists_equal(one, other)
    if isinstance(one, dict):
        check()
        return (
            isinstance(other, dict)
            and len(one) == len(other)
            and all(key in other and equals(value, other[key]) for key, value in one.items())
        )
    if kind is not other_kind:
        return False
    if kind is Optional:
        return bool(one.present == other.present) and equals(one.value, other.value)
    if kind is Type:
        return bool(one.kind == other.kind and one.name == other.name)
    return bool(one == other)


def _lists_equal(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    unordered = one if isinstance(one, SetList | MapList) else other
    if isinstance(unordered, MapList):
        by_key = {repr(unordered.key_of(item)): item for item in other}
        return all(equals(item, by_key.get(repr(unordered.key_of(item)))) for item in one)
    if isinstance(unordered, SetList):
        return not _missing(one, other) and not _missing(other, one)
    return all(map(equals, one, other))


def _missing(values: list[Any], wanted: list[Any]) -> list[Any]:
    """Those that are not among the values."""
    if all(type(value) is str for value in values):  # of which sets are made, mostly
        texts = frozenset(values)
        return [value for value in wanted if type(value) is not str or value not in texts]
    found = []
    for value in wanted:
        check()
        if not contains(values, value):
            found.append(value)
    return found


def contains(values: list[Any], value: Any) -> bool:
    """Whether a list has an element that equals the value."""
    if type(value) is str:
        return value in values
    return any(equals(value, element) for element in values)


def concatenate(one: list[Any], other: list[Any]) -> list[Any]:
    """`+` of lists: of sets, their union; of maps, the other's items in the place of those with the same keys.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    if isinstance(one, SetList):
        return SetList([*one, *_missing(one, other)])
    if isinstance(one, MapList):
        by_key = {repr(one.key_of(item)): item for item in one} | {repr(one.key_of(item)): item for item in other}
        merged = MapList(by_key.values())
        merged.keys = one.keys
        return merged
    bound_list(len(one) + len(other))
    return [*one, *other]


_SIZED = (str, bytes, list, dict)


def size(value: Any) -> int:
    """The number of characters, bytes, elements or entries; 1 of what has none, as costs are counted."""
    return len(value) if isinstance(value, _SIZED) else 1


_UNITS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}
_UNITS |= {"µs": 1000, "μs": 1000}
_DURATION = re.compile(r"([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)")
_DURATION_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> Duration:
    """As Go writes durations, `1h30m`.  Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    total = 0
    for whole, fraction, unit in _DURATION_PART.findall(match[2]):
        total += int(whole or 0) * _UNITS[unit]
        total += int(fraction or 0) * _UNITS[unit] // 10 ** len(fraction)
    total = -total if match[1] == "-" else total
    if not -(2**63) <= total < 2**63:
        raise ValueError(text)
    return Duration(total)


_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))")


def parse_timestamp(text: str) -> Timestamp:
    """As in RFC 3339.  Raises ValueError."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=UTC)  # type: ignore[misc,arg-type]
    seconds = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds += -offset if match[8] == "+" else offset
    return Timestamp(seconds * 1_000_000_000 + int((match[7] or "0")[:9].ljust(9, "0")))


def format_duration(value: Duration) -> str:
    """As CEL's string() writes it: seconds."""
    seconds = value.nanoseconds / 1e9
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds!r}s"


def format_timestamp(value: Timestamp) -> str:
    fraction = value.nanoseconds % 1_000_000_000
    shown = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{value.datetime():%Y-%m-%dT%H:%M:%S}{shown}Z".rjust(len("0000-00-00T00:00:00Z"), "0")


def format_double(value: float) -> str:
    """As Go formats a float with %g and the fewest digits: with an exponent below -4 and from 6 up."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else ("+Inf" if value > 0 else "-Inf")
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    exponent = len(digits) + int(exponent) - 1 if value else 0
    minus = "-" if sign else ""
    if -4 <= exponent < 6:
        return minus + f"{Decimal(shown).scaleb(exponent - len(shown) + 1):f}"
    fraction = f".{shown[1:]}" if shown[1:] else ""
    return f"{minus}{shown[0]}{fraction}e{exponent:+03d}"


def index_of(value: Any) -> int:
    """A position in a list.  Raises EvaluationError for what is no whole number."""
    if type(value) in (int, UInt):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    raise EvaluationError(f"unsupported index type '{type_name(value)}' in list")
