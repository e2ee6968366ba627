"""The requests of a claim in one form, whether exactly this is asked for or the first of several alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.resource_v1 import (
    CapacityRequirements,
    DeviceRequest,
    DeviceSelector,
    DeviceSubRequest,
    DeviceTaint,
    DeviceToleration,
    ExactDeviceRequest,
    ResourceClaim,
)


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """One request, or one alternative of it."""

    request: str
    """The request's name."""
    name: str
    """How results refer to it: "request" or "request/alternative"."""
    class_name: str
    everything: bool
    """All devices that match are wanted, not `count` of them."""
    count: int
    admin: bool
    selectors: Sequence[DeviceSelector]
    tolerations: Sequence[DeviceToleration]
    capacity: CapacityRequirements | None

    @property
    def own_name(self) -> str:
        return self.name.rpartition("/")[2]


def alternatives(request: DeviceRequest) -> list[Wish]:
    """The ways to satisfy a request, the best first."""
    if request.exactly is not None:
        return [_wish(request.name, request.name, request.exactly, bool(request.exactly.adminAccess))]
    return [_wish(request.name, f"{request.name}/{each.name}", each, False) for each in request.firstAvailable]


def _wish(request: str, name: str, of: ExactDeviceRequest | DeviceSubRequest, admin: bool) -> Wish:
    everything = of.allocationMode == "All"
    count = of.count
    return Wish(request, name, of.deviceClassName, everything, count, admin, of.selectors, of.tolerations, of.capacity)


class Asked:
    """Claims with the alternatives of their requests."""

    def __init__(self, claims: Sequence[ResourceClaim]) -> None:
        self.claims = claims
        self.wishes = [[alternatives(each) for each in claim.spec.devices.requests] for claim in claims]


def is_kept_off(taints: Sequence[DeviceTaint], tolerations: Sequence[DeviceToleration]) -> bool:
    """Whether a taint keeps a device from being given out."""
    return any(
        taint.effect in ("NoSchedule", "NoExecute") and not any(tolerates(each, taint) for each in tolerations)
        for taint in taints
    )


def tolerates(toleration: DeviceToleration, taint: DeviceTaint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.operator in ("", "Equal") and toleration.value == taint.value)
