"""What the watches of devices bring; they are opened when the first pod that asks for devices is to be placed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.model import Model
from api.resource_v1 import DeviceClass, ResourceClaim, ResourceSlice
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.devices.inventory import Inventory
from scheduler.queue import SchedulingQueue

Seen = Callable[[Any, Any], None]
"""An informer's callback: the object before and after, None for none."""


def callbacks(inventory: Inventory, queue: SchedulingQueue) -> dict[type[Model], Seen]:
    """What to call for changes of each kind."""

    def claim(old: ResourceClaim | None, new: ResourceClaim | None) -> None:
        inventory.claim_seen(old, new)
        inventory.changed()
        seen = new or old
        if old is not None and old.status.allocation is not None and (new is None or new.status.allocation is None):
            queue.move(ClusterEvent(Change.DEVICES_FREED, resource_claim=seen))
        elif new is not None and (old is None or old.status != new.status):
            queue.move(ClusterEvent(Change.RESOURCE_CLAIM, resource_claim=new))

    def device_class(old: DeviceClass | None, new: DeviceClass | None) -> None:
        inventory.class_seen(old, new)
        if new is not None:
            queue.move(ClusterEvent(Change.DEVICE_CLASS))

    def resource_slice(old: ResourceSlice | None, new: ResourceSlice | None) -> None:
        inventory.slice_seen(old, new)
        if new is not None:
            queue.move(ClusterEvent(Change.RESOURCE_SLICE))

    return {ResourceClaim: claim, DeviceClass: device_class, ResourceSlice: resource_slice}
