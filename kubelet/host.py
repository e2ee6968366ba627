"""What the pods of a node share."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from api.clock import Clock
from api.core_v1 import Container, Pod
from client.events import EventRecorder
from client.rest import RestClient
from kubelet.backoff import Backoff
from kubelet.metrics import KubeletMetrics
from kubelet.runtime.protocol import ContainerConfig, ContainerStatus, Image, Runtime, SandboxConfig
from kubelet.timers import Timers


class Preparation(Protocol):
    """Turns what a pod asks for into what a runtime is told, and keeps the files that takes."""

    async def prepare(self, pod: Pod) -> None:
        """Set up volumes and folders; may be called again.  Raises VolumeError naming the first that failed."""
        ...

    def sandbox_config(self, pod: Pod, attempt: int) -> SandboxConfig: ...

    async def container_config(
        self, pod: Pod, container: Container, attempt: int, image: Image, pod_ips: tuple[str, ...]
    ) -> ContainerConfig:
        """Raises ConfigurationError."""
        ...

    def termination_message(self, pod: Pod, container: Container, run: ContainerStatus) -> str:
        """What an ended run left to be said, "" for nothing."""
        ...

    async def refresh(self, pod: Pod) -> None:
        """Bring mounted data up to date.  Raises VolumeError."""
        ...

    def renew_at(self, pod: Pod) -> datetime | None:
        """When mounted data has to be brought up to date although no object changes (tokens expire)."""
        ...

    async def release(self, uid: str) -> None:
        """Nothing of the pod runs any more: take its volumes down."""
        ...

    def forget_run(self, pod: Pod, run: ContainerStatus) -> None:
        """A run was removed for newer ones: remove its log and what else it left."""
        ...

    def sweep(self, keep: Set[str]) -> None:
        """Remove what earlier kubelets left of pods other than these (by uid)."""
        ...

    async def remove(self, pod: Pod) -> None:
        """The pod is gone from the API: remove its logs and all else."""
        ...


@dataclass(slots=True)
class Host:
    """The node as its pods' workers see it.  `quiet` hosts record no Normal events about containers."""

    node_name: str
    client: RestClient
    clock: Clock
    timers: Timers
    runtime: Runtime
    events: EventRecorder
    preparation: Preparation
    metrics: KubeletMetrics
    restarts: Backoff
    image_retries: Backoff
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False

    def tell(self, pod: Pod, kind: str, reason: str, message: str, container: str = "") -> None:
        """Record an event about a pod or one of its containers."""
        if self.quiet and kind == "Normal":
            return
        path = ""
        if container:
            is_init = any(c.name == container for c in pod.spec.initContainers)
            path = f"spec.{'initContainers' if is_init else 'containers'}{{{container}}}"
        self.events.event(pod, kind, reason, message, field_path=path)
