"""Answers what the kubelet's own server asks: which container is meant, where its log is, how it fares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from client.metrics import Registry
from kubelet.kubelet import Kubelet
from kubelet.pod_view import has_ended, is_running
from kubelet.pod_worker import PodWorker
from kubelet.runtime.protocol import ContainerStats, ContainerStatus, SandboxState
from kubelet.server.backend import ContainerReference, PodStats, UnknownContainer


class KubeletBackend:
    """For all nodes of this process at once."""

    def __init__(self, kubelets: Sequence[Kubelet], registry: Registry) -> None:
        self._kubelets = kubelets
        self._registry = registry

    async def find_container(
        self, namespace: str, pod: str, container: str, *, uid: str = "", previous: bool = False
    ) -> ContainerReference:
        worker = self._pod(namespace, pod, uid)
        spec = worker.pod.spec
        names = [c.name for c in [*spec.containers, *spec.initContainers]]
        if not container and len(spec.containers) == 1:
            container = spec.containers[0].name
        if container not in names:
            raise UnknownContainer(f"container {container} not found in pod {pod}_{namespace}", http_status=404)
        runs = worker.view().history.get(container, [])
        if previous:
            runs = runs[1:] if runs else []
            if not runs:
                message = f'previous terminated container "{container}" in pod "{pod}" not found'
                raise UnknownContainer(message, http_status=400)
        if not runs:
            waiting = worker.waiting.get(container)
            reason = waiting.reason if waiting is not None else "ContainerCreating"
            if waiting is not None and waiting.reason in ("ErrImagePull", "ImagePullBackOff"):
                reason = "trying and failing to pull image"
            message = f'container "{container}" in pod "{pod}" is waiting to start: {reason}'
            raise UnknownContainer(message, http_status=400)
        run: ContainerStatus = runs[0]
        return ContainerReference(run.id, run.log_path, is_running(run), run.config.tty, run.config.stdin)

    async def wait_finished(self, container_id: str) -> None:
        owner = next((k for k in self._kubelets for w in k.workers.values() if container_id in w.runs), None)
        if owner is None:
            return
        changed: asyncio.Event = asyncio.Event()
        owner.listeners.add(changed)
        try:
            while any(
                container_id in worker.runs and not has_ended(worker.runs[container_id])
                for worker in owner.workers.values()
            ):
                changed.clear()
                await changed.wait()
        finally:
            owner.listeners.discard(changed)

    async def find_sandbox(self, namespace: str, pod: str, *, uid: str = "") -> str:
        sandbox = self._pod(namespace, pod, uid).sandbox
        if sandbox is None or sandbox.state != SandboxState.READY:
            raise UnknownContainer(f"pod {pod}_{namespace} has no running sandbox", http_status=404)
        return sandbox.id

    def pods_json(self) -> bytes:
        items = [pod.to_dict() | {"apiVersion": "v1", "kind": "Pod"} for k in self._kubelets for pod in k.pods()]
        return orjson.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def pod_stats(self, node: str = "") -> list[PodStats]:
        found = []
        for kubelet in self._kubelets:
            if node and kubelet.host.node_name != node:
                continue
            stats = {stat.container_id: stat for stat in await kubelet.host.runtime.container_stats()}
            found += [_stats(worker, stats) for worker in kubelet.workers.values()]
        return found

    def healthy(self) -> bool:
        return all(kubelet.healthy for kubelet in self._kubelets)

    def metrics_text(self) -> str:
        return self._registry.render()

    def _pod(self, namespace: str, name: str, uid: str) -> PodWorker:
        for kubelet in self._kubelets:
            worker = kubelet.find(namespace, name, uid)
            if worker is not None:
                return worker
        raise UnknownContainer(f"pod {name}_{namespace} not found", http_status=404)


def _stats(worker: PodWorker, stats: dict[str, ContainerStats]) -> PodStats:
    meta = worker.pod.metadata
    mine = {run.name: stats[run.id] for run in worker.runs.values() if run.id in stats}
    started = {run.name: run.started_at for run in worker.runs.values() if run.id in stats and run.started_at}
    return PodStats(meta.namespace, meta.name, meta.uid, mine, started)
