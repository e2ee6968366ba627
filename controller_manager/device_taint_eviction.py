"""Evicts pods that use devices with NoExecute taints which their claims do not tolerate (KEP-5055).

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#device-taints-and-tolerations
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from api.core_v1 import Pod, Taint, Toleration
from api.errors import NotFound
from api.meta_v1 import PartialObjectMetadata
from client.controller import Controller, Key, Watches
from client.store import Store, key_of
from controller_manager.disruption import evict
from controller_manager.node_lifecycle.taints import tolerated_seconds
from controller_manager.resource_claim import CLAIMS, claims_of, is_over

if TYPE_CHECKING:
    from api.resource_v1 import DeviceTaint, DeviceToleration, ResourceClaim, ResourceSlice

_BY_CLAIM = "resource claim"


class DeviceTaintEvictionController(Controller):
    """Looks at slices of devices only once there is a pod that uses some."""

    name = "device-taint-eviction-controller"

    def setup(self, watch: Watches) -> None:
        self._slices: Store[ResourceSlice] | None = None
        self._leaving: set[str] = set()
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={_BY_CLAIM: claims_of})
        self.claims = watch(PartialObjectMetadata, resource=CLAIMS, enqueue=self._claim_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is None:
            self._leaving.discard(old.metadata.uid if old is not None else "")
        elif new.spec.nodeName and any(claims_of(new)):
            yield key_of(new)

    def _claim_changed(self, old: PartialObjectMetadata | None, new: PartialObjectMetadata | None) -> Iterable[Key]:
        if new is not None:
            yield from map(key_of, self.pods.by_index(_BY_CLAIM, key_of(new)))

    def _slice_changed(self, old: ResourceSlice | None, new: ResourceSlice | None) -> Iterable[Key]:
        if any(device.taints for each in (old, new) if each is not None for device in each.spec.devices):
            for claim in self.pods.index_values(_BY_CLAIM):
                yield from map(key_of, self.pods.by_index(_BY_CLAIM, claim))

    async def reconcile(self, key: Key) -> None:
        pod = self.pods.get(key)
        if pod is None or not pod.spec.nodeName or pod.metadata.deletionTimestamp is not None or is_over(pod):
            return
        now, leave_at = self.clock.now(), await self._leave_at(pod)
        if leave_at is None:
            if pod.metadata.uid in self._leaving:
                self._leaving.discard(pod.metadata.uid)
                self.events.event(pod, "Normal", "DeviceTaintManagerEviction", "Cancelling deletion")
            return
        self._leaving.add(pod.metadata.uid)
        remaining = (leave_at - now).total_seconds()
        if remaining > 0:
            self.queue.add_after(key, remaining)
            return
        self.events.event(pod, "Normal", "DeviceTaintManagerEviction", "Marking for deletion")
        message = "Device Taint manager: deleting due to NoExecute taint"
        await evict(self.client, pod, "DeletionByDeviceTaintManager", message, now)

    async def _leave_at(self, pod: Pod) -> datetime | None:
        """When the pod has to go, None for never."""
        from api.resource_v1 import ResourceClaim, ResourceSlice

        if self._slices is None:
            self._slices = await self.watch_too(ResourceSlice, enqueue=self._slice_changed)
        moments: list[datetime] = []
        for key in claims_of(pod):
            namespace, _, name = key.partition("/")
            try:
                claim = await self.client.get(ResourceClaim, name, namespace)
            except NotFound:
                continue
            if any(consumer.uid == pod.metadata.uid for consumer in claim.status.reservedFor):
                moments += eviction_times(claim, self._slices, self.clock.now())
        return min(moments, default=None)


def eviction_times(claim: ResourceClaim, slices: Iterable[ResourceSlice], now: datetime) -> Iterator[datetime]:
    """When users of a claim have to go, for each taint of its devices that is not tolerated for ever."""
    if claim.status.allocation is None:
        return
    pools = list(slices)
    for result in claim.status.allocation.devices.results:
        for taint in _taints(pools, result.driver, result.pool, result.device):
            seconds = tolerated_seconds([_toleration(each) for each in result.tolerations], [_taint(taint)])
            if taint.effect == "NoExecute" and seconds is not None:
                yield (taint.timeAdded or now) + timedelta(seconds=seconds)


def _taints(slices: list[ResourceSlice], driver: str, pool: str, device: str) -> Iterator[DeviceTaint]:
    """A device's taints, as the newest generation of its pool has them."""
    specs = [each.spec for each in slices if (each.spec.driver, each.spec.pool.name) == (driver, pool)]
    newest = max((spec.pool.generation for spec in specs), default=0)
    for spec in specs:
        if spec.pool.generation == newest:
            yield from (taint for each in spec.devices if each.name == device for taint in each.taints)


def _toleration(of_device: DeviceToleration) -> Toleration:
    return Toleration(
        key=of_device.key,
        operator=of_device.operator,
        value=of_device.value,
        effect=of_device.effect,
        tolerationSeconds=of_device.tolerationSeconds,
    )


def _taint(of_device: DeviceTaint) -> Taint:
    return Taint(key=of_device.key, value=of_device.value, effect=of_device.effect)
