"""ReplicaSets: as many pods as asked for, whatever happens."""

from datetime import UTC, datetime, timedelta

import pytest

from api.apps_v1 import ReplicaSet
from api.core_v1 import ContainerStatus, Pod, PodCondition, PodSpec, PodStatus
from api.errors import Forbidden
from api.meta_v1 import ObjectMeta
from controller_manager.expectations import Expectations
from controller_manager.pod_control import PodControl
from controller_manager.pod_ranking import least_missed
from controller_manager.replica_set import ReplicaSetController
from controller_manager.slow_start import slow_start
from tests.controllers.cluster import Cluster, eventually, replica_set

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_makes_pods_and_counts_them(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(ReplicaSetController)
    await cluster.client.create(replica_set(replicas=5))

    async def settled() -> bool:
        status = (await cluster.client.get(ReplicaSet, "web", "default")).status
        return status.availableReplicas == 5

    await eventually(settled)
    status = (await cluster.client.get(ReplicaSet, "web", "default")).status
    assert (status.replicas, status.readyReplicas, status.fullyLabeledReplicas) == (5, 5, 5)
    assert (status.observedGeneration, status.terminatingReplicas) == (1, 0)
    pods = await cluster.pods()
    assert len(pods) == 5
    reference = pods[0].metadata.ownerReferences[0]
    assert (reference.kind, reference.controller, reference.blockOwnerDeletion) == ("ReplicaSet", True, True)
    assert pods[0].metadata.name.startswith("web-")
    messages = await cluster.event_messages("web")
    assert f"Created pod: {pods[0].metadata.name}" in messages


async def test_replaces_lost_pods_and_removes_surplus_ones(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(ReplicaSetController)
    await cluster.client.create(replica_set(replicas=3))

    async def names(count: int) -> set[str] | None:
        found = {p.metadata.name for p in await cluster.pods() if p.status.phase == "Running"}
        return found if len(found) == count else None

    before = await eventually(lambda: names(3))
    lost = min(before)
    await cluster.client.delete(Pod, lost, "default", grace_period=0)
    after = await eventually(lambda: names(3))
    assert lost not in after
    await cluster.client.patch(ReplicaSet, "web", "default", {"spec": {"replicas": 1}})
    assert await eventually(lambda: names(1)) <= after
    await cluster.client.patch(ReplicaSet, "web", "default", {"spec": {"replicas": 0}})

    async def none() -> bool:
        return not await cluster.pods()

    await eventually(none)


async def test_never_makes_more_pods_than_asked_for(cluster: Cluster) -> None:
    """Not even for a moment: expectations hold it back while the watch lags behind."""
    await cluster.run(ReplicaSetController)
    await cluster.client.create(replica_set(replicas=40))

    async def all_there() -> bool:
        return (await cluster.client.get(ReplicaSet, "web", "default")).status.replicas == 40

    await eventually(all_there)
    created = [line for line in cluster.server.requests if line == "POST /api/v1/namespaces/default/pods"]
    assert len(created) == 40


async def test_adopts_matching_orphans_and_releases_what_no_longer_matches(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(ReplicaSetController)
    orphan = Pod(
        metadata=ObjectMeta(name="orphan", namespace="default", labels={"app": "web"}), spec=PodSpec(containers=[])
    )
    await cluster.client.create(orphan)
    await eventually(lambda: cluster.informers.of(Pod).store.get("default/orphan"))
    await cluster.client.create(replica_set(replicas=2))

    async def owned() -> set[str]:
        return {p.metadata.name for p in await cluster.pods() if p.metadata.ownerReferences}

    async def two_with_orphan() -> bool:
        return "orphan" in await owned() and len(await owned()) == 2

    await eventually(two_with_orphan)
    await cluster.client.patch(Pod, "orphan", "default", {"metadata": {"labels": {"app": "other"}}})

    async def two_without_orphan() -> bool:
        return "orphan" not in await owned() and len(await owned()) == 2

    await eventually(two_without_orphan)
    assert len(await cluster.pods()) == 3


async def test_says_when_pods_cannot_be_made(cluster: Cluster) -> None:
    await cluster.run(ReplicaSetController)
    cluster.server.refuse = lambda method, path: Forbidden("quota") if method == "POST" and "/pods" in path else None
    await cluster.client.create(replica_set(replicas=3))

    async def failing() -> bool:
        status = (await cluster.client.get(ReplicaSet, "web", "default")).status
        return any(
            (c.type, c.status, c.reason) == ("ReplicaFailure", "True", "FailedCreate") for c in status.conditions
        )

    await eventually(failing)
    assert "Error creating: quota" in await cluster.event_messages("web")
    cluster.server.refuse = lambda method, path: None

    async def well() -> bool:
        status = (await cluster.client.get(ReplicaSet, "web", "default")).status
        return status.replicas == 3 and not status.conditions

    await eventually(well)


async def test_survives_the_server(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(ReplicaSetController)
    await cluster.client.create(replica_set(replicas=30))
    await eventually(lambda: any("POST" in line and "/pods" in line for line in cluster.server.requests))
    await cluster.server.stop()
    await cluster.server.start()

    async def settled() -> bool:
        return (await cluster.client.get(ReplicaSet, "web", "default")).status.availableReplicas == 30

    await eventually(settled)

    async def no_more() -> bool:
        """Pods whose making nobody heard of are made again; what is too many goes."""
        return await settled() and len(await cluster.pods()) == 30

    await eventually(no_more)


async def test_what_was_deleted_is_expected_to_go_though_another_deletion_failed(cluster: Cluster) -> None:
    names = ("a", "b", "c", "d")
    pods = [await cluster.client.create(Pod(metadata=ObjectMeta(name=n, namespace="default"))) for n in names]
    cluster.server.refuse = lambda method, path: Forbidden("no") if path.endswith("/b") else None
    expectations = Expectations(cluster.clock)
    expectations.expect("key", deletions=[pod.metadata.uid for pod in pods])
    error = await PodControl(cluster.client, cluster.events, expectations).delete("key", replica_set(), pods)
    assert isinstance(error, Forbidden)
    assert [pod.metadata.name for pod in await cluster.pods()] == ["b", "d"], "d comes after those that failed"
    for pod in (pods[0], pods[2]):
        assert not expectations.met("key")
        expectations.deleted("key", pod.metadata.uid)
    assert expectations.met("key")


async def test_slow_start_doubles_and_stops_at_the_first_failure() -> None:
    batches: list[int] = []

    async def act(number: int) -> None:
        batches.append(number)
        if number >= 5:
            raise RuntimeError("enough")

    done, error = await slow_start(20, act)
    assert (done, len(batches)) == (5, 7)  # 1 + 2 + 4, of which the last two failed
    assert isinstance(error, RuntimeError)
    assert await slow_start(0, act) == (0, None)


def pod(
    name: str, *, node: str = "n", phase: str = "Running", ready: bool = True, age: float = 1000, **more: object
) -> Pod:
    since = NOW - timedelta(seconds=age)
    status = PodStatus(
        phase=phase, conditions=[PodCondition(type="Ready", status=str(ready), lastTransitionTime=since)]
    )
    restarts = more.get("restarts", 0)
    assert isinstance(restarts, int)
    status.containerStatuses = [ContainerStatus(name="c", image="", imageID="", ready=ready, restartCount=restarts)]
    cost = {"controller.kubernetes.io/pod-deletion-cost": str(more["cost"])} if "cost" in more else {}
    meta = ObjectMeta(name=name, uid=name, creationTimestamp=since, annotations=cost)
    return Pod(metadata=meta, spec=PodSpec(containers=[], nodeName=node), status=status)


@pytest.mark.parametrize(
    ("first_to_go", "stays"),
    [
        (pod("a", node=""), pod("b")),
        (pod("a", phase="Pending"), pod("b")),
        (pod("a", ready=False), pod("b")),
        (pod("a", cost=-1), pod("b", restarts=5)),
        (pod("a", age=10), pod("b", age=100000)),
        (pod("a", restarts=3), pod("b")),
    ],
)
def test_deletes_the_pods_that_are_missed_least(first_to_go: Pod, stays: Pod) -> None:
    assert least_missed([stays, first_to_go], 1, [stays, first_to_go], NOW) == [first_to_go]


def test_deletes_from_crowded_nodes_first() -> None:
    pods = [pod("a", node="one"), pod("b", node="two"), pod("c", node="two")]
    assert least_missed(pods, 1, pods, NOW)[0].spec.nodeName == "two"
