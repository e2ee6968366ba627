"""A scheduler without a server: nodes and pods from a few words, decisions recorded instead of sent."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from typing import Any

from api.clock import ManualClock
from api.core_v1 import Binding, Node, Pod
from client.metrics import Registry
from scheduler.algorithm import Algorithm, Nominations
from scheduler.cache import Cache
from scheduler.framework import Framework, Plugin, Weighted
from scheduler.metrics import SchedulerMetrics
from scheduler.plugins import default_plugins
from scheduler.plugins.default_binder import DefaultBinder
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.pod_info import PodInfo
from scheduler.queue import SchedulingQueue
from scheduler.scheduler import Scheduler
from scheduler.watching import Watching
from scheduler.workloads import KnownWorkloads

_uids = itertools.count(1)


def make_node(name: str, *, labels: Mapping[str, str] | None = None, **more: Any) -> Node:
    """A node of 4 CPUs, 8Gi and 110 pods, unless told otherwise (cpu=, memory=, pods=, resources=, taints=, …)."""
    allocatable = {"cpu": more.get("cpu", "4"), "memory": more.get("memory", "8Gi"), "pods": more.get("pods", "110")}
    allocatable |= more.get("resources", {})
    return Node.from_dict(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": {
                "taints": [_taint(t) for t in more.get("taints", [])],
                "unschedulable": more.get("unschedulable", False),
            },
            "status": {"allocatable": allocatable, "images": more.get("images", [])},
        }
    )


def _taint(text: str) -> dict[str, str]:
    """ "key=value:Effect" """
    pair, effect = text.rsplit(":", 1)
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


def make_pod(
    name: str = "", *, namespace: str = "default", labels: Mapping[str, str] | None = None, **more: Any
) -> Pod:
    """A pod; cpu= and memory= are its one container's requests, the rest goes into the spec."""
    number = next(_uids)
    requests = {k: more.pop(k) for k in ("cpu", "memory") if k in more} | more.pop("requests", {})
    metadata = {
        "name": name or f"pod-{number}",
        "namespace": namespace,
        "uid": f"uid-{number}",
        "labels": dict(labels or {}),
        "generation": 1,
        **more.pop("metadata", {}),
    }
    status = more.pop("status", {})
    container = {"name": "c", "image": "app", "resources": {"requests": requests}, "ports": more.pop("ports", [])}
    return Pod.from_dict(
        {"metadata": metadata, "spec": {"containers": [container], **more}, "status": {"phase": "Pending", **status}}
    )


class World:
    """Everything but the API server.  `bindings` maps pod keys to nodes; `events` and `patches` are in order."""

    def __init__(self, *nodes: Node, extra: list[Plugin] | None = None, seed: int = 1) -> None:
        self.clock = ManualClock()
        self.cache = Cache(self.clock)
        self.workloads = KnownWorkloads()
        self.nominations = Nominations()
        self.bindings: dict[str, str] = {}
        self.events: list[tuple[str, str, str]] = []
        self.patches: list[tuple[str, Mapping[str, Any]]] = []
        self.deleted: list[str] = []
        self.refuse: Exception | None = None
        self.pods: dict[str, Pod] = {}
        plugins = [
            *default_plugins(self.cache, self.workloads),
            *(Weighted(p) for p in extra or []),
            Weighted(DefaultBinder(self.bind)),
        ]
        plugins.append(Weighted(DefaultPreemption(self.cache, self.nominations, lambda _: self.framework, self.evict)))
        self.framework = Framework(plugins)
        self.queue = SchedulingQueue(self.clock, lambda _: self.framework)
        self.algorithm = Algorithm(self.cache, self.nominations, choose=random.Random(seed))
        self.registry = Registry()
        profiles = {"default-scheduler": self.framework}
        self.scheduler = Scheduler(
            self.cache,
            self.queue,
            self.algorithm,
            self.nominations,
            profiles,
            self,
            self.clock,
            SchedulerMetrics(self.registry, self.queue.counts),
        )
        self.watching = Watching(self.cache, self.queue, self.nominations, self.workloads, profiles)
        for node in nodes:
            self.watching.node(None, node)

    async def bind(self, binding: Binding) -> None:
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        self.bindings[f"{binding.metadata.namespace}/{binding.metadata.name}"] = binding.target.name

    async def patch_status(self, pod: Pod, status: Mapping[str, Any]) -> None:
        self.patches.append((f"{pod.metadata.namespace}/{pod.metadata.name}", status))

    async def evict(self, victim: PodInfo, pod: PodInfo, node_name: str) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.deleted.append(victim.name)

    def event(self, pod: Pod, type: str, reason: str, message: str) -> None:
        self.events.append((pod.metadata.name, reason, message))

    def add(self, *pods: Pod) -> None:
        """The watch shows new pods, waiting or (with nodeName) bound."""
        for pod in pods:
            self.pods[pod.metadata.uid] = pod
            self.watching.pod(None, pod)

    def change(self, pod: Pod, **spec: Any) -> Pod:
        """The watch shows the pod with other values in its spec."""
        document = pod.to_dict()
        document["spec"] |= spec
        document["metadata"]["generation"] += 1
        new = Pod.from_dict(document)
        self.watching.pod(self.pods[pod.metadata.uid], new)
        self.pods[pod.metadata.uid] = new
        return new

    def remove(self, pod: Pod) -> None:
        self.watching.pod(self.pods.pop(pod.metadata.uid), None)

    def confirm(self) -> None:
        """The watch shows all pods that were bound."""
        for pod in list(self.pods.values()):
            node = self.bindings.get(f"{pod.metadata.namespace}/{pod.metadata.name}")
            if node and not pod.spec.nodeName:
                self.change(pod, nodeName=node)

    async def run(self) -> None:
        """Schedule until nothing is left to try now."""
        while (queued := self.queue.pop_now()) is not None:
            await self.scheduler.schedule_one(queued)
        await self.scheduler.settle()

    async def schedule(self, *pods: Pod) -> list[str | None]:
        """Add pods, schedule, and return their nodes."""
        self.add(*pods)
        await self.run()
        return [self.bindings.get(f"{p.metadata.namespace}/{p.metadata.name}") for p in pods]

    async def why(self, pod: Pod) -> str:
        """Schedule a pod that will not fit and return the message of its FailedScheduling event."""
        assert await self.schedule(pod) == [None]
        found = [m for name, reason, m in self.events if name == pod.metadata.name and reason == "FailedScheduling"]
        return found[-1]

    def info(self, pod: Pod) -> PodInfo:
        return PodInfo(pod)
