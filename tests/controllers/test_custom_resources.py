"""Controllers that deal with every kind take up those that definitions add, and let go of those that go."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.apiextensions_v1 import CustomResourceDefinition
from api.core_v1 import ConfigMap, Namespace
from api.errors import NotFound, StatusError
from api.meta_v1 import ObjectMeta, OwnerReference, PartialObjectMetadata
from api.scheme import GroupVersion, Resource
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.namespace import NamespaceController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster

GROUP = "collected.example.com"
WIDGETS = Resource(GroupVersion(GROUP, "v1"), "widgets", "meta_v1.PartialObjectMetadata", kind="Widget")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        yield running


async def define(cluster: Cluster) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": GROUP, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}}
    definition = {"metadata": {"name": f"widgets.{GROUP}"}, "spec": {**spec, "versions": [version]}}
    await cluster.client.create(CustomResourceDefinition.from_dict(definition))

    async def served() -> bool:
        try:
            await cluster.client.list(PartialObjectMetadata, resource=WIDGETS)
        except StatusError:
            return False
        return True

    await eventually(served)


async def widget(cluster: Cluster, name: str, namespace: str = "default") -> Any:
    meta = ObjectMeta(name=name, namespace=namespace)
    made = PartialObjectMetadata(apiVersion=f"{GROUP}/v1", kind="Widget", metadata=meta)
    return await cluster.client.create(made, resource=WIDGETS)


async def exists(cluster: Cluster, model: type[Any], name: str, namespace: str = "") -> bool:
    try:
        await cluster.client.get(model, name, namespace)
    except NotFound:
        return False
    return True


async def test_kinds_come_and_go_without_a_restart(cluster: Cluster) -> None:
    def collector(*common: Any) -> GarbageCollector:
        return GarbageCollector(*common, discovery_period=0.1)

    (running, _) = await cluster.run(collector, NamespaceController)
    await define(cluster)
    owner = await widget(cluster, "owner")
    reference = OwnerReference(apiVersion=f"{GROUP}/v1", kind="Widget", name="owner", uid=owner.metadata.uid)
    meta = ObjectMeta(name="owned", namespace="default", ownerReferences=[reference])
    await cluster.client.create(ConfigMap(metadata=meta))
    await eventually(lambda: WIDGETS.plural in {plural for _, plural in running._watched})
    await cluster.client.delete(PartialObjectMetadata, "owner", "default", resource=WIDGETS)

    async def collected() -> bool:
        return not await exists(cluster, ConfigMap, "owned", "default")

    await eventually(collected)

    await cluster.client.create(Namespace(metadata=ObjectMeta(name="full")))
    await widget(cluster, "inside", "full")
    await cluster.client.delete(Namespace, "full")

    async def emptied() -> bool:
        return not await exists(cluster, Namespace, "full")

    await eventually(emptied)

    await cluster.client.delete(CustomResourceDefinition, f"widgets.{GROUP}")
    await eventually(lambda: (GROUP, "widgets") not in running._watched)
    assert all(identity[2] != "widgets" for identity in cluster.informers._tasks)
