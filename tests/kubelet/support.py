"""A kubelet on a fake API, and ways to wait for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from api.clock import Clock, ManualClock
from api.core_v1 import Node, Pod
from client.events import EventRecorder
from client.informer import Informer
from client.metrics import Registry
from client.rest import RestClient
from kubelet.backoff import Backoff
from kubelet.host import Host, Preparation
from kubelet.kubelet import Kubelet
from kubelet.lease import NodeLease
from kubelet.machine import Pressure, system_info
from kubelet.metrics import KubeletMetrics
from kubelet.node import NodeFacts, NodeReporter
from kubelet.runtime.protocol import Runtime
from kubelet.runtime.sim import SimRuntime
from kubelet.sim_preparation import SimPreparation
from kubelet.timers import Timers
from tests.kubelet.fake_api import FakeApi

NODE = "node-1"


def pod(name: str = "web", /, **spec: Any) -> Pod:
    """A pod bound to the test's node; `containers` defaults to one called `main`."""
    annotations = spec.pop("annotations", {})
    containers = spec.pop("containers", [{}])
    for index, container in enumerate(containers):
        container.setdefault("name", "main" if not index else f"c{index}")
        container.setdefault("image", "img:1")
        container.setdefault("command", ["run"])
    for index, container in enumerate(spec.get("initContainers", [])):
        container.setdefault("name", f"init{index}")
        container.setdefault("image", "img:1")
        container.setdefault("command", ["run"])
    return Pod.from_dict(
        {
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "annotations": annotations},
            "spec": {"nodeName": NODE, "restartPolicy": "Always", "containers": containers, **spec},
        }
    )


async def settle(rounds: int = 60) -> None:
    """Let everything that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], what: str = "", clock: ManualClock | None = None) -> Any:
    """Wait for a condition (moving a manual clock on), at most some seconds of real time."""
    async with asyncio.timeout(60):
        while True:
            found = condition()
            if found:
                return found
            if clock is not None:
                await clock.advance(0.05)
            await asyncio.sleep(0.002 if clock is None else 0)


class TestNode:
    """A node with a pod informer on a fake API."""

    __test__ = False

    def __init__(self, clock: Clock, api: FakeApi, runtime: Runtime | None = None, prepare: Any = None) -> None:
        self.clock, self.api = clock, api
        client = cast(RestClient, api)
        self.timers = Timers(clock)
        self.runtime = runtime or SimRuntime(clock, self.timers, "10.9.0.0/24")
        self.registry = Registry()
        preparation: Preparation = prepare or SimPreparation()
        allocatable = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        self.host = Host(
            node_name=NODE,
            client=client,
            clock=clock,
            timers=self.timers,
            runtime=self.runtime,
            events=EventRecorder(client, "kubelet", clock, host=NODE),
            preparation=preparation,
            metrics=KubeletMetrics(self.registry),
            restarts=Backoff(clock),
            image_retries=Backoff(clock),
            host_ips=("192.168.7.1",),
            allocatable=allocatable,
        )
        facts = NodeFacts(
            name=NODE,
            ips=("192.168.7.1",),
            pod_cidr="10.9.0.0/24",
            port=10250,
            capacity=allocatable,
            allocatable=allocatable,
            info=system_info(self.runtime.version),
        )
        self.pressure = Pressure(False, False, False)
        reporter = NodeReporter(client, clock, facts, lambda: self.pressure, lambda: self.kubelet.healthy)
        self.kubelet = Kubelet(self.host, reporter, NodeLease(client, clock, NODE))
        self.informer = Informer(client, Pod, field_selector=f"spec.nodeName={NODE}", clock=clock)
        self.informer.on_change(self.kubelet.pod_changed)

        self.nodes = Informer(client, Node, field_selector=f"metadata.name={NODE}", clock=clock)
        self.nodes.on_change(lambda old, new: self.kubelet.node_changed(new) if new is not None else None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.timers.run())
            await self.kubelet.start()
            group.create_task(self.informer.run())
            group.create_task(self.nodes.run())
            await self.kubelet.node.register()
            group.create_task(self.kubelet.run(self.informer.synced))

    def phase(self, name: str) -> str:
        found = self.api.pod(name)
        return found.status.phase if found is not None else "gone"

    def ready(self, name: str) -> bool:
        found = self.api.pod(name)
        conditions = {c.type: c.status for c in found.status.conditions} if found is not None else {}
        return conditions.get("Ready") == "True"

    def container(self, pod_name: str, name: str = "main") -> Any:
        found = self.api.pod(pod_name)
        statuses = [*found.status.containerStatuses, *found.status.initContainerStatuses]
        return next((s for s in statuses if s.name == name), None)

    def node(self) -> Any:
        return self.api.objects.get((Node, "", NODE))


@asynccontextmanager
async def running(node: TestNode) -> AsyncIterator[TestNode]:
    """The node at work; stopped afterwards, its pods left alone."""
    task = asyncio.create_task(node.run())
    try:
        await until(lambda: (node.informer.has_synced and node.node()) or task.done(), "the kubelet to start")
        if task.done():
            task.result()
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await node.host.events.close(0)
        node.kubelet.stop()
        await settle()
