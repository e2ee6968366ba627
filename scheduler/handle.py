"""What a plugin is given when it is made: the picture of the cluster, and the means to change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from api.clock import Clock
from scheduler.cache import Cache
from scheduler.nominations import Nominations

if TYPE_CHECKING:
    from api.core_v1 import Binding, PersistentVolume, PersistentVolumeClaim, Pod
    from api.resource_v1 import ResourceClaim
    from scheduler.budgets import Budgets
    from scheduler.devices.inventory import Inventory
    from scheduler.extender import Extender
    from scheduler.metrics import SchedulerMetrics
    from scheduler.pod_info import PodInfo
    from scheduler.runtime import Framework
    from scheduler.storage import Storage
    from scheduler.workloads import Workloads


class Writer(Protocol):
    """Writes to the API server.  Everything but `event` raises StatusError."""

    async def bind(self, binding: Binding) -> None: ...

    async def patch_status(self, pod: Pod, status: Mapping[str, Any]) -> None:
        """Strategic merge into the pod's status."""
        ...

    async def evict(self, victim: PodInfo, pod: PodInfo, node_name: str) -> None:
        """Delete a victim, so that `pod` has room on the node."""
        ...

    async def update_volume(self, volume: PersistentVolume) -> PersistentVolume: ...

    async def update_claim(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim: ...

    async def read_resource_claim(self, namespace: str, name: str) -> ResourceClaim: ...

    async def create_resource_claim(self, claim: ResourceClaim) -> ResourceClaim: ...

    async def update_resource_claim(self, claim: ResourceClaim, subresource: str = "") -> ResourceClaim: ...

    async def patch_resource_claim(self, claim: ResourceClaim, status: Mapping[str, Any]) -> None:
        """Strategic merge into the claim's status."""
        ...

    async def delete_resource_claim(self, claim: ResourceClaim) -> None: ...

    def event(self, pod: Pod, type: str, reason: str, message: str, action: str) -> None: ...


@dataclass
class Handle:
    cache: Cache
    workloads: Workloads
    nominations: Nominations
    storage: Storage
    devices: Inventory
    budgets: Budgets
    writer: Writer
    clock: Clock
    metrics: SchedulerMetrics
    framework_of: Callable[[PodInfo], Framework]
    """The profile that a pod belongs to."""
    extenders: Sequence[Extender] = field(default_factory=tuple)
