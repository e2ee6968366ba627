"""What the kubelet's server asks of the kubelet's core: which container a request means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from kubelet.runtime.protocol import ContainerStats


class UnknownContainer(Exception):
    """No such pod or container on this node, or it has never run.  The message is the response's body
    (Kubernetes sends 404 for a missing pod, 400 for a container that has nothing to show)."""

    def __init__(self, message: str, *, http_status: int = 404) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class ContainerReference:
    """A container of a pod on this node, at one attempt."""

    container_id: str
    log_path: str
    running: bool
    tty: bool = False
    stdin: bool = False


@dataclass(frozen=True, slots=True)
class PodStats:
    namespace: str
    name: str
    uid: str
    containers: dict[str, ContainerStats]  # by container name
    started: dict[str, datetime] = field(default_factory=dict)  # by container name


class ServerBackend(Protocol):
    """Answered by the kubelet's core."""

    async def find_container(
        self, namespace: str, pod: str, container: str, *, uid: str = "", previous: bool = False
    ) -> ContainerReference:
        """The container's current attempt, or with `previous` the one before.  `container` may name an init or
        an ephemeral container; empty means the only one.  Raises UnknownContainer."""
        ...

    async def wait_finished(self, container_id: str) -> None:
        """Return when that container has exited or is gone (at once when it already is)."""
        ...

    async def find_sandbox(self, namespace: str, pod: str, *, uid: str = "") -> str:
        """The id of the pod's ready sandbox.  Raises UnknownContainer."""
        ...

    def pods_json(self) -> bytes:
        """A v1 PodList of the pods bound to this node, encoded."""
        ...

    async def pod_stats(self, node: str = "") -> list[PodStats]:
        """Of the pods of one of the nodes of this process, or of all."""
        ...

    def healthy(self) -> bool: ...

    def metrics_text(self) -> str:
        """Prometheus text format."""
        ...
