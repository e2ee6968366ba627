"""Whether an expression selects a device.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/resource-claim-v1/#ResourceClaimSpec (`cel`): the
expression sees `device` with its driver, attributes and capacity, both by the domain of their names and what follows;
names without a domain are in the driver's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from api.resource_v1 import DeviceAttribute, DeviceSelector
from cel import BudgetExceeded, EvaluationError
from cel.devices import device_selector
from cel.libraries.quantity import as_quantity
from cel.libraries.semver import as_semver
from cel.program import Program
from cel.refusals import Refused
from cel.values import type_of
from scheduler.devices.errors import AllocationError
from scheduler.devices.pools import Offer

_BUDGET = 1_000_000


class _Domains(dict[str, Any]):
    """A domain that a device says nothing of is empty, not missing."""

    def __missing__(self, key: str) -> dict[str, Any]:
        return {}


@lru_cache(maxsize=64)
def _compiled(expression: str) -> Program | Refused:
    try:
        return device_selector(expression)
    except Refused as refused:
        return refused


def selects_all(offer: Offer, selectors: Iterable[DeviceSelector], whose: str) -> bool:
    """Whether all selectors select a device.  `whose` they are begins the text of an AllocationError."""
    for i, selector in enumerate(selectors):
        if selector.cel is None:
            raise AllocationError(f"{whose}: selector #{i}: CEL expression empty (unsupported selector type?)")
        expression = selector.cel.expression
        answer = offer.answers.get(expression)
        if answer is None:
            answer = _evaluate(offer, expression, f"{whose}: selector #{i}")
            offer.remember(expression, answer)
        if not answer:
            return False
    return True


def _evaluate(offer: Offer, expression: str, where: str) -> bool:
    program = _compiled(expression)
    if isinstance(program, Refused):
        raise AllocationError(f"{where}: CEL compile error: {program}")
    try:
        value, _ = program.evaluate({"device": variable(offer)}, _BUDGET)
    except (EvaluationError, BudgetExceeded) as error:
        raise AllocationError(f"{where}: CEL runtime error: {error}") from None
    if not isinstance(value, bool):
        kind = type_of(value)
        why = f"type conversion error from '{kind}' to 'bool'"
        raise AllocationError(
            f"{where}: CEL runtime error: CEL result of type {kind} could not be converted to bool: {why}"
        )
    return value


def variable(offer: Offer) -> dict[str, Any]:
    """The value of `device`."""
    driver, device = offer.id[0], offer.device
    return {
        "driver": driver,
        "allowMultipleAllocations": bool(device.allowMultipleAllocations),
        "attributes": _by_domain({name: attribute(of) for name, of in device.attributes.items()}, driver),
        "capacity": _by_domain({name: as_quantity(of.value) for name, of in device.capacity.items()}, driver),
    }


def _by_domain(values: Mapping[str, Any], driver: str) -> _Domains:
    found = _Domains()
    for name in sorted(values, key=lambda name: "/" in name):  # what names its domain goes before what does not
        domain, slash, rest = name.partition("/")
        if slash:
            found.setdefault(domain, {})[rest] = values[name]
        else:
            found.setdefault(driver, {})[name] = values[name]
    return found


def attribute(of: DeviceAttribute) -> Any:
    """The value of an attribute, as expressions see it."""
    if of.version is not None:
        return as_semver(of.version)
    return next((value for value in (of.bool_, of.int_, of.string) if value is not None), None)
