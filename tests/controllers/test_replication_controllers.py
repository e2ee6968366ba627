"""ReplicationControllers: ReplicaSets by their older name."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.autoscaling_v1 import Scale
from api.core_v1 import Container, Pod, PodSpec, ReplicationController, ResourceQuota
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.pod_template import controller_reference
from controller_manager.replication_controller import ReplicationControllerController
from tests.client.real_server import RealServer
from tests.controllers.batch import NAMESPACE, Node, batch_cluster, pods, server_in, told, until
from tests.controllers.cluster import Cluster, eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_in(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def batch(server: RealServer) -> AsyncIterator[tuple[Cluster, Node]]:
    async with batch_cluster(server.config, ReplicationControllerController) as made:
        yield made


def controller(replicas: int, **spec: Any) -> ReplicationController:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 1},
    }
    return ReplicationController.from_dict(
        {
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"replicas": replicas, "template": template, **spec},
        }
    )


async def live(cluster: Cluster) -> ReplicationController:
    return await cluster.client.get(ReplicationController, "web", NAMESPACE)


async def settled(cluster: Cluster, count: int) -> ReplicationController:
    async def is_settled() -> ReplicationController | None:
        found = await live(cluster)
        status = found.status
        same = status.replicas == status.availableReplicas == status.fullyLabeledReplicas == count
        return found if same and status.observedGeneration == found.metadata.generation else None

    found: ReplicationController = await until(cluster, is_settled)
    return found


async def test_keeps_pods_running_on_every_replica(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should serve a basic image on each replica with a public image
    [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(controller(3))
    found = await settled(cluster, 3)
    assert found.status.readyReplicas == 3
    first, *_ = await pods(cluster)
    (reference,) = first.metadata.ownerReferences
    assert (reference.apiVersion, reference.kind, reference.controller) == ("v1", "ReplicationController", True)
    await told(cluster, "Normal", "SuccessfulCreate", f"Created pod: {first.metadata.name}", name="web")
    await cluster.client.delete(Pod, first.metadata.name, NAMESPACE, grace_period=0)

    async def replaced() -> bool:
        names = [pod.metadata.name for pod in await pods(cluster) if pod.status.phase == "Running"]
        return len(names) == 3 and first.metadata.name not in names

    await until(cluster, replaced)


async def test_adopts_matching_pods(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]'"""
    cluster, _node = batch
    meta = ObjectMeta(name="orphan", namespace=NAMESPACE, labels={"app": "web"})
    await cluster.client.create(Pod(metadata=meta, spec=PodSpec(containers=[Container(name="c", image="i")])))
    await eventually(lambda: cluster.informers.of(Pod).store.get(f"{NAMESPACE}/orphan"))
    await cluster.client.create(controller(1))
    await settled(cluster, 1)
    (only,) = await pods(cluster)
    assert (only.metadata.name, len(only.metadata.ownerReferences)) == ("orphan", 1)


async def test_releases_pods_that_match_no_longer(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should release no longer matching pods [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(controller(1))
    await settled(cluster, 1)
    (one,) = await pods(cluster)
    body = {"metadata": {"labels": {"app": "other"}}}
    await cluster.client.patch(Pod, one.metadata.name, NAMESPACE, body)

    async def released() -> bool:
        owned = {pod.metadata.name: bool(pod.metadata.ownerReferences) for pod in await pods(cluster)}
        return len(owned) == 2 and not owned[one.metadata.name]

    await until(cluster, released)


async def test_can_be_scaled(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should get and update a ReplicationController scale [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(controller(1))
    await settled(cluster, 1)
    path = f"/api/v1/namespaces/{NAMESPACE}/replicationcontrollers/web/scale"
    scale = Scale.from_dict(await cluster.client.get_json(path))
    assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (1, 1, "app=web")
    body = {"spec": {"replicas": 2}}
    await cluster.client.patch(ReplicationController, "web", NAMESPACE, body, subresource="scale")
    assert (await settled(cluster, 2)).spec.replicas == 2
    await cluster.client.patch(ReplicationController, "web", NAMESPACE, {"spec": {"replicas": 0}})
    await settled(cluster, 0)


async def test_tells_of_pods_that_a_quota_forbids(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota
    [Conformance]'"""
    cluster, _node = batch
    quota = {"metadata": {"name": "two", "namespace": NAMESPACE}, "spec": {"hard": {"pods": "2"}}}
    made = await cluster.client.create(ResourceQuota.from_dict(quota))
    made.status.hard, made.status.used = {"pods": "2"}, {"pods": "0"}
    await cluster.client.update(made, subresource="status")
    try:
        await cluster.client.create(controller(3))

        async def failing() -> ReplicationController | None:
            found = await live(cluster)
            return found if found.status.conditions else None

        (condition,) = (await until(cluster, failing)).status.conditions
        assert (condition.type, condition.status, condition.reason) == ("ReplicaFailure", "True", "FailedCreate")
        assert "exceeded quota: two" in condition.message
        await cluster.client.patch(ReplicationController, "web", NAMESPACE, {"spec": {"replicas": 2}})

        async def well() -> bool:
            status = (await live(cluster)).status
            return status.replicas == 2 and not status.conditions

        await until(cluster, well)
    finally:
        await cluster.client.delete(ResourceQuota, "two", NAMESPACE)


async def test_goes_through_its_life(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]'"""
    cluster, _node = batch
    made = controller(1)
    made.metadata.labels = {"kind": "e2e"}
    await cluster.client.create(made)
    await cluster.client.patch(ReplicationController, "web", NAMESPACE, {"metadata": {"labels": {"patched": "yes"}}})
    body = {"spec": {"replicas": 2}}
    await cluster.client.patch(ReplicationController, "web", NAMESPACE, body)
    assert (await settled(cluster, 2)).metadata.labels == {"kind": "e2e", "patched": "yes"}
    (found,) = (await cluster.client.list(ReplicationController, label_selector="kind=e2e")).items
    assert found.metadata.name == "web"
    await cluster.client.delete_collection(
        ReplicationController, NAMESPACE, label_selector="kind=e2e", propagation="Background"
    )
    with pytest.raises(NotFound):
        await live(cluster)


# --- deletion -----------------------------------------------------------------------------------------


@pytest.fixture
async def collected(batch: tuple[Cluster, Node]) -> tuple[Cluster, Node]:
    """The same with the garbage collector."""
    await batch[0].run(GarbageCollector)
    return batch


async def is_gone(cluster: Cluster, name: str = "web") -> bool:
    try:
        await cluster.client.get(ReplicationController, name, NAMESPACE)
    except NotFound:
        return True
    return False


async def delete(cluster: Cluster, propagation: str) -> None:
    await cluster.client.delete(ReplicationController, "web", NAMESPACE, propagation=propagation)


async def test_its_pods_go_with_it(collected: tuple[Cluster, Node]) -> None:
    """'[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning [Conformance]'"""
    cluster, _node = collected
    await cluster.client.create(controller(2))
    await settled(cluster, 2)
    await delete(cluster, "Background")

    async def all_gone() -> bool:
        return await is_gone(cluster) and not await pods(cluster)

    await until(cluster, all_gone)


async def test_it_waits_for_its_pods(collected: tuple[Cluster, Node]) -> None:
    """'[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the
    deleteOptions says so [Serial] [Conformance]'"""
    cluster, node = collected
    node.stubborn = True
    await cluster.client.create(controller(10))
    await settled(cluster, 10)
    await delete(cluster, "Foreground")

    async def going() -> bool:
        return all(pod.metadata.deletionTimestamp for pod in await pods(cluster))

    await until(cluster, going)
    assert len(await pods(cluster)) == 10
    assert not await is_gone(cluster)
    await node.kill_those_that_were_deleted()
    await until(cluster, lambda: is_gone(cluster))
    assert await pods(cluster) == []


async def test_pods_that_have_another_owner_stay(collected: tuple[Cluster, Node]) -> None:
    """'[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's
    waiting for dependents to be deleted [Serial] [Conformance]'"""
    cluster, _node = collected
    other = controller(0)
    other.metadata.name = "other"
    other = await cluster.client.create(other)
    await cluster.client.create(controller(10))
    await settled(cluster, 10)
    shared = (await pods(cluster))[:5]
    for pod in shared:
        second = controller_reference(other).to_dict() | {"controller": False}
        references = [reference.to_dict() for reference in pod.metadata.ownerReferences]
        body = {"metadata": {"ownerReferences": [*references, second]}}
        await cluster.client.patch(Pod, pod.metadata.name, NAMESPACE, body)
    await delete(cluster, "Foreground")
    await until(cluster, lambda: is_gone(cluster))
    left = await pods(cluster)
    assert {pod.metadata.name for pod in left} == {pod.metadata.name for pod in shared}
    assert [pod.metadata.deletionTimestamp for pod in left] == [None] * 5


async def test_its_pods_can_be_left(collected: tuple[Cluster, Node]) -> None:
    """'[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial]
    [Conformance]'"""
    cluster, _node = collected
    await cluster.client.create(controller(10))
    await settled(cluster, 10)
    await delete(cluster, "Orphan")
    await until(cluster, lambda: is_gone(cluster))
    assert [pod.metadata.ownerReferences for pod in await pods(cluster)] == [[]] * 10
