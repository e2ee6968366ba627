"""The controllers on the real API server, with its admission, defaults and validation."""

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from api.apps_v1 import Deployment, ReplicaSet
from api.core_v1 import ConfigMap, Namespace, Node, Pod, Service, ServicePort, ServiceSpec
from api.discovery_v1 import EndpointSlice
from api.errors import AlreadyExists, NotFound
from api.meta_v1 import ObjectMeta
from client.rest import Unreachable
from controller_manager.deployment import progress
from controller_manager.deployment.controller import DeploymentController
from controller_manager.endpoint_slice.controller import EndpointSliceController
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.namespace import NamespaceController
from controller_manager.replica_set import ReplicaSetController
from controller_manager.root_ca import RootCaPublisher
from controller_manager.service_account import ServiceAccountController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, deployment, eventually, real_cluster


def root_ca(*common: object) -> RootCaPublisher:
    return RootCaPublisher(*common, root_ca="PEM")


ALL = (
    DeploymentController,
    ReplicaSetController,
    EndpointSliceController,
    ServiceAccountController,
    NamespaceController,
    GarbageCollector,
    root_ca,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        with contextlib.suppress(AlreadyExists):
            await running.client.create(Node(metadata=ObjectMeta(name="node-0")))
        await running.run(*ALL)
        await running.nodes()
        yield running
        await running.settled()  # a controller that has not heard of a deletion may still make something


async def nothing_is_left(cluster: Cluster) -> bool:
    return await cluster.is_settled() and not await cluster.pods() and not await cluster.replica_sets()


async def complete(cluster: Cluster, name: str) -> Deployment | None:
    live = await cluster.client.get(Deployment, name, "default")
    return live if progress.is_complete(live, live.status) else None


async def gone(cluster: Cluster, kind: type, name: str, namespace: str = "") -> bool:
    try:
        await cluster.client.get(kind, name, namespace)
    except NotFound:
        return True
    return False


async def test_rolls_out_updates_undoes_and_cleans_up(cluster: Cluster) -> None:
    await cluster.client.create(deployment())
    ports = [ServicePort(port=80, protocol="TCP")]
    spec = ServiceSpec(selector={"app": "web"}, ports=ports)
    await cluster.client.create(Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec))
    await eventually(lambda: complete(cluster, "web"))

    async def endpoints(count: int) -> bool:
        slices = await cluster.client.list(EndpointSlice, "default", label_selector="kubernetes.io/service-name=web")
        return sum(e.conditions.ready is True for s in slices.items for e in s.endpoints) == count

    await eventually(lambda: endpoints(3))
    for image in ("two", "one"):
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
        await cluster.client.patch(Deployment, "web", "default", body, type="strategic")
        await eventually(lambda: complete(cluster, "web"))
    assert len(await cluster.replica_sets()) == 2
    await cluster.client.patch(Deployment, "web", "default", {"spec": {"replicas": 5}})
    await eventually(lambda: endpoints(5))
    await cluster.client.delete(Deployment, "web", "default", propagation="Foreground")
    await eventually(lambda: gone(cluster, Deployment, "web", "default"))
    assert (await cluster.client.list(ReplicaSet, "default")).items == []
    await cluster.client.delete(Service, "web", "default")
    await eventually(lambda: endpoints(0))
    await eventually(lambda: nothing_is_left(cluster))


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
async def test_the_replica_sets_of_a_deleted_deployment_go_or_stay(cluster: Cluster, policy: str) -> None:
    """Conformance: "Garbage collector should delete RS created by deployment when not orphaning" and "Garbage collector
    should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan"."""
    await cluster.client.create(deployment("web", 2))
    await eventually(lambda: complete(cluster, "web"))
    await cluster.client.delete(Deployment, "web", "default", propagation=policy)
    await eventually(lambda: gone(cluster, Deployment, "web", "default"))
    if policy == "Orphan":
        (left,) = (await cluster.client.list(ReplicaSet, "default")).items
        assert left.metadata.ownerReferences == []
        owners = [reference.uid for pod in await cluster.pods() for reference in pod.metadata.ownerReferences]
        assert owners == [left.metadata.uid] * 2
        await cluster.client.delete(ReplicaSet, left.metadata.name, "default", propagation="Background")
    await eventually(lambda: nothing_is_left(cluster))


async def test_empties_and_ends_a_namespace(cluster: Cluster) -> None:
    """Conformance: "Namespaces should ensure that all pods are removed when a namespace is deleted" and "Namespaces
    should ensure that all services are removed when a namespace is deleted"."""
    await cluster.client.create(Namespace(metadata=ObjectMeta(name="work")))
    for name in ("default", "kube-root-ca.crt"):
        await eventually(lambda name=name: _present(cluster, name))
    made = deployment()
    made.metadata.namespace = "work"
    await cluster.client.create(made)
    spec = ServiceSpec(selector={"app": "web"}, ports=[ServicePort(port=80, protocol="TCP")])
    await cluster.client.create(Service(metadata=ObjectMeta(name="web", namespace="work"), spec=spec))

    async def pods() -> bool:
        return len((await cluster.client.list(Pod, "work")).items) == 3

    await eventually(pods)
    await cluster.client.delete(Namespace, "work")
    await eventually(lambda: gone(cluster, Namespace, "work"))
    assert (await cluster.client.list(Pod, "work")).items == []
    assert (await cluster.client.list(Service, "work")).items == []


async def test_a_namespace_waits_for_finalizers_of_others(cluster: Cluster) -> None:
    """Conformance: "Namespaces should apply a finalizer to a Namespace"."""
    made = await cluster.client.create(Namespace(metadata=ObjectMeta(name="held")))
    made.spec.finalizers.append("example.com/hold")
    held = await cluster.client.update(made, subresource="finalize")
    assert held.spec.finalizers == ["kubernetes", "example.com/hold"]
    await cluster.client.delete(Namespace, "held")

    async def emptied() -> bool:
        return (await cluster.client.get(Namespace, "held")).spec.finalizers == ["example.com/hold"]

    await eventually(emptied)
    await cluster.settled()
    left = await cluster.client.get(Namespace, "held")
    left.spec.finalizers = []
    await cluster.client.update(left, subresource="finalize")
    await eventually(lambda: gone(cluster, Namespace, "held"))


async def _present(cluster: Cluster, name: str) -> bool:
    from api.core_v1 import ServiceAccount

    return not await gone(cluster, ServiceAccount if name == "default" else ConfigMap, name, "work")


async def test_nothing_is_lost_when_the_server_is_killed(cluster: Cluster, server: RealServer) -> None:
    await cluster.client.create(deployment("killed", 20))
    for _ in range(2):
        server.end(signal.SIGKILL)
        server.start()

    async def settled() -> bool:
        try:
            return await complete(cluster, "killed") is not None
        except Unreachable:
            return False

    await eventually(settled)
    assert len([p for p in await cluster.pods() if p.metadata.deletionTimestamp is None]) == 20
    await cluster.client.delete(Deployment, "killed", "default", propagation="Background")
    await eventually(lambda: nothing_is_left(cluster))
