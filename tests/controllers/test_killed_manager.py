"""`kill -9` of the controller manager, at random points or with another standing by, changes nothing of the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.apps_v1 import Deployment, ReplicaSet
from api.coordination_v1 import Lease
from api.core_v1 import Namespace, Node, Pod, Service, ServicePort, ServiceSpec
from api.discovery_v1 import EndpointSlice
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from client.informer import Informer
from controller_manager.deployment.progress import is_complete
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, deployment, eventually, real_cluster

SEED = 1
NAMES = ("one", "two", "three")
WITHOUT_KUBELETS = "--controllers=*,-node-lifecycle-controller"
"""The tests' node is not heard of."""
_PATIENCE = 180.0
LEASE, RENEWAL, RETRY = 20.0, 15.0, 0.5
"""In seconds: a machine that stands still for a while must not change the leader."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        await running.nodes()
        yield running


class Managers:
    """Controller managers as processes; whatever still runs at the end is killed."""

    def __init__(self, server: RealServer, log: Path) -> None:
        self._command = [sys.executable, "-m", "controller_manager", "--kubeconfig", str(server.kubeconfig)]
        self._log = log
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            self.processes.append(subprocess.Popen([*self._command, *flags], stdout=output, stderr=output))
        return self.processes[-1]

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait(60)


@pytest.fixture
def managers(server: RealServer, tmp_path: Path) -> Iterator[Managers]:
    running = Managers(server, tmp_path / "controller-manager.log")
    yield running
    for process in running.processes:
        with contextlib.suppress(ProcessLookupError):
            running.kill(process)


async def roll(cluster: Cluster, namespace: str, act: Callable[[str], Any]) -> dict[str, Any]:
    """Three Deployments that are made, scaled and rolled out twice.  `act` is called before each step and awaited.
    Returns what must not depend on who was killed meanwhile."""

    async def begun(image: str) -> None:
        """Return when every Deployment has a revision of the image: what nobody saw need not become one."""

        async def made() -> bool:
            sets = (await cluster.client.list(ReplicaSet, namespace)).items
            return sum(rs.spec.template.spec.containers[0].image == image for rs in sets) == len(NAMES)

        await eventually(made, seconds=_PATIENCE)

    await cluster.client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    for name in NAMES:
        made = deployment(name, 4)
        made.metadata.namespace = namespace
        made.spec.selector.matchLabels = made.spec.template.metadata.labels = {"app": name}
        await cluster.client.create(made)
        spec = ServiceSpec(selector={"app": name}, ports=[ServicePort(port=80, protocol="TCP")])
        await cluster.client.create(Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec))
    await act("one")
    await begun("one")
    for image, replicas in (("two", 7), ("three", 3)):
        containers = [{"name": "c", "image": image}]
        body = {"spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}}}
        for name in NAMES:
            await cluster.client.patch(Deployment, name, namespace, body, type="strategic")
        await act(image)
        await begun(image)
    found: dict[str, Any] = {}

    async def settled() -> bool:
        found.clear()
        found.update(await outcome(cluster, namespace))
        return all(each["complete"] and each["endpoints are the pods"] for each in found.values())

    await eventually(settled, seconds=_PATIENCE)
    return found


async def outcome(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        live = await cluster.client.get(Deployment, name, namespace)
        selector = f"app={name}"
        pods = (await cluster.client.list(Pod, namespace, label_selector=selector)).items
        sets = (await cluster.client.list(ReplicaSet, namespace, label_selector=selector)).items
        by_service = f"kubernetes.io/service-name={name}"
        slices = (await cluster.client.list(EndpointSlice, namespace, label_selector=by_service)).items
        endpoints = [a for s in slices for e in s.endpoints if e.conditions.ready for a in e.addresses]
        found[name] = {
            "complete": is_complete(live, live.status) and len(pods) == live.spec.replicas,
            "available": live.status.availableReplicas,
            "images": sorted(pod.spec.containers[0].image or "" for pod in pods),
            "replica sets": sorted(
                (rs.metadata.annotations["deployment.kubernetes.io/revision"], rs.spec.replicas) for rs in sets
            ),
            "endpoints are the pods": sorted(endpoints) == sorted(pod.status.podIP for pod in pods),
        }
    return found


async def test_killed_at_random_points_while_deployments_roll(cluster: Cluster, managers: Managers) -> None:
    flags = ("--leader-elect=false", "--use-service-account-credentials", WITHOUT_KUBELETS)
    await cluster.client.create(Node(metadata=ObjectMeta(name="node-0")))
    chance = random.Random(SEED)
    changes = 0
    pods = Informer(cluster.client, Pod)

    def count(old: Pod | None, new: Pod | None) -> None:
        nonlocal changes
        changes += 1

    pods.on_change(count)
    manager = managers.start(*flags)

    async def nothing(step: str) -> None:
        return None

    undisturbed = await roll(cluster, "calm", nothing)
    watching = asyncio.create_task(pods.run())
    await pods.synced()

    async def killing(step: str) -> None:
        """Kill the manager twice, each time after so many more changes of pods, or when no more of them come."""
        nonlocal manager
        for _ in range(2):
            after = changes + chance.randrange(1, 12)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(15):
                    await eventually(lambda after=after: changes >= after)
            managers.kill(manager)
            manager = managers.start(*flags)

    disturbed = await roll(cluster, "stormy", killing)
    watching.cancel()
    assert len(managers.processes) == 7
    assert disturbed == undisturbed
    assert disturbed["one"]["images"] == ["three"] * 3


async def test_the_standby_takes_over_within_the_lease_time(cluster: Cluster, managers: Managers) -> None:
    flags = (
        f"--leader-elect-lease-duration={LEASE}s",
        f"--leader-elect-renew-deadline={RENEWAL}s",
        f"--leader-elect-retry-period={RETRY}s",
        "--use-service-account-credentials",
        WITHOUT_KUBELETS,
    )

    async def holder() -> str:
        try:
            lease = await cluster.client.get(Lease, "kube-controller-manager", "kube-system")
        except NotFound:
            return ""
        return lease.spec.holderIdentity or ""

    first = managers.start(*flags)
    leader = await eventually(holder)
    managers.start(*flags)
    await cluster.client.create(deployment("before", 2))

    async def available(name: str) -> bool:
        return (await cluster.client.get(Deployment, name, "default")).status.availableReplicas == 2

    await eventually(lambda: available("before"))
    assert await holder() == leader
    managers.kill(first)
    killed = time.monotonic()
    await cluster.client.create(deployment("after", 2))

    async def another() -> bool:
        return await holder() not in ("", leader)

    # It may have looked just before the last renewal, and looks again every retry period and a fifth; the rest is for a
    # machine that has not let it start yet.
    await eventually(another, seconds=LEASE + 2 * 1.2 * RETRY + 30)
    assert time.monotonic() - killed > LEASE / 4, "a lease that may still be held is not taken"
    await eventually(lambda: available("after"))
    lease = await cluster.client.get(Lease, "kube-controller-manager", "kube-system")
    assert lease.spec.leaseTransitions == 1
