"""The rules of conditions (meta/v1), the same in every status that has them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/condition-v1-meta/
"""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, duplicate, invalid_value, not_supported, required, too_long
from api.meta_v1 import Condition
from apiserver.registry.names import condition_reason, qualified

_STATUSES = ("False", "True", "Unknown")
_LONGEST_REASON = 1024
_LONGEST_MESSAGE = 32 * 1024


def validate_conditions(conditions: list[Condition], path: str) -> Iterator[FieldError]:
    types: set[str] = set()
    for index, condition in enumerate(conditions):
        where = f"{path}[{index}]"
        if condition.type in types:
            yield duplicate(f"{where}.type", condition.type)
        types.add(condition.type)
        for complaint in qualified(condition.type):
            yield invalid_value(f"{where}.type", condition.type, complaint)
        if condition.status not in _STATUSES:
            yield not_supported(f"{where}.status", condition.status, _STATUSES)
        if condition.observedGeneration < 0:
            detail = "must be greater than or equal to zero"
            yield invalid_value(f"{where}.observedGeneration", condition.observedGeneration, detail)
        if condition.lastTransitionTime is None:
            yield required(f"{where}.lastTransitionTime")
        if not condition.reason:
            yield required(f"{where}.reason")
        else:
            for complaint in condition_reason(condition.reason):
                yield invalid_value(f"{where}.reason", condition.reason, complaint)
            if len(condition.reason.encode()) > _LONGEST_REASON:
                yield too_long(f"{where}.reason", _LONGEST_REASON)
        if len(condition.message.encode()) > _LONGEST_MESSAGE:
            yield too_long(f"{where}.message", _LONGEST_MESSAGE)
