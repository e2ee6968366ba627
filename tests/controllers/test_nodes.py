"""Lost nodes: noticed, tainted, emptied, forgotten."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest

from api.clock import ManualClock
from api.coordination_v1 import Lease, LeaseSpec
from api.core_v1 import Node, Pod, PodSpec, Taint, Toleration
from api.meta_v1 import ObjectMeta
from controller_manager.node_lifecycle.controller import NodeLifecycleController
from controller_manager.node_lifecycle.eviction import TaintEvictionController
from controller_manager.node_lifecycle.taints import tolerated_seconds, wanted_taints
from controller_manager.node_lifecycle.zones import EvictionBudget, Limits, rates
from controller_manager.pod_garbage_collector import PodGarbageCollector, surplus_finished
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXECUTE = {("node.kubernetes.io/unreachable", "NoExecute"), ("node.kubernetes.io/unreachable", "NoSchedule")}


@pytest.fixture
async def timed() -> AsyncIterator[Cluster]:
    """A cluster whose time stands still unless the test moves it."""
    async with run_cluster(ManualClock()) as running:
        yield running


def node(name: str, ready: str = "True", zone: str = "", taints: list[Taint] | None = None) -> Node:
    made = Node.from_dict({"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    made.metadata.labels = {"topology.kubernetes.io/zone": zone}
    made.spec.taints = taints or []
    return made


def pod(name: str, on: str, *tolerations: Toleration, phase: str = "Running") -> Pod:
    made = Pod(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=PodSpec(containers=[], nodeName=on, tolerations=[*tolerations], terminationGracePeriodSeconds=0),
    )
    made.status.phase = phase
    return made


async def beat(cluster: Cluster, name: str) -> None:
    lease = Lease(
        metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=LeaseSpec(renewTime=cluster.clock.now())
    )
    try:
        await cluster.client.create(lease)
    except Exception:
        await cluster.client.patch(Lease, name, "kube-node-lease", {"spec": lease.spec.to_dict()})


async def pass_time(cluster: Cluster, seconds: int, *beating: str) -> None:
    """Let time pass in steps of five seconds, in which some nodes give signs of life and controllers catch up."""
    clock = cluster.clock
    assert isinstance(clock, ManualClock)
    for _ in range(seconds // 5):
        for name in beating:
            await beat(cluster, name)
        await cluster.settled()
        await clock.advance(5)
    await cluster.settled()


async def taints(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    return {(t.key, t.effect) for t in (await cluster.client.get(Node, name)).spec.taints}


async def test_a_silent_node_is_given_up_and_its_pods_are_evicted(timed: Cluster) -> None:
    for name in ("silent", "alive"):
        await timed.client.create(node(name))
        await beat(timed, name)
    seconds = Toleration(
        key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute", tolerationSeconds=30
    )
    for_ever = Toleration(operator="Exists")
    for made in (
        pod("plain", "silent"),
        pod("patient", "silent", seconds),
        pod("daemon", "silent", for_ever),
        pod("far", "alive"),
    ):
        await timed.client.create(made)
    controllers = await timed.run(partial(NodeLifecycleController, grace_period=40), TaintEvictionController)
    await pass_time(timed, 30, "alive")
    assert await taints(timed, "silent") == set()
    await pass_time(timed, 20, "alive")

    async def given_up() -> bool:
        return await taints(timed, "silent") == EXECUTE

    await eventually(given_up)
    ready = (await timed.client.get(Node, "silent")).status.conditions
    assert {(c.type, c.status) for c in ready if c.type == "Ready"} == {("Ready", "Unknown")}
    assert any(c.message == "Kubelet stopped posting node status." for c in ready)
    assert await taints(timed, "alive") == set()

    async def names(*expected: str) -> bool:
        return {p.metadata.name for p in await timed.pods()} == set(expected)

    await eventually(lambda: names("patient", "daemon", "far"))
    await pass_time(timed, 40, "alive")
    await eventually(lambda: names("daemon", "far"))
    assert "Marking for deletion Pod default/plain" in await timed.event_messages("plain")
    told = await timed.event_messages("silent")
    assert "Node silent event: Registered Node silent in Controller" in told
    assert "Node silent status is now: NodeNotReady" in told
    body = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await timed.client.patch(Node, "silent", "", body, subresource="status")

    async def forgiven() -> bool:
        return await taints(timed, "silent") == set()

    await eventually(forgiven)
    assert controllers


async def test_pods_of_nodes_that_are_gone_are_removed(timed: Cluster) -> None:
    await timed.client.create(node("here"))
    await timed.client.create(pod("stays", "here"))
    await timed.client.create(pod("lost", "gone"))
    await timed.run(partial(PodGarbageCollector, quarantine=40, period=20))
    clock = timed.clock
    assert isinstance(clock, ManualClock)

    async def only_one() -> bool:
        await clock.advance(5)
        return {p.metadata.name for p in await timed.pods()} == {"stays"}

    await eventually(only_one)
    assert clock.monotonic() >= 40


def test_finished_pods_beyond_the_threshold_go_oldest_first() -> None:
    pods = [pod(name, "n", phase="Succeeded") for name in "cab"]
    for number, made in enumerate(pods):
        made.metadata.creationTimestamp = NOW.replace(minute=number)
    assert [p.metadata.name for p in surplus_finished([*pods, pod("x", "n")], 1)] == ["c", "a"]
    assert surplus_finished(pods, 0) == []


def test_taints_follow_the_conditions_and_leave_others_alone() -> None:
    own = Taint(key="mine", effect="NoSchedule")
    lost = node("n", "Unknown", taints=[own])
    assert wanted_taints(node("n", taints=[own]), may_evict=True, now=NOW) == [own]
    assert [(t.key, t.effect) for t in wanted_taints(lost, may_evict=False, now=NOW)] == [
        ("mine", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
    ]
    given_up = wanted_taints(lost, may_evict=True, now=NOW)
    assert given_up[-1].effect == "NoExecute"
    later = node("n", "False", taints=given_up)
    assert [(t.key, t.effect) for t in wanted_taints(later, may_evict=False, now=NOW)] == [
        ("mine", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
    ]
    cordoned = node("n")
    cordoned.spec.unschedulable = True
    assert [t.key for t in wanted_taints(cordoned, may_evict=False, now=NOW)] == ["node.kubernetes.io/unschedulable"]


def test_the_shortest_toleration_counts() -> None:
    taint = Taint(key="k", value="v", effect="NoExecute")
    assert tolerated_seconds([], [taint]) == 0
    assert tolerated_seconds([], []) is None
    assert tolerated_seconds([Toleration(key="k", operator="Exists")], [taint]) is None
    assert tolerated_seconds([Toleration(key="k", value="other")], [taint]) == 0
    bounded = [Toleration(key="k", value="v", tolerationSeconds=9), Toleration(operator="Exists", tolerationSeconds=5)]
    assert tolerated_seconds(bounded, [taint]) == 5


def test_a_disrupted_zone_loses_nodes_slowly_or_not_at_all() -> None:
    limits = Limits(rate=0.1, secondary_rate=0.01, unhealthy=0.55, large=5)
    small = [node(str(n), "Unknown" if n < 3 else "True") for n in range(4)]
    assert rates(small, limits) == {":": 0.0}
    large = [node(str(n), "Unknown" if n < 6 else "True") for n in range(8)]
    assert rates(large, limits) == {":": 0.01}
    assert rates([node("a", "Unknown"), node("b")], limits) == {":": 0.1}
    assert rates([node("a", "Unknown"), node("b", "False", zone="z")], limits) == {":": 0.0, ":z": 0.0}
    assert rates([node("a", "Unknown"), node("b", zone="z")], limits) == {":": 0.1, ":z": 0.1}


def test_the_budget_is_one_node_at_a_time() -> None:
    budget = EvictionBudget()
    budget.refill({"z": 0.1}, 100)
    assert budget.take("z")
    assert not budget.take("z")
    budget.refill({"z": 0.1}, 105)
    assert not budget.take("z")
    budget.refill({"z": 0.1}, 111)
    assert budget.take("z")
