"""Claims and volumes go when nobody uses them, and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from api.core_v1 import Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount
from api.errors import NotFound
from client.rest import RestClient
from client.store import Store
from controller_manager.storage_protection import (
    PVC_PROTECTION,
    ClaimProtectionController,
    VolumeProtectionController,
    claims_of,
)
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster
from tests.controllers.cluster import cluster as run_cluster

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
VOLUME = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}


def user(claim: str) -> Pod:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}, {"name": "own", "ephemeral": {}}]
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    return Pod.from_dict({"metadata": {"name": "user", "namespace": "storage"}, "spec": spec})


def test_the_claims_of_a_pod() -> None:
    assert list(claims_of(user("c"))) == ["storage/c", "storage/user-own"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        await running.run(ClaimProtectionController)
        await running.run(VolumeProtectionController)
        yield running


async def gone(client: RestClient, kind: type[PersistentVolume] | type[PersistentVolumeClaim], name: str) -> bool:
    try:
        await client.get(kind, name, "storage" if kind is PersistentVolumeClaim else "")
    except NotFound:
        return True
    return False


async def test_a_claim_waits_for_its_pod(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(Namespace.from_dict({"metadata": {"name": "storage"}}))
    await client.create(ServiceAccount.from_dict({"metadata": {"name": "default", "namespace": "storage"}}))
    for name in ("used", "free"):
        metadata = {"name": name, "namespace": "storage"}
        await client.create(PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": CLAIM}))
    pod = user("used")
    del pod.spec.volumes[1]
    await client.create(pod)
    for name in ("used", "free"):
        await client.delete(PersistentVolumeClaim, name, "storage")
    await eventually(lambda: gone(client, PersistentVolumeClaim, "free"))
    assert not await gone(client, PersistentVolumeClaim, "used")
    await client.delete(Pod, "user", "storage", grace_period=0)
    await eventually(lambda: gone(client, PersistentVolumeClaim, "used"))


async def test_a_claim_waits_for_a_pod_that_is_heard_of_late() -> None:
    async with run_cluster() as cluster:
        (controller,) = await cluster.run(ClaimProtectionController)
        controller.pods = Store()
        metadata = {"name": "used", "namespace": "storage", "finalizers": [PVC_PROTECTION]}
        await cluster.client.create(PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": CLAIM}))
        await cluster.client.create(user("used"))
        await cluster.client.delete(PersistentVolumeClaim, "used", "storage")
        await eventually(lambda: "GET /api/v1/namespaces/storage/pods" in cluster.server.requests)
        await eventually(lambda: controller.queue.idle)
        assert not await gone(cluster.client, PersistentVolumeClaim, "used")
        controller.pods = cluster.informers.of(Pod).store
        await cluster.client.delete(Pod, "user", "storage", grace_period=0)
        await eventually(lambda: gone(cluster.client, PersistentVolumeClaim, "used"))


async def test_a_volume_waits_for_its_claim(cluster: Cluster) -> None:
    client = cluster.client
    for name in ("bound", "free"):
        await client.create(PersistentVolume.from_dict({"metadata": {"name": name}, "spec": VOLUME}))
    await client.patch(PersistentVolume, "bound", "", {"status": {"phase": "Bound"}}, subresource="status")
    for name in ("bound", "free"):
        await client.delete(PersistentVolume, name)
    await eventually(lambda: gone(client, PersistentVolume, "free"))
    assert not await gone(client, PersistentVolume, "bound")
    await client.patch(PersistentVolume, "bound", "", {"status": {"phase": "Released"}}, subresource="status")
    await eventually(lambda: gone(client, PersistentVolume, "bound"))
