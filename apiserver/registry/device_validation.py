"""The rules that claims, classes and slices of devices share (KEP-4381)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required, too_long, too_many
from api.resource_v1 import (
    DeviceClaim,
    DeviceConstraint,
    DeviceRequest,
    DeviceSelector,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
)
from apiserver.raw_extension import text_of
from apiserver.registry.expressions import validate_device_selector
from apiserver.registry.names import c_identifier, label, label_value, qualified, subdomain

T = TypeVar("T")
Check = Callable[[T, str], Iterator[FieldError]]

MOST = 32
"""Requests of a claim, constraints, configurations, selectors, results."""
EFFECTS = ("NoExecute", "NoSchedule", "None")
_MODES = ("All", "ExactCount")
_OPERATORS = ("Equal", "Exists")
_MOST_ALTERNATIVES = 8
_LONGEST_DRIVER = 63
_LONGEST_POOL = 253
_LONGEST_IDENTIFIER = 32
_LONGEST_EXPRESSION = 10 * 1024
_LONGEST_PARAMETERS = 10 * 1024
_BAD_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_ONE_OF = "exactly one of `exactly` or `firstAvailable` is required"
# What Kubernetes says when there is none.
_ONE_ATTRIBUTE = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'


def validate_list(items: Sequence[T], path: str, most: int, check: Check[T]) -> Iterator[FieldError]:
    """Every item, unless there are too many of them (a negative limit is none)."""
    if 0 <= most < len(items):
        yield too_many(path, len(items), most)
        return
    for index, item in enumerate(items):
        yield from check(item, f"{path}[{index}]")


def validate_set(
    items: Sequence[T], path: str, most: int, check: Check[T], key: Callable[[T], Hashable]
) -> Iterator[FieldError]:
    """The same of a list in which nothing is twice."""
    yield from validate_list(items, path, most, check)
    if 0 <= most < len(items):
        return
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        if key(item) in seen:
            yield duplicate(f"{path}[{index}]", key(item))
        seen.add(key(item))


def validate_map(items: Mapping[str, T], path: str, key: Check[str], check: Check[T]) -> Iterator[FieldError]:
    """Keys and values, in the order of the keys."""
    for name in sorted(items):
        yield from key(name, path)
        yield from check(items[name], f"{path}[{name}]")


def itself(item: str) -> str:
    return item


# --- names ----------------------------------------------------------------------------------------


def validate_label(name: str, path: str) -> Iterator[FieldError]:
    for complaint in label(name):
        yield invalid_value(path, name, complaint)


def validate_driver(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if len(name) > _LONGEST_DRIVER:
        yield too_long(path, _LONGEST_DRIVER)
    for complaint in subdomain(name.lower()):
        yield invalid_value(path, name, complaint)


def validate_pool(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if len(name) > _LONGEST_POOL:
        yield too_long(path, _LONGEST_POOL)
    for part in name.split("/"):
        for complaint in subdomain(part):
            yield invalid_value(path, part, complaint)


def validate_qualified_name(name: str, path: str) -> Iterator[FieldError]:
    """The name of an attribute or a capacity: a C identifier, with or without a domain before it."""
    domain, slash, identifier = name.rpartition("/")
    if slash:
        if name.count("/") > 1:
            return
        if domain:
            yield from validate_driver(domain, path)
        else:
            yield invalid_value(path, "", "the domain must not be empty")
        if not identifier:
            yield invalid_value(path, "", "the name must not be empty")
            return
    if len(identifier) > _LONGEST_IDENTIFIER:
        yield too_long(path, _LONGEST_IDENTIFIER)
    for complaint in c_identifier(identifier):
        yield invalid_value(path, identifier, complaint)


def _validate_full_name(name: str, path: str) -> Iterator[FieldError]:
    yield from validate_qualified_name(name, path)
    if "/" not in name:
        yield invalid_value(path, name, "a fully qualified name must be a domain and a name separated by a slash")


# --- what claims ask for --------------------------------------------------------------------------


def validate_device_claim(claim: DeviceClaim, path: str) -> Iterator[FieldError]:
    names = request_names(claim)
    yield from validate_set(claim.requests, f"{path}.requests", MOST, _validate_request, lambda r: r.name)

    def constraint(item: DeviceConstraint, where: str) -> Iterator[FieldError]:
        yield from validate_request_names(item.requests, f"{where}.requests", names)
        if item.matchAttribute is not None:
            yield from _validate_full_name(item.matchAttribute, f"{where}.matchAttribute")
        elif item.distinctAttribute is not None:
            yield from _validate_full_name(item.distinctAttribute, f"{where}.distinctAttribute")
        else:
            yield required(where, _ONE_ATTRIBUTE)

    def config(item: Any, where: str) -> Iterator[FieldError]:
        yield from validate_request_names(item.requests, f"{where}.requests", names)
        yield from validate_configuration(item.opaque, where)

    yield from validate_list(claim.constraints, f"{path}.constraints", MOST, constraint)
    yield from validate_list(claim.config, f"{path}.config", MOST, config)


def request_names(claim: DeviceClaim) -> set[str]:
    """What the requests of a claim are called: "gpu", and "gpu/large" for one of several ways to satisfy it."""
    names = {request.name for request in claim.requests}
    return names | {f"{request.name}/{way.name}" for request in claim.requests for way in request.firstAvailable}


def validate_request_names(given: Sequence[str], path: str, names: set[str]) -> Iterator[FieldError]:
    return validate_set(given, path, MOST, lambda name, where: validate_request_name(name, where, names), itself)


def validate_request_name(name: str, path: str, names: set[str]) -> Iterator[FieldError]:
    if name.count("/") > 1:
        yield invalid_value(path, name, _BAD_REQUEST)
        return
    for part in name.split("/"):
        yield from validate_label(part, path)
    if name not in names:
        yield invalid_value(path, name, _BAD_REQUEST)


def _validate_request(request: DeviceRequest, path: str) -> Iterator[FieldError]:
    yield from validate_label(request.name, f"{path}.name")
    if request.exactly is not None and request.firstAvailable:
        yield invalid_value(path, None, f"{_ONE_OF}, but multiple fields are set")
    elif request.exactly is not None:
        yield from _validate_wanted(request.exactly, f"{path}.exactly")
    elif request.firstAvailable:
        yield from validate_set(
            request.firstAvailable,
            f"{path}.firstAvailable",
            _MOST_ALTERNATIVES,
            _validate_alternative,
            lambda way: way.name,
        )
    else:
        yield required(path, _ONE_OF)


def _validate_alternative(request: DeviceSubRequest, path: str) -> Iterator[FieldError]:
    yield from validate_label(request.name, f"{path}.name")
    yield from _validate_wanted(request, path)


def _validate_wanted(request: ExactDeviceRequest | DeviceSubRequest, path: str) -> Iterator[FieldError]:
    if not request.deviceClassName:
        yield required(f"{path}.deviceClassName")
    else:
        for complaint in subdomain(request.deviceClassName):
            yield invalid_value(f"{path}.deviceClassName", request.deviceClassName, complaint)
    yield from validate_selectors(request.selectors, f"{path}.selectors")
    count, where = request.count, f"{path}.count"
    if request.allocationMode not in _MODES:
        yield not_supported(f"{path}.allocationMode", request.allocationMode, _MODES)
    elif request.allocationMode == "All":
        if count:
            yield invalid_value(where, count, "must not be specified when allocationMode is 'All'")
    elif count <= 0:
        yield invalid_value(where, count, "must be greater than zero")
    for index, toleration in enumerate(request.tolerations):
        yield from validate_toleration(toleration, f"{path}.tolerations[{index}]")


def validate_selectors(selectors: Sequence[DeviceSelector], path: str) -> Iterator[FieldError]:
    return validate_list(selectors, path, MOST, _validate_selector)


def _validate_selector(selector: DeviceSelector, path: str) -> Iterator[FieldError]:
    where = f"{path}.cel"
    if selector.cel is None:
        yield required(where)
    elif len(selector.cel.expression.encode()) > _LONGEST_EXPRESSION:
        yield too_long(f"{where}.expression", _LONGEST_EXPRESSION)
    else:
        yield from validate_device_selector(selector.cel.expression, f"{where}.expression")


def validate_toleration(toleration: DeviceToleration, path: str) -> Iterator[FieldError]:
    if toleration.key:
        for complaint in qualified(toleration.key):
            yield invalid_value(f"{path}.key", toleration.key, complaint)
    value = toleration.value
    match toleration.operator:
        case "Exists":
            if value:
                yield invalid_value(f"{path}.value", value, "must be empty for operator `Exists`")
        case "Equal":
            for complaint in label_value(value):
                yield invalid_value(f"{path}.value", value, complaint)
        case "":
            yield required(f"{path}.operator")
        case operator:
            yield not_supported(f"{path}.operator", operator, _OPERATORS)
    if toleration.effect and toleration.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", toleration.effect, EFFECTS)


def validate_configuration(opaque: OpaqueDeviceConfiguration | None, path: str) -> Iterator[FieldError]:
    """Settings for devices; those that only a driver understands are the only form there is."""
    if opaque is None:
        yield required(f"{path}.opaque")
        return
    yield from validate_driver(opaque.driver, f"{path}.opaque.driver")
    yield from validate_object(opaque.parameters, f"{path}.opaque.parameters", _LONGEST_PARAMETERS)


def validate_object(value: Any, path: str, longest: int) -> Iterator[FieldError]:
    """Any object, kept as it is."""
    if value is None:
        yield required(path)
    elif len(text_of(value).encode()) > longest:
        yield too_long(path, longest)
    elif not isinstance(value, dict):
        yield invalid_value(path, "<value omitted>", "must be a valid JSON object")


def validate_binding_conditions(wanted: Sequence[str], failing: Sequence[str], path: str) -> Iterator[FieldError]:
    """Conditions of a device that a pod's binding waits for (KEP-5007)."""
    for name, conditions in (("bindingConditions", wanted), ("bindingFailureConditions", failing)):
        yield from validate_list(conditions, f"{path}.{name}", 4, _validate_condition_name)
    for name, conditions in (("bindingConditions", wanted), ("bindingFailureConditions", failing)):
        seen: set[str] = set()
        for index, condition in enumerate(conditions):
            where = f"{path}.{name}[{index}]"
            if condition in seen:
                yield duplicate(where, condition)
            seen.add(condition)
            if conditions is failing and condition in wanted:
                detail = "bindingFailureConditions must not overlap with bindingConditions"
                yield invalid_value(where, condition, detail)
    if failing and not wanted:
        detail = "bindingConditions are required to use bindingFailureConditions"
        yield invalid_value(f"{path}.bindingConditions", None, detail)
    if wanted and not failing:
        detail = "bindingFailureConditions are required to use bindingConditions"
        yield invalid_value(f"{path}.bindingFailureConditions", None, detail)


def _validate_condition_name(name: str, path: str) -> Iterator[FieldError]:
    for complaint in qualified(name):
        yield invalid_value(path, name, complaint)


def default_tolerations(tolerations: Sequence[DeviceToleration]) -> None:
    for toleration in tolerations:
        if not toleration.operator:
            toleration.operator = "Equal"


def default_device_claim(claim: DeviceClaim) -> None:
    for request in claim.requests:
        for wanted in (request.exactly, *request.firstAvailable):
            if wanted is not None:
                default_tolerations(wanted.tolerations)
                if not wanted.allocationMode:
                    wanted.allocationMode = "ExactCount"
                if wanted.allocationMode == "ExactCount" and not wanted.count:
                    wanted.count = 1


ADMIN_LABEL = "resource.kubernetes.io/admin-access"


def forbidden_admin_access(claim: DeviceClaim) -> FieldError | None:
    """What is said of a claim that asks for devices to look after them, where the namespace does not allow it."""
    for index, request in enumerate(claim.requests):
        if request.exactly is not None and request.exactly.adminAccess:
            detail = f"admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
            return forbidden(f"spec.devices.requests[{index}].adminAccess", detail)
    return None
