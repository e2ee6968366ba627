"""The devices that claims have: whole ones, and shares of those that allow it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from api.quantity import parse
from api.resource_v1 import ResourceClaim

DeviceId = tuple[str, str, str]
"""Driver, pool, name."""

Amounts = dict[str, Decimal]
"""Of a device's capacities, by name."""


class Allocated:
    """Counts the allocations of claims.  Devices given for administration are not in use by that."""

    def __init__(self) -> None:
        self.devices: Counter[DeviceId] = Counter()
        """Those that a claim has for itself."""
        self.shares: Counter[DeviceId] = Counter()
        """Into how many shares others are split."""
        self.consumed: dict[DeviceId, Amounts] = {}
        """What all shares of a device together take of its capacities."""

    def add(self, claim: ResourceClaim) -> None:
        self._count(claim, 1)

    def remove(self, claim: ResourceClaim) -> None:
        self._count(claim, -1)

    def _count(self, claim: ResourceClaim, sign: int) -> None:
        if claim.status.allocation is None:
            return
        for result in claim.status.allocation.devices.results:
            if result.adminAccess:
                continue
            device = (result.driver, result.pool, result.device)
            if result.shareID is None:
                _change(self.devices, device, sign)
                continue
            _change(self.shares, device, sign)
            consumed = self.consumed.setdefault(device, {})
            for name, amount in result.consumedCapacity.items():
                consumed[name] = consumed.get(name, Decimal(0)) + sign * parse(amount)
            if device not in self.shares:
                del self.consumed[device]

    def __contains__(self, device: DeviceId) -> bool:
        """Whether any claim has it or a share of it."""
        return device in self.devices or device in self.shares


def _change(counter: Counter[DeviceId], device: DeviceId, by: int) -> None:
    counter[device] += by
    if not counter[device]:
        del counter[device]
