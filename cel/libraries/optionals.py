"""Values that may be missing: `optional.of(x)`, `.orValue(y)`, and selection with `?`.

https://github.com/google/cel-spec/wiki/proposal-246
"""

from __future__ import annotations

from typing import Any

from cel.errors import EvaluationError, no_such_overload
from cel.functions import Library
from cel.libraries.standard import index, optional_index
from cel.types import DYN, optional_of
from cel.values import NONE, Duration, Optional


def _of_non_zero(value: Any) -> Optional:
    """Empty for what is the zero value of its type."""
    zero = value is None or value in (False, 0, "", b"", [], {}) or value == Duration(0)
    return NONE if zero else Optional(value, True)


def _value(optional: Optional) -> Any:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _unwrap(values: list[Any]) -> list[Any]:
    if not all(isinstance(value, Optional) for value in values):
        raise no_such_overload()
    return [value.value for value in values if value.present]


OPTIONALS = Library()
OPTIONALS.types["optional_type"] = optional_of(DYN)
OPTIONALS.add("optional.of", "(V) -> optional_type(V)", call=lambda value: Optional(value, True))
OPTIONALS.add("optional.ofNonZeroValue", "(V) -> optional_type(V)", call=_of_non_zero)
OPTIONALS.add("optional.none", "() -> optional_type(V)", call=lambda: NONE)
OPTIONALS.add("value", "optional_type(V).() -> V", call=_value)
OPTIONALS.add("hasValue", "optional_type(V).() -> bool", call=lambda optional: optional.present)
OPTIONALS.add(
    "or",
    "optional_type(V).(optional_type(V)) -> optional_type(V)",
    call=NotImplemented,
)
OPTIONALS.add("orValue", "optional_type(V).(V) -> V", call=NotImplemented)
OPTIONALS.add("optional.unwrap", "(list(optional_type(V))) -> list(V)", call=_unwrap)
OPTIONALS.add("unwrapOpt", "list(optional_type(V)).() -> list(V)", call=_unwrap)
OPTIONALS.add("first", "list(V).() -> optional_type(V)", call=lambda values: optional_index(values, 0))
OPTIONALS.add("last", "list(V).() -> optional_type(V)", call=lambda values: optional_index(values, len(values) - 1))
for _signature in (
    "(list(V), int) -> optional_type(V)",
    "(optional_type(list(V)), int) -> optional_type(V)",
    "(map(K, V), K) -> optional_type(V)",
    "(optional_type(map(K, V)), K) -> optional_type(V)",
):
    OPTIONALS.add("_[?_]", _signature, call=optional_index, checks=False)
for _signature in (
    "(optional_type(list(V)), int) -> optional_type(V)",
    "(optional_type(map(K, V)), K) -> optional_type(V)",
):
    OPTIONALS.add("_[_]", _signature, call=index, checks=False)
