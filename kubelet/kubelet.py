"""One node: registers it, follows the pods bound to it and hands each to its worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from api.core_v1 import Node, Pod
from api.errors import StatusError
from client.rest import Unreachable
from kubelet.admission import admit
from kubelet.host import Host
from kubelet.lease import RENEW_EVERY, NodeLease
from kubelet.node import NodeReporter, node_labels
from kubelet.orphans import remove_orphan
from kubelet.pod_worker import PodWorker
from kubelet.runtime.protocol import ContainerStatus, RuntimeFailure, Sandbox
from kubelet.runtime.sim import SimRuntime
from kubelet.status_writer import StatusWriter

log = logging.getLogger(__name__)

_RETRY = 1.0
_ORPHAN_RETRY = 10.0


class Kubelet:
    """One node of the cluster.

    `pods` names the pods that the API has for this node.  Start with `start()`, then feed `pod_changed` and run
    `run()`; pods that run from before are found again and go on.
    """

    def __init__(self, host: Host, node: NodeReporter, lease: NodeLease, update_every: float = RENEW_EVERY) -> None:
        self.host = host
        self.node = node
        self._lease = lease
        self._update_every = update_every
        self.workers: dict[str, PodWorker] = {}
        self._writer = StatusWriter(host.client, host.clock, host.timers, host.metrics)
        self._found: dict[str, tuple[list[Sandbox], list[ContainerStatus]]] = {}
        self._early: list[tuple[Pod | None, Pod | None]] | None = []
        self._healthy = False
        self._pod_cidr = ""
        self._disputed = asyncio.Event()
        self._orphans: set[asyncio.Task[None]] = set()
        self.listeners: set[asyncio.Event] = set()
        """Set whenever a container started or ended."""

    @property
    def healthy(self) -> bool:
        """Whether the runtime works."""
        return self._healthy

    # --- starting --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the runtime and see what it has.  Raises RuntimeFailure."""
        runtime = self.host.runtime
        await runtime.start()
        await self._learn_pod_cidr()
        self._events = runtime.events()
        for sandbox in await runtime.list_sandboxes():
            self._found.setdefault(sandbox.config.pod_uid, ([], []))[0].append(sandbox)
        for run in await runtime.list_containers():
            self._found.setdefault(run.pod_uid, ([], []))[1].append(run)
        self._healthy = True
        early, self._early = self._early or [], None
        for old, new in early:
            self.pod_changed(old, new)

    async def _learn_pod_cidr(self) -> None:
        """Tell the runtime the range of pod addresses, from the flags or as a controller gave it to the node."""
        spec = self.node.node.spec if self.node.node is not None else None
        cidr = self.node.facts.pod_cidr or (spec.podCIDR if spec is not None else "")
        if cidr and cidr != self._pod_cidr:
            await self.host.runtime.update_pod_cidr(cidr)
            self._pod_cidr = cidr

    async def run(self, synced: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work until cancelled.  `synced` is awaited before pods nobody knows are ended."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_runtime())
                group.create_task(self._heartbeats())
                group.create_task(self._correct_node())
                group.create_task(self._end_orphans(synced))
        finally:
            self.stop()

    def stop(self) -> None:
        """Let go of all pods; they go on without us."""
        for worker in self.workers.values():
            worker.stop()
        self._writer.stop()
        for task in self._orphans:
            task.cancel()

    # --- pods ------------------------------------------------------------------------------------

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """A pod of this node was bound, changed or went away in the API."""
        if self._early is not None:
            self._early.append((old, new))
            return
        if new is None:
            if old is not None and old.metadata.uid in self.workers:
                self.workers[old.metadata.uid].removed()
            return
        worker = self.workers.get(new.metadata.uid)
        if worker is not None:
            worker.update(new)
            return
        self._add(new)

    def _add(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        runtime = self.host.runtime
        sandboxes, runs = self._found.pop(uid, ([], []))
        if isinstance(runtime, SimRuntime):
            sandboxes, runs = runtime.adopt(pod)
        worker = PodWorker(self.host, self._writer, pod, self._finished, sandboxes, runs)
        is_new = not sandboxes and not pod.status.startTime and pod.metadata.deletionTimestamp is None
        if is_new:
            refusal = admit(pod, self._active(), self.node.allocatable(), self._labels())
            if refusal is not None:
                worker.reject(refusal.reason, refusal.message)
        self.workers[uid] = worker
        worker.wake()

    def _active(self) -> Iterable[Pod]:
        """Pods that take room."""
        for worker in self.workers.values():
            if worker.failure is None and worker.pod.status.phase not in ("Succeeded", "Failed"):
                yield worker.pod

    def _labels(self) -> Mapping[str, str]:
        return self.node.node.metadata.labels if self.node.node is not None else node_labels(self.node.facts)

    def _finished(self, uid: str) -> None:
        self.workers.pop(uid, None)

    def node_changed(self, node: Node) -> None:
        """The node's object was written, by us or by others."""
        if self.node.observe(node):
            self._disputed.set()

    def volumes_changed(self, uid: str) -> None:
        """Something that a pod mounts has changed."""
        worker = self.workers.get(uid)
        if worker is not None:
            worker.refresh_volumes()

    def pods(self) -> Iterable[Pod]:
        return [worker.pod for worker in self.workers.values()]

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        """The worker of a pod by its name; the newest, where an old one of the same name is still ending."""
        found = [
            worker
            for worker in self.workers.values()
            if worker.pod.metadata.name == name
            and worker.pod.metadata.namespace == namespace
            and uid in ("", worker.pod.metadata.uid)
        ]
        return found[-1] if found else None

    # --- the loops -------------------------------------------------------------------------------

    async def _follow_runtime(self) -> None:
        async for event in self._events:
            worker = self.workers.get(event.pod_uid)
            if worker is not None:
                worker.runtime_event(event)
            for listener in self.listeners:
                listener.set()

    async def _heartbeats(self) -> None:
        clock = self.host.clock
        complained = False
        while True:
            if self.node.node is not None:
                self._lease.node_uid = self.node.node.metadata.uid
            try:
                await self._lease.renew()
                await self.node.report()
                complained = False
            except (StatusError, Unreachable) as error:
                if not complained:
                    log.info("heartbeat of node %s: %s", self.node.facts.name, error)
                complained = True
                await clock.sleep(_RETRY)
                continue
            await clock.sleep(min(RENEW_EVERY, self._update_every))

    async def _correct_node(self) -> None:
        """Set right what others wrote about the node (a controller that missed our heartbeats calls it unknown)."""
        while True:
            await self._disputed.wait()
            self._disputed.clear()
            try:
                await self._learn_pod_cidr()
                await self.node.report(force=self.node.is_wrong())
            except (StatusError, Unreachable, RuntimeFailure) as error:
                log.info("status of node %s: %s", self.node.facts.name, error)
                await self.host.clock.sleep(_RETRY)
                self._disputed.set()

    async def _end_orphans(self, synced: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End what runs for pods that are gone: they were deleted while no kubelet watched."""
        await synced()
        self.host.preparation.sweep(self.workers.keys() | self._found.keys())
        for uid, (sandboxes, runs) in [*self._found.items()]:
            log.info("pod %s is gone from the API: ending what runs of it", uid)
            del self._found[uid]
            task = asyncio.create_task(self._end_orphan(sandboxes, runs))
            self._orphans.add(task)
            task.add_done_callback(self._orphans.discard)

    async def _end_orphan(self, sandboxes: list[Sandbox], runs: list[ContainerStatus]) -> None:
        while True:
            try:
                await remove_orphan(self.host, sandboxes, runs)
                return
            except (RuntimeFailure, OSError) as error:
                log.warning("ending an orphan: %s", error)
            await self.host.clock.sleep(_ORPHAN_RETRY)
