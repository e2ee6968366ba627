"""Devices that have to be prepared before a pod may be bound (binding conditions, KEP-5007).

A device names conditions that its driver sets in the claim's status: the pod is bound when all of them are true, and
another device is looked for when one that means failure is, or when it takes too long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from api.meta_v1 import Condition
from api.resource_v1 import DeviceRequestAllocationResult, ResourceClaim


class BindingFailed(Exception):
    """A device cannot be prepared."""


def have_conditions(claims: Iterable[ResourceClaim]) -> bool:
    return any(result.bindingConditions for claim in claims for result in _results(claim))


def drivers_to_wait_for(claims: Iterable[ResourceClaim]) -> Counter[str]:
    """How many devices with binding conditions there are of each driver."""
    return Counter(result.driver for claim in claims for result in _results(claim) if result.bindingConditions)


def is_ready(claim: ResourceClaim) -> bool:
    """Whether all devices of an allocated claim may be used.  Raises BindingFailed."""
    for result in _results(claim):
        if not result.bindingConditions:
            continue
        conditions = _conditions(claim, result)
        if conditions is None:
            return False
        for failure in result.bindingFailureConditions:
            found = next((each for each in conditions if each.type == failure and each.status == "True"), None)
            if found is not None:
                raise BindingFailed(
                    f"device binding failed: claim={claim.metadata.name}, reason={found.reason}, "
                    f'message="{found.message}"'
                )
        true = {each.type for each in conditions if each.status == "True"}
        if not true.issuperset(result.bindingConditions):
            return False
    return claim.status.allocation is not None


def has_timed_out(claim: ResourceClaim, now: datetime, seconds: float) -> bool:
    """Whether a claim's devices have been waited for long enough."""
    allocation = claim.status.allocation
    if allocation is None or allocation.allocationTimestamp is None:
        return False
    return have_conditions([claim]) and allocation.allocationTimestamp + timedelta(seconds=seconds) < now


def _results(claim: ResourceClaim) -> list[DeviceRequestAllocationResult]:
    return claim.status.allocation.devices.results if claim.status.allocation is not None else []


def _conditions(claim: ResourceClaim, result: DeviceRequestAllocationResult) -> list[Condition] | None:
    """What the driver says of a device; None as long as it has not said anything."""
    for status in claim.status.devices:
        if (status.driver, status.pool, status.device) == (result.driver, result.pool, result.device):
            return status.conditions
    return None
