"""Ranges of Services' addresses: ready, and there as long as anybody needs them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api.core_v1 import Service
from api.errors import NotFound
from api.meta_v1 import PartialObjectMetadata
from api.networking_v1 import IPAddress, ServiceCIDR
from api.scheme import resource_of
from controller_manager import service_cidr
from controller_manager.service_cidr import FINALIZER, ServiceCIDRController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(service_cidr, "_GRACE", service_cidr._GRACE * 0)
    async with real_cluster(server.config) as running:
        await running.run(ServiceCIDRController)
        await running.run(ServiceCIDRController)  # a second one, told at once of what is known already
        yield running


def ranges(name: str, *cidrs: str) -> ServiceCIDR:
    return ServiceCIDR.from_dict({"metadata": {"name": name}, "spec": {"cidrs": [*cidrs]}})


async def ready(cluster: Cluster, name: str) -> tuple[str, str, str] | None:
    found = await cluster.client.get(ServiceCIDR, name)
    return next(((c.status, c.reason, c.message) for c in found.status.conditions if c.type == "Ready"), None)


async def gone(cluster: Cluster, name: str) -> bool:
    try:
        await cluster.client.get(ServiceCIDR, name)
    except NotFound:
        return True
    return False


async def test_a_range_is_ready_and_guarded(cluster: Cluster) -> None:
    """ "[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]" """
    await cluster.client.create(ranges("more", "10.97.0.0/24"))
    assert await eventually(lambda: ready(cluster, "more")) == ("True", "", "Kubernetes Service CIDR is ready")
    assert (await cluster.client.get(ServiceCIDR, "more")).metadata.finalizers == [FINALIZER]
    await cluster.client.delete(ServiceCIDR, "more")
    await eventually(lambda: gone(cluster, "more"))


async def test_a_range_goes_when_its_addresses_are_not_used_or_are_of_another_too(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(ranges("small", "10.98.0.0/28"))
    await eventually(lambda: ready(cluster, "small"))
    spec = {"clusterIP": "10.98.0.5", "ports": [{"port": 80}]}
    await client.create(Service.from_dict({"metadata": {"name": "s", "namespace": "default"}, "spec": spec}))
    addresses = cluster.informers.of(PartialObjectMetadata, resource=resource_of(IPAddress)).store
    await eventually(lambda: addresses.get("10.98.0.5"))  # without a time of grace nobody waits for it
    await client.delete(ServiceCIDR, "small")

    async def held() -> bool:
        return await ready(cluster, "small") == ("False", "Terminating", service_cidr._IN_USE)

    await eventually(held)
    await client.create(ranges("large", "10.98.0.0/24"))
    await eventually(lambda: gone(cluster, "small"))
    await client.delete(ServiceCIDR, "large")

    async def large_held() -> bool:
        return (await ready(cluster, "large") or ("",))[0] == "False"

    await eventually(large_held)
    await client.delete(Service, "s", "default")
    await eventually(lambda: gone(cluster, "large"))
