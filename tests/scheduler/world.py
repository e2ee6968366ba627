"""A scheduler without a server: nodes and pods from a few words, decisions recorded instead of sent."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx

from api.clock import ManualClock
from api.core_v1 import Binding, Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.model import Model
from client.metrics import Registry
from scheduler.algorithm import Algorithm
from scheduler.budgets import Budgets
from scheduler.cache import Cache
from scheduler.configuration import KIND, parse
from scheduler.devices.inventory import Inventory
from scheduler.extender import Extender
from scheduler.framework import Plugin
from scheduler.handle import Handle
from scheduler.metrics import SchedulerMetrics
from scheduler.nominations import Nominations
from scheduler.plugin_args import API_VERSION
from scheduler.plugins import Factory, default_plugins
from scheduler.pod_info import PodInfo
from scheduler.profiles import build
from scheduler.queue import SchedulingQueue
from scheduler.runtime import Framework, Weighted
from scheduler.scheduler import Scheduler
from scheduler.storage import Storage
from scheduler.watching import Watching
from scheduler.watching_storage import callbacks
from scheduler.workloads import KnownWorkloads

M = TypeVar("M", PersistentVolume, PersistentVolumeClaim)
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


async def at_once() -> None:
    """Everything is known already."""


class World:
    """Everything but the API server.  `bindings` maps pod keys to nodes; `events` and `patches` are in order."""

    def __init__(
        self,
        *nodes: Node,
        extra: list[Plugin] | None = None,
        seed: int = 1,
        config: Mapping[str, Any] | None = None,
        own: Mapping[str, Factory] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`config` is a KubeSchedulerConfiguration without its kind, `own` are plugins it may name, `transport` takes
        the place of the network for its extenders."""
        self.clock = ManualClock()
        self.cache = Cache(self.clock)
        self.workloads = KnownWorkloads()
        self.nominations = Nominations()
        self.bindings: dict[str, str] = {}
        self.events: list[tuple[str, str, str]] = []
        self.patches: list[tuple[str, Mapping[str, Any]]] = []
        self.deleted: list[str] = []
        self.written: list[PersistentVolume | PersistentVolumeClaim] = []
        self.refuse: Exception | None = None
        self.pods: dict[str, Pod] = {}
        self.queue = SchedulingQueue(self.clock, lambda pod: self.handle.framework_of(pod))
        self.registry = Registry()
        configuration = parse({"apiVersion": API_VERSION, "kind": KIND, **(config or {})})
        metrics = SchedulerMetrics(self.registry, self.queue.counts, self.queue.turned_down, self.cache.counts)
        self.queue.entered = metrics.entered
        self.handle = Handle(
            cache=self.cache,
            workloads=self.workloads,
            nominations=self.nominations,
            storage=Storage(self.clock, at_once),
            devices=Inventory(self.clock, at_once),
            budgets=Budgets(at_once),
            writer=self,
            clock=self.clock,
            metrics=metrics,
            framework_of=lambda pod: self.profiles[pod.pod.spec.schedulerName or "default-scheduler"],
            extenders=[Extender(config, transport) for config in configuration.extenders],
        )
        self.profiles: Mapping[str, Framework]
        if config is None:
            plugins = [*default_plugins(self.handle), *(Weighted(p) for p in extra or [])]
            self.profiles = {"default-scheduler": Framework(plugins)}
        else:
            self.profiles = build(configuration, self.handle, own or {})
        for framework in self.profiles.values():
            framework.timed, framework.now = metrics.extension_point, self.clock.monotonic
        self.framework = next(iter(self.profiles.values()))
        percentage = configuration.percentageOfNodesToScore or 0
        self.algorithm = Algorithm(
            self.cache, self.nominations, percentage_of_nodes=percentage, choose=random.Random(seed)
        )
        self.scheduler = Scheduler(self.handle, self.queue, self.algorithm)
        self.watching = Watching(self.handle, self.queue, self.workloads, self.profiles)
        self._storage_seen = callbacks(self.handle.storage, self.queue)
        for node in nodes:
            self.watching.node(None, node)

    def store(self, *objects: Model) -> None:
        """The watches show objects that have to do with volumes."""
        for obj in objects:
            obj.metadata.resourceVersion = str(next(_uids))  # type: ignore[attr-defined]
            self._storage_seen[type(obj)](None, obj)

    async def update_volume(self, volume: PersistentVolume) -> PersistentVolume:
        return self._write(volume)

    async def update_claim(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
        return self._write(claim)

    def _write(self, obj: M) -> M:
        if self.refuse is not None:
            raise self.refuse
        self.written.append(obj)
        return obj

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

    def event(self, pod: Pod, type: str, reason: str, message: str, action: str) -> None:
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
