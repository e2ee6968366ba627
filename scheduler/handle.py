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
    from scheduler.budgets import Budgets
    from scheduler.extender import Extender
    from scheduler.framework import Framework
    from scheduler.metrics import SchedulerMetrics
    from scheduler.pod_info import PodInfo
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

    def event(self, pod: Pod, type: str, reason: str, message: str, action: str) -> None: ...


@dataclass
class Handle:
    cache: Cache
    workloads: Workloads
    nominations: Nominations
    storage: Storage
    budgets: Budgets
    writer: Writer
    clock: Clock
    metrics: SchedulerMetrics
    framework_of: Callable[[PodInfo], Framework]
    """The profile that a pod belongs to."""
    extenders: Sequence[Extender] = field(default_factory=tuple)
