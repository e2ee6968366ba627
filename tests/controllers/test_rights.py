"""Each controller gets along with the rights of its own service account."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.core_v1 import ConfigMap, EndpointAddress, Endpoints, EndpointSubset, Secret, Service, ServicePort, ServiceSpec
from api.discovery_v1 import EndpointSlice
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster
from tests.controllers.test_bootstrap_tokens import token
from tests.controllers.test_killed_manager import Managers

ADDRESS = EndpointAddress(ip="192.0.2.1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    managers = Managers(server, tmp_path / "controller-manager.log")
    flags = (
        "--leader-elect=false",
        "--use-service-account-credentials",
        "--controllers=*,bootstrapsigner,tokencleaner",
    )
    manager = managers.start(*flags)
    try:
        async with real_cluster(server.config) as running:
            yield running
    finally:
        managers.kill(manager)


async def test_endpoints_are_mirrored_with_the_rights_to_do_so(cluster: Cluster) -> None:
    spec = ServiceSpec(ports=[ServicePort(port=80, protocol="TCP")])
    meta = ObjectMeta(name="custom", namespace="default")
    await cluster.client.create(Service(metadata=meta, spec=spec))
    subset = EndpointSubset(addresses=[ADDRESS])
    await cluster.client.create(Endpoints(metadata=meta, subsets=[subset]))

    async def addresses() -> list[str]:
        selector = "kubernetes.io/service-name=custom"
        slices = (await cluster.client.list(EndpointSlice, "default", label_selector=selector)).items
        return [address for slice in slices for endpoint in slice.endpoints for address in endpoint.addresses]

    assert await eventually(addresses) == ["192.0.2.1"]
    await cluster.client.delete(Service, "custom", "default")

    async def gone() -> bool:
        return await addresses() == []

    await eventually(gone)


async def test_cluster_info_is_signed_and_tokens_end_with_the_rights_to_do_so(cluster: Cluster) -> None:
    meta = ObjectMeta(name="cluster-info", namespace="kube-public")
    await cluster.client.create(ConfigMap(metadata=meta, data={"kubeconfig": "apiVersion: v1"}))
    await cluster.client.create(token())
    over = token("ending")
    over.data["expiration"] = base64.b64encode(b"2020-01-01T00:00:00Z").decode()
    await cluster.client.create(over)

    async def signed() -> bool:
        found = await cluster.client.get(ConfigMap, "cluster-info", "kube-public")
        return set(found.data) == {"kubeconfig", "jws-kubeconfig-abcdef"}

    await eventually(signed)

    async def ended() -> bool:
        try:
            await cluster.client.get(Secret, "bootstrap-token-ending", "kube-system")
        except NotFound:
            return True
        return False

    await eventually(ended)


async def test_the_api_servers_own_endpoints_are_left_alone(cluster: Cluster) -> None:
    """Conformance: "API Server should have Endpoints and EndpointSlices pointing to API Server"."""
    meta = ObjectMeta(name="other", namespace="default")
    await cluster.client.create(Service(metadata=meta, spec=ServiceSpec(ports=[ServicePort(port=80, protocol="TCP")])))
    await cluster.client.create(Endpoints(metadata=meta, subsets=[EndpointSubset(addresses=[ADDRESS])]))

    async def slices_of(name: str) -> list[EndpointSlice]:
        selector = f"kubernetes.io/service-name={name}"
        return (await cluster.client.list(EndpointSlice, "default", label_selector=selector)).items

    await eventually(lambda: slices_of("other"))  # by now whoever mirrors has seen the others too
    (slice,) = await slices_of("kubernetes")
    endpoints = await cluster.client.get(Endpoints, "kubernetes", "default")
    (address,) = endpoints.subsets[0].addresses
    assert slice.endpoints[0].addresses == [address.ip]
    assert [port.port for port in slice.ports] == [port.port for port in endpoints.subsets[0].ports]
