"""LimitRanges: limits for each object of a namespace.  https://kubernetes.io/docs/concepts/policy/limit-range/"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from api.core_v1 import LimitRange, LimitRangeItem
from api.errors import FieldError, duplicate, forbidden, invalid_value, required
from api.quantity import parse
from api.resources import is_overcommit_allowed
from api.scheme import resource_of
from apiserver.registry.names import qualified
from apiserver.registry.pod_defaults import round_up
from apiserver.registry.resource_validation import container_resource_complaints, resource_complaints
from apiserver.registry.strategy import Strategy

_CLAIM = "PersistentVolumeClaim"
_TYPES = ("Pod", "Container", _CLAIM)
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_FOR_PODS = "may not be specified when `type` is 'Pod'"


class LimitRanges(Strategy[LimitRange]):
    resource = resource_of(LimitRange)
    create_on_update = True

    def default(self, obj: LimitRange) -> None:
        for item in obj.spec.limits:
            for bound in _BOUNDS:
                round_up(getattr(item, bound))
            if item.type == "Container":
                item.default = {**item.max, **item.default}
                item.defaultRequest = {**item.min, **item.default, **item.defaultRequest}

    def name_of_nameless(self) -> str:
        return str(uuid.uuid4())

    def validate(self, new: LimitRange) -> Iterator[FieldError]:
        types: set[str] = set()
        for index, item in enumerate(new.spec.limits):
            path = f"spec.limits[{index}]"
            complaints = qualified(item.type)
            if not complaints and "/" not in item.type and item.type not in _TYPES:
                complaints = ("must be a standard limit type or fully qualified",)
            for complaint in complaints:
                yield invalid_value(f"{path}.type", item.type, complaint)
            if item.type in types:
                yield duplicate(f"{path}.type", item.type)
            types.add(item.type)
            yield from _validate_names(item, path)
            names = {name for bound in _BOUNDS for name in getattr(item, bound)}
            for name in sorted(names):
                yield from _validate_bounds(item, name, path)


def _validate_names(item: LimitRangeItem, path: str) -> Iterator[FieldError]:
    complaints = container_resource_complaints if item.type in ("Pod", "Container") else resource_complaints
    for bound in _BOUNDS:
        amounts, where = getattr(item, bound), f"{path}.{bound}"
        if bound == "maxLimitRequestRatio" and item.type == _CLAIM and not {"storage"} & {*item.min, *item.max}:
            detail = "either minimum or maximum storage value is required, but neither was provided"
            yield required(f"{path}.limits", detail)
        if item.type == "Pod" and bound.startswith("default"):
            if amounts:
                yield forbidden(where, _FOR_PODS)
            continue
        for name in sorted(amounts):
            for complaint in complaints(name):
                yield invalid_value(f"{where}[{name}]", name, complaint)


def _validate_bounds(item: LimitRangeItem, name: str, path: str) -> Iterator[FieldError]:
    """Complaints about the bounds of one resource, which must not contradict each other."""
    least, most, ratio = item.min.get(name), item.max.get(name), item.maxLimitRequestRatio.get(name)
    for_pods = item.type == "Pod"
    limit = None if for_pods else item.default.get(name)
    request = None if for_pods else item.defaultRequest.get(name)

    def above(first: str | None, second: str | None) -> bool:
        return first is not None and second is not None and parse(first) > parse(second)

    if above(least, most):
        yield invalid_value(f"{path}.min[{name}]", least, f"min value {least} is greater than max value {most}")
    where = f"{path}.defaultRequest[{name}]"
    if above(least, request):
        yield invalid_value(where, request, f"min value {least} is greater than default request value {request}")
    if above(request, most):
        yield invalid_value(where, request, f"default request value {request} is greater than max value {most}")
    if above(request, limit):
        detail = f"default request value {request} is greater than default limit value {limit}"
        yield invalid_value(where, request, detail)
    if above(least, limit):
        detail = f"min value {least} is greater than default value {limit}"
        yield invalid_value(f"{path}.default[{name}]", least, detail)
    if above(limit, most):
        detail = f"default value {limit} is greater than max value {most}"
        yield invalid_value(f"{path}.default[{name}]", most, detail)
    if ratio is not None:
        yield from _validate_ratio(ratio, least, most, f"{path}.maxLimitRequestRatio[{name}]")
    if limit is not None and request is not None and not is_overcommit_allowed(name) and parse(limit) != parse(request):
        detail = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        yield invalid_value(where, request, detail)


def _validate_ratio(ratio: str, least: str | None, most: str | None, path: str) -> Iterator[FieldError]:
    if parse(ratio) < 1:
        yield invalid_value(path, ratio, f"ratio {ratio} is less than 1")
    if least is not None and most is not None:
        # Division by nothing gives no end, as it does for Kubernetes' floating point numbers.
        possible = float(parse(most) / parse(least)) if parse(least) else float("inf")
        if float(parse(ratio)) > possible:
            yield invalid_value(path, ratio, f"ratio {ratio} is greater than max/min = {possible:f}")
