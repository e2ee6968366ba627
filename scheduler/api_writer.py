"""Writes what the scheduler decides through the REST API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from api.clock import Clock
from api.core_v1 import Binding, Pod
from api.errors import Conflict, NotFound
from client.events import EventRecorder
from client.rest import RestClient
from scheduler.pod_info import PodInfo

if TYPE_CHECKING:
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim
    from api.resource_v1 import ResourceClaim


class ApiWriter:
    """A `Writer`.  Events carry the name of the profile that their pod belongs to."""

    def __init__(self, client: RestClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._recorders: dict[str, EventRecorder] = {}

    async def close(self) -> None:
        for recorder in self._recorders.values():
            await recorder.close()

    async def bind(self, binding: Binding) -> None:
        meta = binding.metadata
        await self._client.create_subresource(Pod, meta.name, meta.namespace, "binding", binding)

    async def patch_status(self, pod: Pod, status: Mapping[str, Any]) -> None:
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": status}
        await self._client.patch(Pod, meta.name, meta.namespace, body, type="strategic", subresource="status")

    async def evict(self, victim: PodInfo, pod: PodInfo, node_name: str) -> None:
        """It may already be gone."""
        scheduler = pod.pod.spec.schedulerName
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "observedGeneration": victim.pod.metadata.generation,
        }
        try:
            await self.patch_status(victim.pod, {"conditions": [condition]})
            await self._client.delete(Pod, victim.name, victim.namespace, uid=victim.uid)
        except (NotFound, Conflict):
            return
        message = f"Preempted by pod {pod.uid} on node {node_name}"
        self._recorder(scheduler).event(victim.pod, "Normal", "Preempted", message, action="Preempting")

    async def update_volume(self, volume: PersistentVolume) -> PersistentVolume:
        return await self._client.update(volume)

    async def update_claim(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
        return await self._client.update(claim)

    async def read_resource_claim(self, namespace: str, name: str) -> ResourceClaim:
        from api.resource_v1 import ResourceClaim

        return await self._client.get(ResourceClaim, name, namespace)

    async def create_resource_claim(self, claim: ResourceClaim) -> ResourceClaim:
        return await self._client.create(claim)

    async def update_resource_claim(self, claim: ResourceClaim, subresource: str = "") -> ResourceClaim:
        return await self._client.update(claim, subresource=subresource)

    async def patch_resource_claim(self, claim: ResourceClaim, status: Mapping[str, Any]) -> None:
        meta = claim.metadata
        body = {"metadata": {"uid": meta.uid}, "status": status}
        await self._client.patch(type(claim), meta.name, meta.namespace, body, type="strategic", subresource="status")

    async def delete_resource_claim(self, claim: ResourceClaim) -> None:
        """It may already be gone."""
        with suppress(NotFound):
            await self._client.delete(type(claim), claim.metadata.name, claim.metadata.namespace)

    def event(self, pod: Pod, type: str, reason: str, message: str, action: str) -> None:
        self._recorder(pod.spec.schedulerName).event(pod, type, reason, message, action=action)

    def _recorder(self, scheduler: str) -> EventRecorder:
        name = scheduler or "default-scheduler"
        if name not in self._recorders:
            self._recorders[name] = EventRecorder(self._client, name, self._clock)
        return self._recorders[name]
