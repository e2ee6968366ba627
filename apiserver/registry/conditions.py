"""The rules of conditions (meta/v1 Condition)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from api.errors import FieldError, duplicate, invalid_value, not_supported, required, too_long
from api.meta_v1 import Condition
from apiserver.registry.names import qualified

_STATUSES = ("False", "True", "Unknown")
_LONGEST_REASON = 1024
_LONGEST_MESSAGE = 32 * 1024
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_is_reason = re.compile(_REASON).fullmatch
_BAD_REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)


def validate_conditions(conditions: Sequence[Condition], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        where = f"{path}[{index}]"
        if condition.type in seen:
            yield duplicate(f"{where}.type", condition.type)
        seen.add(condition.type)
        yield from _validate_condition(condition, where)


def _validate_condition(condition: Condition, path: str) -> Iterator[FieldError]:
    for complaint in qualified(condition.type):
        yield invalid_value(f"{path}.type", condition.type, complaint)
    if condition.status not in _STATUSES:
        yield not_supported(f"{path}.status", condition.status, _STATUSES)
    if condition.observedGeneration < 0:
        generation = condition.observedGeneration
        yield invalid_value(f"{path}.observedGeneration", generation, "must be greater than or equal to zero")
    if condition.lastTransitionTime is None:
        yield required(f"{path}.lastTransitionTime", "must be set")
    if not condition.reason:
        yield required(f"{path}.reason", "must be set")
    else:
        if not _is_reason(condition.reason):
            yield invalid_value(f"{path}.reason", condition.reason, _BAD_REASON)
        if len(condition.reason) > _LONGEST_REASON:
            yield too_long(f"{path}.reason", _LONGEST_REASON)
    if len(condition.message) > _LONGEST_MESSAGE:
        yield too_long(f"{path}.message", _LONGEST_MESSAGE)
