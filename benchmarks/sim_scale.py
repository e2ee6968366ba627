"""How long 500 pods of one Deployment take on ten pretended nodes, and to be gone again."""

from __future__ import annotations

import time

from api.apps_v1 import Deployment
from api.core_v1 import Pod
from benchmarks.cluster import cluster
from benchmarks.figures import Figure
from benchmarks.first_pod import DEPLOYMENT, is_ready
from client.rest import RestClient

PODS = 500


def sim_scale() -> list[Figure]:
    up, down = [], []
    for _ in range(3):
        with cluster("--runtime", "sim", "--nodes", "10") as running:
            up.append(running.run(_grow))
            down.append(running.run(_shrink))
    return [
        Figure(f"{PODS} pods on 10 sim nodes ready", "s", up, 5.0),
        Figure(f"{PODS} pods scaled to zero", "s", down, 5.0),
    ]


async def _grow(client: RestClient) -> float:
    deployment = Deployment.from_dict(DEPLOYMENT)
    deployment.spec.replicas = PODS
    began = time.perf_counter()
    await client.create(deployment)
    ready: set[str] = set()
    async for event in client.watch(Pod, "default", resource_version="0"):
        if is_ready(event.object):
            ready.add(event.object.metadata.name)
            if len(ready) == PODS:
                return time.perf_counter() - began
    raise RuntimeError("the watch ended")


async def _shrink(client: RestClient) -> float:
    listed = await client.list(Pod, "default")
    there = {pod.metadata.name for pod in listed.items}
    began = time.perf_counter()
    await client.patch(Deployment, "first", "default", {"spec": {"replicas": 0}})
    async for event in client.watch(Pod, "default", resource_version=listed.metadata.resourceVersion):
        if event.type == "DELETED":
            there.discard(event.object.metadata.name)
            if not there:
                return time.perf_counter() - began
    raise RuntimeError("the watch ended")
