"""The scheduler put together: informers in, bindings out."""

from __future__ import annotations

import argparse
import asyncio
import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from api.apps_v1 import ReplicaSet
from api.clock import Clock
from api.core_v1 import Binding, Namespace, Node, Pod, Service
from api.errors import Conflict, NotFound
from api.model import Model
from api.scheme import resource_of
from client.component import Component
from client.events import EventRecorder
from client.informer import Informer
from client.rest import RestClient
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
from scheduler.workloads import KnownWorkloads, Owner

_UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


class ApiWriter:
    """Writes what the scheduler decides through the REST API."""

    def __init__(self, client: RestClient, recorder: EventRecorder, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder

    async def bind(self, binding: Binding) -> None:
        meta = binding.metadata
        await self._client.create_subresource(Pod, meta.name, meta.namespace, "binding", binding)

    async def patch_status(self, pod: Pod, status: Mapping[str, Any]) -> None:
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": status}
        await self._client.patch(Pod, meta.name, meta.namespace, body, type="strategic", subresource="status")

    async def evict(self, victim: PodInfo, pod: PodInfo, node_name: str) -> None:
        """Make room by deleting a less important pod; it may already be gone."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"default-scheduler: preempting to accommodate a higher priority pod {pod.key}",
            "lastTransitionTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        try:
            await self.patch_status(victim.pod, {"conditions": [condition]})
            await self._client.delete(Pod, victim.name, victim.namespace, uid=victim.uid)
        except (NotFound, Conflict):
            return
        self.event(victim.pod, "Normal", "Preempted", f"Preempted by pod {pod.uid} on node {node_name}")

    def event(self, pod: Pod, type: str, reason: str, message: str) -> None:
        self._recorder.event(pod, type, reason, message)


async def work(component: Component) -> None:
    """Run until cancelled; leads first if leader election is on."""
    await component.lead(lambda: serve(component))


async def serve(component: Component) -> None:
    client, clock, options = component.client, component.clock, component.options
    recorder = EventRecorder(client, "default-scheduler", clock)
    writer = ApiWriter(client, recorder, clock)
    cache = Cache(clock)
    workloads = KnownWorkloads()
    nominations = Nominations()
    plugins = [
        *default_plugins(cache, workloads),
        *(Weighted(make(cache), 1) for make in options.plugin),
        Weighted(DefaultBinder(writer.bind)),
    ]
    profiles: dict[str, Framework] = {}

    def framework_of(pod: PodInfo) -> Framework:
        return profiles[pod.pod.spec.schedulerName or "default-scheduler"]

    plugins.append(Weighted(DefaultPreemption(cache, nominations, framework_of, writer.evict)))
    profiles.update((name, Framework(plugins, name)) for name in options.scheduler_name)
    queue = SchedulingQueue(
        clock,
        framework_of,
        initial_backoff=options.pod_initial_backoff_seconds,
        max_backoff=options.pod_max_backoff_seconds,
    )
    algorithm = Algorithm(cache, nominations, percentage_of_nodes=options.percentage_of_nodes_to_score)
    metrics = SchedulerMetrics(component.metrics, queue.counts)
    scheduler = Scheduler(cache, queue, algorithm, nominations, profiles, writer, clock, metrics)
    watching = Watching(cache, queue, nominations, workloads, profiles)

    informers: list[Informer[Any]] = []

    def watch(model: type[Model], callback: Callable[..., None], **options: Any) -> None:
        informer: Informer[Any] = Informer(client, model, clock=clock, **options)
        informer.on_change(callback)
        informers.append(informer)

    watch(Node, watching.node)
    watch(Namespace, watching.namespace)
    watch(Service, watching.service)
    watch(Owner, watching.owner, resource=resource_of(ReplicaSet))
    watch(Pod, watching.pod, field_selector=_UNFINISHED)
    component.readiness["informers-synced"] = lambda: all(i.has_synced for i in informers)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(informer.run()) for informer in informers]
        try:
            for informer in informers:
                await informer.synced()
            component.ready()
            await scheduler.run()
        finally:
            for task in running:
                task.cancel()
            await recorder.close()


def load(text: str) -> Callable[[Cache], Plugin]:
    """A plugin's class or factory, written "package.module:Name"; it is called with the cache.

    Raises ValueError when there is no such thing.
    """
    module, _, name = text.partition(":")
    try:
        return cast(Callable[[Cache], Plugin], getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"no plugin at {text!r}: {error}") from error


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The scheduler's own flags; those of KubeSchedulerConfiguration carry its field names."""
    parser.add_argument(
        "--scheduler-name", action="append", default=None, help="schedulerName to answer to; may be repeated"
    )
    parser.add_argument("--percentage-of-nodes-to-score", type=int, default=0, help="0 adapts to the number of nodes")
    parser.add_argument("--pod-initial-backoff-seconds", type=float, default=1.0, help="after the first failure")
    parser.add_argument("--pod-max-backoff-seconds", type=float, default=10.0, help="after many failures")
    parser.add_argument(
        "--plugin", action="append", default=[], metavar="MODULE:NAME", help="a plugin of your own, in Python"
    )
