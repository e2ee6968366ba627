"""The little that pretended pods need of their node."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from api.core_v1 import Container, Pod
from kubelet.annotations import HASH, IMAGE_ID
from kubelet.pod_actions import container_hash
from kubelet.runtime.protocol import ContainerConfig, ContainerStatus, Image, SandboxConfig


class SimPreparation:
    """Pretended pods need no files: only names."""

    def __init__(self, log_file: str = "") -> None:
        self._log_file = log_file

    async def prepare(self, pod: Pod) -> None:
        return None

    async def refresh(self, pod: Pod) -> None:
        return None

    def renew_at(self, pod: Pod) -> datetime | None:
        return None

    async def release(self, uid: str) -> None:
        return None

    def forget_run(self, pod: Pod, run: ContainerStatus) -> None:
        return None

    def sweep(self, keep: Set[str]) -> None:
        return None

    async def remove(self, pod: Pod) -> None:
        return None

    def sandbox_config(self, pod: Pod, attempt: int) -> SandboxConfig:
        meta = pod.metadata
        return SandboxConfig(
            meta.uid,
            meta.name,
            meta.namespace,
            meta.name,
            host_network=pod.spec.hostNetwork,
            attempt=attempt,
            annotations=meta.annotations,
        )

    async def container_config(
        self, pod: Pod, container: Container, attempt: int, image: Image, pod_ips: tuple[str, ...]
    ) -> ContainerConfig:
        return ContainerConfig(
            container.name,
            container.image,
            (),
            attempt=attempt,
            log_path=self._log_file,
            annotations={IMAGE_ID: image.id, HASH: container_hash(container)},
        )

    def termination_message(self, pod: Pod, container: Container, run: ContainerStatus) -> str:
        return ""
