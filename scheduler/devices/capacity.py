"""How much of a device's capacities a request takes (consumable capacity, KEP-5075).

Devices that allow it are given out in shares; a policy says which amounts a share may have.  Requests are rounded up to
the next amount that may be had.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from api.quantity import format_as, parse, whole
from api.resource_v1 import CapacityRequestPolicy, CapacityRequestPolicyRange, CapacityRequirements, Device
from api.resource_v1 import DeviceCapacity as Capacity

NOTHING: Mapping[str, Decimal] = {}


def taken(device: Device, wanted: CapacityRequirements | None, used: Mapping[str, Decimal]) -> dict[str, str] | None:
    """What a request takes of each capacity, where `used` is taken already; None when the device cannot give it."""
    requests = wanted.requests if wanted is not None else {}
    if not requests.keys() <= device.capacity.keys():
        return None
    found = {}
    for name, capacity in device.capacity.items():
        amount = _rounded(requests.get(name), capacity)
        if _violates(amount, capacity.requestPolicy):
            return None
        if used.get(name, 0) + parse(amount) > parse(capacity.value):
            return None
        found[name] = amount
    return found


def _rounded(wanted: str | None, capacity: Capacity) -> str:
    policy = capacity.requestPolicy
    if wanted is None:
        return policy.default if policy is not None and policy.default is not None else capacity.value
    if policy is None:
        return wanted
    if policy.validRange is not None and policy.validRange.min is not None:
        return _rounded_in(policy.validRange, policy.validRange.min, wanted)
    return next((value for value in policy.validValues if parse(wanted) <= parse(value)), wanted)


def _rounded_in(range: CapacityRequestPolicyRange, least: str, wanted: str) -> str:
    if parse(wanted) < parse(least):
        return least
    if range.step is None:
        return wanted
    start, step = whole(least), whole(range.step)
    steps = -((start - whole(wanted)) // step)
    return format_as(Decimal(start + step * steps), "binary")


def _violates(amount: str, policy: CapacityRequestPolicy | None) -> bool:
    if policy is None or (policy.default is not None and parse(amount) == parse(policy.default)):
        return False
    if policy.validRange is not None:
        range = policy.validRange
        if range.max is not None and parse(amount) > parse(range.max):
            return True
        return range.step is not None and (whole(amount) - whole(range.min or "0")) % whole(range.step) != 0
    return bool(policy.validValues) and all(parse(amount) != parse(value) for value in policy.validValues)
