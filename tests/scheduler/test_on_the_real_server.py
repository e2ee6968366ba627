"""`python -m scheduler` on the real API server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import pytest

from api.coordination_v1 import Lease
from api.core_v1 import (
    Event,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodCondition,
    ServiceAccount,
)
from api.errors import AlreadyExists, Invalid, NotFound
from api.meta_v1 import ObjectMeta
from api.policy_v1 import PodDisruptionBudget
from api.scheduling_v1 import PriorityClass
from api.storage_v1 import StorageClass
from client.rest import RestClient
from tests.client.component_process import ComponentProcess
from tests.client.real_server import RealServer, real_server
from tests.client.waiting import eventually
from tests.scheduler.world import make_node, make_pod


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def client(server: RealServer) -> AsyncIterator[RestClient]:
    async with RestClient(server.config) as connected:
        with contextlib.suppress(AlreadyExists):
            await connected.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        yield connected
        await connected.delete_collection(Pod, "default", grace_period=0)
        await connected.delete_collection(Node)


@pytest.fixture
def scheduler(server: RealServer, tmp_path: Path) -> ComponentProcess:
    return ComponentProcess("scheduler", server.kubeconfig, tmp_path / "scheduler.log", "--leader-elect=false")


async def add_nodes(client: RestClient, *nodes: Node) -> None:
    for node in nodes:
        made = await client.create(node)
        made.spec.taints = []  # as the node lifecycle controller does once a node is ready
        await client.update(made)


async def add_pod(client: RestClient, pod: Pod) -> Pod:
    pod.metadata.uid, pod.metadata.generation = "", 0
    pod.spec.serviceAccountName = "default"
    pod.spec.automountServiceAccountToken = False
    return await client.create(pod)


async def node_of(client: RestClient, name: str) -> str:
    return (await client.get(Pod, name, "default")).spec.nodeName


async def messages(client: RestClient, name: str) -> list[tuple[str, str]]:
    found = (await client.list(Event, "default", field_selector=f"involvedObject.name={name}")).items
    return [(event.reason, event.message) for event in found]


async def test_binds_reports_and_recovers(client: RestClient, scheduler: ComponentProcess) -> None:
    await add_nodes(client, make_node("a", cpu="1"), make_node("b", cpu="1"))
    await add_pod(client, make_pod("first", cpu="600m"))
    await add_pod(client, make_pod("second", cpu="600m"))
    await add_pod(client, make_pod("third", cpu="600m"))
    with scheduler:

        async def placed() -> bool:
            return {await node_of(client, "first"), await node_of(client, "second")} == {"a", "b"}

        async def reported() -> bool:
            third = await client.get(Pod, "third", "default")
            return any(c.type == "PodScheduled" and c.reason == "Unschedulable" for c in third.status.conditions)

        await eventually(placed)
        await eventually(reported)
        conditions = (await client.get(Pod, "third", "default")).status.conditions
        message = next(c.message for c in conditions if c.type == "PodScheduled")
        assert message == (
            "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, "
            "preemption: 0/2 nodes are available: "
            "2 No preemption victims found for incoming pod."
        )
        node = await node_of(client, "first")

        async def told() -> bool:
            return ("Scheduled", f"Successfully assigned default/first to {node}") in await messages(
                client, "first"
            ) and ("FailedScheduling", message) in await messages(client, "third")

        await eventually(told)
        await client.delete(Pod, "first", "default", grace_period=0)
        await eventually(lambda: _is(node_of(client, "third"), node))
        scheduler.end(signal.SIGKILL)
        await add_nodes(client, make_node("c", cpu="1"))
        await add_pod(client, make_pod("fourth", cpu="600m"))
        scheduler.start()  # it knows what is where from the API alone
        await eventually(lambda: _is(node_of(client, "fourth"), "c"))
        assert scheduler.end() == 0
    assert "Traceback" not in scheduler.log.read_text()


async def _is(value: Awaitable[str], wanted: str) -> bool:
    return await value == wanted


async def test_makes_room_for_what_matters_more(client: RestClient, scheduler: ComponentProcess) -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod
    [Conformance]" """
    await add_nodes(client, make_node("a", cpu="1"))
    with scheduler:
        await add_pod(client, make_pod("cheap", cpu="800m"))
        await eventually(lambda: _is(node_of(client, "cheap"), "a"))
        await add_pod(client, make_pod("urgent", cpu="800m", priorityClassName="system-cluster-critical"))
        # A kubelet would end the pod and take it away; here the test does, once it is asked to go.

        async def leaving() -> bool:
            try:
                pod = await client.get(Pod, "cheap", "default")
            except NotFound:
                return True
            return pod.metadata.deletionTimestamp is not None

        await eventually(leaving)
        with contextlib.suppress(NotFound):
            await client.delete(Pod, "cheap", "default", grace_period=0)
        await eventually(lambda: _is(node_of(client, "urgent"), "a"))


async def test_five_hundred_pods_on_ten_nodes(client: RestClient, scheduler: ComponentProcess) -> None:
    await add_nodes(client, *(make_node(f"n{i}") for i in range(10)))
    await asyncio.gather(*(add_pod(client, make_pod(f"p{i}", cpu="10m")) for i in range(500)))
    with scheduler:

        async def all_placed() -> bool:
            return not (await client.list(Pod, "default", field_selector="spec.nodeName=")).items

        await eventually(all_placed, seconds=180)
    pods = (await client.list(Pod, "default")).items
    counts = [sum(p.spec.nodeName == f"n{i}" for p in pods) for i in range(10)]
    assert sum(counts) == 500
    assert max(counts) - min(counts) < 10


async def test_a_victim_says_why_it_goes(client: RestClient, scheduler: ComponentProcess) -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod
    [Conformance]" """
    await add_nodes(client, make_node("a", cpu="1"))
    await client.create(PriorityClass.from_dict({"metadata": {"name": "dear"}, "value": 1000}))
    with scheduler:
        victim = make_pod("victim", cpu="1")
        victim.metadata.finalizers = ["example.com/test-finalizer"]
        await add_pod(client, victim)
        await eventually(lambda: _is(node_of(client, "victim"), "a"))
        budget = {"metadata": {"name": "b", "namespace": "default"}, "spec": {"minAvailable": 1, "selector": {}}}
        await client.create(PodDisruptionBudget.from_dict(budget))  # exceeded, as there is no other way
        await add_pod(client, make_pod("urgent", cpu="1", priorityClassName="dear"))

        async def told() -> PodCondition | None:
            status = (await client.get(Pod, "victim", "default")).status
            return next((c for c in status.conditions if c.type == "DisruptionTarget"), None)

        condition = await eventually(told)
        assert (condition.status, condition.reason) == ("True", "PreemptionByScheduler")
        assert condition.message == "default-scheduler: preempting to accommodate a higher priority pod"

        async def nominated() -> bool:
            return (await client.get(Pod, "urgent", "default")).status.nominatedNodeName == "a"

        await eventually(nominated)
        uid = (await client.get(Pod, "urgent", "default")).metadata.uid

        async def recorded() -> bool:
            return ("Preempted", f"Preempted by pod {uid} on node a") in await messages(client, "victim")

        await eventually(recorded)
        await client.patch(Pod, "victim", "default", {"metadata": {"finalizers": None}})
        with contextlib.suppress(NotFound):
            await client.delete(Pod, "victim", "default", grace_period=0)
        await eventually(lambda: _is(node_of(client, "urgent"), "a"))
    await client.delete(PodDisruptionBudget, "b", "default")
    await client.delete(PriorityClass, "dear")
    assert "Traceback" not in scheduler.log.read_text()


async def test_priority_classes_can_be_operated_on(client: RestClient) -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be
    operated with different HTTP methods [Conformance]" """
    made = await client.create(PriorityClass.from_dict({"metadata": {"name": "p1"}, "value": 7}))
    assert "p1" in [c.metadata.name for c in (await client.list(PriorityClass)).items]
    made.description = "changed"
    assert (await client.update(made)).description == "changed"
    patched = await client.patch(PriorityClass, "p1", "", {"description": "patched"})
    assert patched.description == "patched"
    patched.value = 8
    with pytest.raises(Invalid):
        await client.update(patched)
    with pytest.raises(Invalid):
        await client.patch(PriorityClass, "p1", "", {"value": 9})
    await client.delete(PriorityClass, "p1")


async def test_a_volume_is_bound_with_its_pod(server: RealServer, client: RestClient, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "leaderElection: {leaderElect: false}\nprofiles: [{schedulerName: mine}]\n"
    )
    scheduler = ComponentProcess("scheduler", server.kubeconfig, tmp_path / "scheduler.log", "--config", str(config))
    await add_nodes(client, make_node("a"), make_node("b"))
    late = {"metadata": {"name": "late"}, "provisioner": "kubernetes.io/no-provisioner"}
    await client.create(StorageClass.from_dict({**late, "volumeBindingMode": "WaitForFirstConsumer"}))
    hosts = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "late",
        "local": {"path": "/data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hosts]}]}},
    }
    volume = await client.create(PersistentVolume.from_dict({"metadata": {"name": "disk"}, "spec": spec}))
    volume.status.phase = "Available"
    await client.update(volume, subresource="status")
    wants = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "late",
    }
    claim = await client.create(
        PersistentVolumeClaim.from_dict({"metadata": {"name": "data", "namespace": "default"}, "spec": wants})
    )
    with scheduler:
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        await add_pod(client, make_pod("reader", volumes=volumes, schedulerName="mine"))

        async def kept() -> bool:
            reference = (await client.get(PersistentVolume, "disk")).spec.claimRef
            return reference is not None and reference.uid == claim.metadata.uid

        await eventually(kept)
        assert await node_of(client, "reader") == ""
        claim = await client.get(PersistentVolumeClaim, "data", "default")  # what the binder does
        claim.spec.volumeName = "disk"
        claim.metadata.annotations = {"pv.kubernetes.io/bind-completed": "yes"}
        await client.update(claim)
        await eventually(lambda: _is(node_of(client, "reader"), "b"))
    assert "Traceback" not in scheduler.log.read_text()


async def test_of_two_schedulers_one_works_and_the_other_takes_over(
    server: RealServer, client: RestClient, tmp_path: Path
) -> None:
    lease_time, renewal, retry = 20.0, 15.0, 0.5  # a machine that stands still for a while changes nothing
    flags = (
        f"--leader-elect-lease-duration={lease_time}s",
        f"--leader-elect-renew-deadline={renewal}s",
        f"--leader-elect-retry-period={retry}s",
    )

    def scheduler(name: str) -> ComponentProcess:
        return ComponentProcess("scheduler", server.kubeconfig, tmp_path / f"{name}.log", *flags)

    async def holder() -> str:
        try:
            return (await client.get(Lease, "kube-scheduler", "kube-system")).spec.holderIdentity or ""
        except NotFound:
            return ""

    await add_nodes(client, make_node("a"))
    first, standby = scheduler("first"), scheduler("standby")
    with first:
        leader = await eventually(holder)
        standby.start(wait=False)
        try:
            await add_pod(client, make_pod("before"))
            await eventually(lambda: _is(node_of(client, "before"), "a"))
            assert await holder() == leader
            first.end(signal.SIGKILL)
            killed = time.monotonic()
            await add_pod(client, make_pod("after"))

            async def another() -> bool:
                return await holder() not in ("", leader)

            # It looks again every retry period and a fifth, and the lease was renewed at most that long before.  The
            # rest is for a machine that has not let it start yet.
            await eventually(another, seconds=lease_time + 2 * 1.2 * retry + 30)
            assert time.monotonic() - killed > lease_time / 4, "a lease that may still be held is not taken"
            await eventually(lambda: _is(node_of(client, "after"), "a"))
        finally:
            standby.end()
    assert await holder() == "", "who leaves lets the next one work at once"
    assert "Traceback" not in standby.log.read_text()
