"""DaemonSets: one pod on every node that fits, whatever happens to nodes and templates.

Docstrings name, by their codename, the conformance tests of [sig-apps] that a test stands for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from api.apps_v1 import (
    ControllerRevision,
    DaemonSet,
    DaemonSetCondition,
    DaemonSetSpec,
    DaemonSetStatus,
    DaemonSetUpdateStrategy,
    RollingUpdateDaemonSet,
)
from api.core_v1 import Node, Pod, Taint
from api.meta_v1 import LabelSelector, ObjectMeta
from controller_manager.daemon_set.controller import DaemonSetController
from controller_manager.daemon_set.placement import target_node
from controller_manager.garbage_collector.controller import GarbageCollector
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, template
from tests.controllers.workloads import (
    available_nodes,
    image_patch,
    images,
    messages,
    pods_of,
    revisions_of,
    set_ready,
    workloads,
)

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    """With three nodes of which nobody runs the pods yet."""
    async with workloads(server) as running:
        for name in NAMES:
            await add_node(running, name)
        await running.run(DaemonSetController)
        yield running


async def add_node(cluster: Cluster, name: str) -> None:
    """One that is ready: the API server taints new nodes until they are."""
    await cluster.client.create(Node(metadata=ObjectMeta(name=name)))
    await cluster.client.patch(Node, name, "", {"spec": {"taints": None}})


def daemon_set(image: str = "one", **spec: Any) -> DaemonSet:
    return DaemonSet(
        metadata=ObjectMeta(name="agent", namespace="default"),
        spec=DaemonSetSpec(
            selector=LabelSelector(matchLabels={"app": "agent"}), template=template(image, "agent"), **spec
        ),
        status=DaemonSetStatus(currentNumberScheduled=0, desiredNumberScheduled=0, numberMisscheduled=0, numberReady=0),
    )


def rolling(**limits: int | str) -> DaemonSetUpdateStrategy:
    return DaemonSetUpdateStrategy(type="RollingUpdate", rollingUpdate=RollingUpdateDaemonSet(**limits))


async def live(cluster: Cluster) -> DaemonSet:
    return await cluster.client.get(DaemonSet, "agent", "default")


async def set_image(cluster: Cluster, image: str) -> None:
    await cluster.client.patch(DaemonSet, "agent", "default", image_patch(image), type="strategic")


async def on_nodes(cluster: Cluster) -> dict[str, str]:
    """The pods that stay, by their node; fails when a node has two."""
    pods = [p for p in (await pods_of(cluster, "agent")).values() if p.metadata.deletionTimestamp is None]
    assert len({target_node(pod) for pod in pods}) == len(pods)
    return {target_node(pod): pod.metadata.uid for pod in pods}


async def settled(cluster: Cluster, nodes: str) -> DaemonSet | None:
    """The DaemonSet once these nodes, a letter each, and no others run pods of its newest template."""
    found = await live(cluster)
    status = found.status
    counts = {
        status.desiredNumberScheduled,
        status.currentNumberScheduled,
        status.numberReady,
        status.numberAvailable,
        status.updatedNumberScheduled,
        len(await pods_of(cluster, "agent")),
    }
    done = counts == {len(nodes)} and status.observedGeneration == found.metadata.generation
    none_left = (status.numberMisscheduled, status.numberUnavailable) == (0, 0)
    return found if done and none_left and "".join(sorted(await on_nodes(cluster))) == nodes else None


async def test_runs_a_pod_on_every_node_and_replaces_lost_ones(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should run and stop simple daemon [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    pods = await pods_of(cluster, "agent")
    lost = sorted(pods)[0]
    assert ("SuccessfulCreate", f"Created pod: {lost}") in await messages(cluster, "agent")
    assert pods[lost].metadata.labels["pod-template-generation"] == "1"
    await cluster.client.delete(Pod, lost, "default", grace_period=0)

    async def replaced() -> bool:
        return lost not in await pods_of(cluster, "agent") and await settled(cluster, "abc") is not None

    await eventually(replaced)
    await add_node(cluster, "d")
    await eventually(lambda: settled(cluster, "abcd"))
    await cluster.run(GarbageCollector)
    await cluster.client.delete(DaemonSet, "agent", "default", propagation="Background")

    async def gone() -> bool:
        return not await pods_of(cluster, "agent")

    await eventually(gone)


async def test_follows_the_labels_of_nodes(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should run and stop complex daemon [Conformance]'"""
    await cluster.nodes()
    made = daemon_set()
    made.spec.template.spec.nodeSelector = {"color": "blue"}
    await cluster.client.create(made)
    await eventually(lambda: settled(cluster, ""))
    await label(cluster, "b", "blue")
    await eventually(lambda: settled(cluster, "b"))
    await label(cluster, "b", "green")
    await eventually(lambda: settled(cluster, ""))
    body = {"spec": {"template": {"spec": {"nodeSelector": {"color": "green"}}}}}
    await cluster.client.patch(DaemonSet, "agent", "default", body)
    await eventually(lambda: settled(cluster, "b"))


async def label(cluster: Cluster, node: str, color: str) -> None:
    await cluster.client.patch(Node, node, "", {"metadata": {"labels": {"color": color}}})


async def test_follows_the_taints_of_nodes(cluster: Cluster) -> None:
    """A NoSchedule taint keeps new pods away and lets present ones stay, NoExecute drives them away; being cordoned
    or under pressure means nothing to a daemon."""
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    await taint(cluster, "a", "NoSchedule")

    async def misplaced() -> bool:
        status = (await live(cluster)).status
        return (status.desiredNumberScheduled, status.numberMisscheduled) == (2, 1)

    await eventually(misplaced)
    await cluster.settled()
    assert sorted(await on_nodes(cluster)) == ["a", "b", "c"]
    await taint(cluster, "a", "NoExecute")
    await eventually(lambda: settled(cluster, "bc"))
    await taint(cluster, "a", "NoSchedule", key="node.kubernetes.io/disk-pressure")
    await eventually(lambda: settled(cluster, "abc"))


async def taint(cluster: Cluster, node: str, effect: str, *, key: str = "dedicated") -> None:
    taints = [Taint(key=key, effect=effect).to_dict()]
    await cluster.client.patch(Node, node, "", {"spec": {"taints": taints, "unschedulable": True}})


async def test_replaces_failed_pods(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should retry creating failed daemon pods [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    for phase, reason in (("Failed", "FailedDaemonPod"), ("Succeeded", "SucceededDaemonPod")):
        name = sorted(await pods_of(cluster, "agent"))[0]
        await set_ready(cluster, name, False, phase=phase)

        async def replaced(name: str = name) -> bool:
            return name not in await pods_of(cluster, "agent") and await settled(cluster, "abc") is not None

        await eventually(replaced)
        assert reason in {found for found, _ in await messages(cluster, "agent")}


async def test_updates_as_many_nodes_at_a_time_as_may_be_unavailable(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is RollingUpdate
    [Conformance]'"""
    broken: set[str] = set()
    await cluster.nodes(broken=lambda pod: pod.spec.containers[0].image in broken)
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    broken.add("two")
    await set_image(cluster, "two")

    async def halted() -> bool:
        status = (await live(cluster)).status
        found = sorted((await images(cluster, "agent")).values())
        return found == ["one", "one", "two"] and status.numberUnavailable == 1

    await eventually(halted)
    broken.clear()
    waiting = next(n for n, image in (await images(cluster, "agent")).items() if image == "two")
    await set_ready(cluster, waiting, True)
    await eventually(lambda: settled(cluster, "abc"))
    assert set((await images(cluster, "agent")).values()) == {"two"}
    assert await revisions_of(cluster, "agent") == [1, 2]


async def test_rolls_back_without_needless_restarts(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts [Conformance]'"""
    await cluster.nodes(broken=lambda pod: pod.spec.containers[0].image == "bad")
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    before = await on_nodes(cluster)
    await set_image(cluster, "bad")

    async def one_is_bad() -> bool:
        return sorted((await images(cluster, "agent")).values()) == ["bad", "one", "one"]

    await eventually(one_is_bad)
    await set_image(cluster, "one")
    await eventually(lambda: settled(cluster, "abc"))
    after = await on_nodes(cluster)
    assert sum(before[node] == after[node] for node in NAMES) == 2
    assert await revisions_of(cluster, "agent") == [2, 3]


async def test_a_revision_that_is_not_seen_yet_is_counted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event of a revision may come later than the next change of the template."""
    controller, informer = cluster.controllers[-1], cluster.informers.of(ControllerRevision)
    late: list[Any] = []
    with monkeypatch.context() as lagging:
        lagging.setattr(informer, "_apply", late.append)
        await cluster.client.create(daemon_set())
        await eventually(lambda: revisions_of(cluster, "agent"))
        await set_image(cluster, "two")
        await eventually(lambda: controller.failures)
    for event in late:
        informer._apply(event)

    async def two() -> bool:
        return await revisions_of(cluster, "agent") == [1, 2]

    await eventually(two)


async def test_surges_a_new_pod_beside_the_old_one(cluster: Cluster) -> None:
    await cluster.nodes(broken=lambda pod: pod.spec.containers[0].image == "two")
    await cluster.client.create(daemon_set(updateStrategy=rolling(maxUnavailable=0, maxSurge=1)))
    await eventually(lambda: settled(cluster, "abc"))
    await set_image(cluster, "two")
    for _ in NAMES:
        surged = await eventually(partial(surging, cluster))
        await set_ready(cluster, surged, True)
    await eventually(lambda: settled(cluster, "abc"))
    assert set((await images(cluster, "agent")).values()) == {"two"}


async def surging(cluster: Cluster) -> str:
    """The one new pod that is not ready, beside three that are; empty when it is not there."""
    pods = await pods_of(cluster, "agent")
    ready = {n for n, p in pods.items() if any(c.type == "Ready" and c.status == "True" for c in p.status.conditions)}
    waiting = [n for n, p in pods.items() if n not in ready and p.status.phase == "Running"]
    return waiting[0] if len(waiting) == 1 and len(ready) == 3 else ""


@pytest.mark.parametrize(("limits", "fewest"), [({"maxUnavailable": 1}, 2), ({"maxUnavailable": 0, "maxSurge": 2}, 3)])
async def test_never_goes_beyond_its_limits(cluster: Cluster, limits: dict[str, int], fewest: int) -> None:
    """Not even for a moment, although what the controller sees lags behind."""
    await cluster.nodes()
    await cluster.client.create(daemon_set(updateStrategy=rolling(**limits)))
    await eventually(lambda: settled(cluster, "abc"))
    async with available_nodes(cluster, "agent") as counts:
        for image in ("two", "three"):
            await set_image(cluster, image)
            await eventually(lambda: settled(cluster, "abc"))
    assert min(counts) == fewest


async def test_on_delete_waits_until_somebody_deletes_pods(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(daemon_set(updateStrategy=DaemonSetUpdateStrategy(type="OnDelete")))
    await eventually(lambda: settled(cluster, "abc"))
    await set_image(cluster, "two")

    async def updated(count: int) -> bool:
        status = (await live(cluster)).status
        return (status.observedGeneration, status.updatedNumberScheduled, status.numberAvailable) == (2, count, 3)

    await eventually(lambda: updated(0))
    await cluster.client.delete(Pod, sorted(await pods_of(cluster, "agent"))[0], "default", grace_period=0)
    await eventually(lambda: updated(1))
    assert sorted((await images(cluster, "agent")).values()) == ["one", "one", "two"]


async def test_status_can_be_read_updated_and_patched(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should verify changes to a daemon set status [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    found = await eventually(lambda: settled(cluster, "abc"))
    found.status.conditions = [DaemonSetCondition(type="StatusUpdate", status="True", reason="E2E")]
    await cluster.client.update(found, subresource="status")
    body = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    await cluster.client.patch(DaemonSet, "agent", "default", body, subresource="status")
    await add_node(cluster, "d")
    await eventually(lambda: settled(cluster, "abcd"))
    assert [condition.type for condition in (await live(cluster)).status.conditions] == ["StatusPatched"]


async def test_can_be_listed_and_deleted_as_a_collection(cluster: Cluster) -> None:
    """'[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets [Conformance]'"""
    await cluster.nodes()
    made = daemon_set()
    made.metadata.labels = {"suite": "collection"}
    await cluster.client.create(made)
    await eventually(lambda: settled(cluster, "abc"))
    assert len((await cluster.client.list(DaemonSet, label_selector="suite=collection")).items) == 1
    await cluster.client.delete_collection(DaemonSet, "default", label_selector="suite=collection")
    assert (await cluster.client.list(DaemonSet, label_selector="suite=collection")).items == []


async def test_its_revisions_can_be_managed_by_hand(cluster: Cluster) -> None:
    """'[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    await cluster.settled()  # nothing brings the controller back, which would put the revisions in order
    first = (await cluster.client.list(ControllerRevision, "default", label_selector="app=agent")).items[0]
    name = first.metadata.name
    body = {"metadata": {"labels": {name: "patched"}}}
    patched = await cluster.client.patch(ControllerRevision, name, "default", body)
    assert patched.metadata.labels[name] == "patched"
    second = ControllerRevision(
        metadata=ObjectMeta(
            name="by-hand",
            namespace="default",
            labels=first.metadata.labels,
            ownerReferences=first.metadata.ownerReferences,
        ),
        data=first.data,
        revision=first.revision + 1,
    )
    await cluster.client.create(second)
    assert await revisions_of(cluster, "agent") == [1, 2]
    await cluster.client.delete(ControllerRevision, name, "default")
    updated = await cluster.client.get(ControllerRevision, "by-hand", "default")
    updated.metadata.labels["by-hand"] = "updated"
    await cluster.client.update(updated)
    before = await on_nodes(cluster)
    await eventually(lambda: settled(cluster, "abc"))
    assert await on_nodes(cluster) == before
    assert await revisions_of(cluster, "agent") == [2]
    await set_image(cluster, "two")

    async def three() -> bool:
        return await revisions_of(cluster, "agent") == [2, 3] and await settled(cluster, "abc") is not None

    await eventually(three)
    await cluster.client.delete_collection(ControllerRevision, "default", label_selector="by-hand=updated")
    assert await revisions_of(cluster, "agent") == [3]


async def test_pods_of_a_duplicate_revision_are_kept(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    before = await on_nodes(cluster)
    first = (await cluster.client.list(ControllerRevision, "default", label_selector="app=agent")).items[0]
    labels = {**first.metadata.labels, "controller-revision-hash": "twin"}
    meta = ObjectMeta(name="twin", namespace="default", labels=labels, ownerReferences=first.metadata.ownerReferences)
    await cluster.client.create(ControllerRevision(metadata=meta, data=first.data, revision=2))
    await cluster.settled()  # nobody looks at revisions as they come, but when something else brings the controller
    await cluster.client.patch(DaemonSet, "agent", "default", {"spec": {"minReadySeconds": 1}})

    async def merged() -> bool:
        pods = await pods_of(cluster, "agent")
        marks = {pod.metadata.labels["controller-revision-hash"] for pod in pods.values()}
        return marks == {"twin"} and await revisions_of(cluster, "agent") == [2]

    await eventually(merged)
    await eventually(lambda: settled(cluster, "abc"))
    assert await on_nodes(cluster) == before


async def test_adopts_its_orphans(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(GarbageCollector)
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    before = await on_nodes(cluster)
    await cluster.settled()
    await cluster.client.delete(DaemonSet, "agent", "default", propagation="Orphan")

    async def orphaned() -> bool:
        pods = (await pods_of(cluster, "agent")).values()
        return not (await cluster.client.list(DaemonSet)).items and not any(p.metadata.ownerReferences for p in pods)

    await eventually(orphaned)
    await cluster.settled()
    await cluster.client.create(daemon_set())
    await eventually(lambda: settled(cluster, "abc"))
    assert await on_nodes(cluster) == before
    assert await revisions_of(cluster, "agent") == [1]


async def test_keeps_as_many_old_revisions_as_asked_for(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(daemon_set(revisionHistoryLimit=1, updateStrategy=rolling(maxUnavailable="100%")))
    await eventually(lambda: settled(cluster, "abc"))
    for image in ("two", "three"):
        await set_image(cluster, image)

        async def current(image: str = image) -> bool:
            return set((await images(cluster, "agent")).values()) == {image} and bool(await settled(cluster, "abc"))

        await eventually(current)

    async def truncated() -> bool:
        return await revisions_of(cluster, "agent") == [2, 3]

    await eventually(truncated)
