"""Controllers that are killed at random points, again and again, reach what undisturbed ones reach."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.apps_v1 import ControllerRevision, DaemonSet, StatefulSet
from api.clock import SystemClock
from api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements
from api.meta_v1 import ObjectMeta
from client.config import ClientConfig
from client.events import EventRecorder
from controller_manager.daemon_set.controller import DaemonSetController
from controller_manager.stateful_set.controller import StatefulSetController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.mortal import Mortal
from tests.controllers.test_daemon_set import add_node, daemon_set
from tests.controllers.workloads import clean_up, image_patch, stateful_set, workloads

CONTROLLERS = (StatefulSetController, DaemonSetController)
NODES = ("a", "b", "c")
_PATIENCE = 180.0
"""Each life begins with reading everything."""


class Brief(Mortal):
    """Dies with its n-th write, either just before or just after the server has got it: nothing comes back."""

    def __init__(self, config: ClientConfig, writes: int, *, after: bool) -> None:
        super().__init__(config)
        self._left, self._after = writes, after
        self.died = asyncio.Event()

    async def _write(self, method: str, target: str, body: bytes, content_type: str = "application/json") -> bytes:
        self._left -= 1
        if self._left > 0:
            return await self.send(method, target, body, content_type)
        if self._left == 0 and self._after:
            await self.send(method, target, body, content_type)
        self.died.set()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with workloads(server) as running:
        for name in NODES:
            await add_node(running, name)
        await running.nodes()
        yield running


async def short_lives(cluster: Cluster, config: ClientConfig, seed: int) -> None:
    """Controllers that live for a few writes each, one after the other, until cancelled."""
    chance = random.Random(seed)
    while True:
        async with Brief(config, chance.randint(1, 5), after=chance.random() < 0.5) as client:
            life = Cluster(client, SystemClock())
            life.events = EventRecorder(cluster.client, "controllers", life.clock)
            try:
                await life.run(*CONTROLLERS)
                await client.died.wait()
            finally:
                await life.stop()


async def story(cluster: Cluster) -> dict[str, Any]:
    """What there is after workloads were made, updated, scaled and rolled back."""
    spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"])
    spec.resources = VolumeResourceRequirements(requests={"storage": "1Gi"})
    claim = PersistentVolumeClaim(metadata=ObjectMeta(name="data"), spec=spec)
    await cluster.client.create(stateful_set(replicas=3, volumeClaimTemplates=[claim]))
    await cluster.client.create(daemon_set())
    await eventually(lambda: complete(cluster, 3), seconds=_PATIENCE)
    for image in ("two", "one", "three"):
        await cluster.client.patch(StatefulSet, "db", "default", image_patch(image), type="strategic")
        await cluster.client.patch(DaemonSet, "agent", "default", image_patch(image), type="strategic")
        await eventually(lambda: complete(cluster, 3), seconds=_PATIENCE)
    await cluster.client.patch(StatefulSet, "db", "default", {"spec": {"replicas": 2}})
    await eventually(lambda: complete(cluster, 2), seconds=_PATIENCE)
    await eventually(lambda: numbered(cluster), seconds=_PATIENCE)
    return await state(cluster)


async def complete(cluster: Cluster, replicas: int) -> bool:
    sts = await cluster.client.get(StatefulSet, "db", "default")
    ds = await cluster.client.get(DaemonSet, "agent", "default")
    observed = [o.status.observedGeneration == o.metadata.generation for o in (sts, ds)]
    counts = (sts.status.replicas, sts.status.updatedReplicas, sts.status.currentReplicas, sts.status.availableReplicas)
    daemons = (ds.status.currentNumberScheduled, ds.status.updatedNumberScheduled, ds.status.numberAvailable)
    pods = (await cluster.client.list(Pod, "default")).items
    return (
        all(observed)
        and set(counts) == {replicas}
        and set(daemons) == {3}
        and sts.status.currentRevision == sts.status.updateRevision
        and len(pods) == replicas + 3
    )


async def numbered(cluster: Cluster) -> bool:
    """Whether the revisions have their numbers, which a controller corrects once it has heard of all of them."""
    revisions = (await cluster.client.list(ControllerRevision, "default")).items
    return sorted(each.revision for each in revisions) == [2, 2, 3, 3, 4, 4]


async def state(cluster: Cluster) -> dict[str, Any]:
    pods = (await cluster.client.list(Pod, "default")).items
    revisions = (await cluster.client.list(ControllerRevision, "default")).items
    sts = await cluster.client.get(StatefulSet, "db", "default")
    ds = await cluster.client.get(DaemonSet, "agent", "default")
    return {
        "pods": sorted(
            (
                pod.metadata.name if pod.metadata.labels["app"] == "db" else pod.spec.nodeName,
                pod.spec.containers[0].image,
                *sorted(pod.metadata.labels.items()),
            )
            for pod in pods
        ),
        "revisions": sorted((r.metadata.name, r.revision, *sorted(r.metadata.labels.items())) for r in revisions),
        "claims": sorted(c.metadata.name for c in (await cluster.client.list(PersistentVolumeClaim, "default")).items),
        "statuses": [sts.status.to_dict(), ds.status.to_dict()],
    }


async def test_nothing_is_lost_or_doubled_when_killed(cluster: Cluster, server: RealServer) -> None:
    undisturbed = Cluster(cluster.client, SystemClock())
    await undisturbed.run(*CONTROLLERS)
    expected = await story(cluster)
    await undisturbed.stop()
    for seed in (1, 2):
        await clean_up(cluster.client)
        for name in NODES:
            await add_node(cluster, name)
        lives = asyncio.create_task(short_lives(cluster, server.config, seed))
        try:
            assert await story(cluster) == expected, seed
        finally:
            lives.cancel()
            await asyncio.gather(lives, return_exceptions=True)
