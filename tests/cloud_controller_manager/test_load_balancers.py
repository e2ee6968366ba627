"""Services of type LoadBalancer get an address of this machine, and keep it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.core_v1 import Event, LoadBalancerIngress, Node, Service, ServicePort, ServiceSpec
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from cloud_controller_manager.local import local_provider
from cloud_controller_manager.provider import Unavailable
from cloud_controller_manager.service import EXCLUDED, FINALIZER, ServiceController, takes_traffic
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster

RANGE = "127.1.14.0/29"


def controller(*common: Any) -> ServiceController:
    balancers = local_provider(RANGE).load_balancers
    assert balancers is not None
    return ServiceController(*common, load_balancers=balancers)


def service(name: str = "web", **spec: Any) -> Service:
    ports = [ServicePort(port=80, protocol="TCP")]
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(**{"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports, **spec}),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def real(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        yield running


async def addresses(cluster: Cluster, name: str = "web") -> list[str]:
    found = await cluster.client.get(Service, name, "default")
    return [ingress.ip for ingress in found.status.loadBalancer.ingress]


async def test_a_service_has_an_address_for_as_long_as_it_wants_one(real: Cluster) -> None:
    """On the real API server: the finalizer is written through the status."""
    await real.run(controller)
    await real.client.create(service())
    assert await eventually(lambda: addresses(real)) == ["127.1.14.1"]
    made = await real.client.get(Service, "web", "default")
    assert made.metadata.finalizers == [FINALIZER]
    await real.client.patch(Service, "web", "default", {"spec": {"type": "ClusterIP"}})

    async def released() -> bool:
        found = await real.client.get(Service, "web", "default")
        return not found.metadata.finalizers and not found.status.loadBalancer.ingress

    await eventually(released)
    await real.client.patch(Service, "web", "default", {"spec": {"type": "LoadBalancer"}})
    await eventually(lambda: addresses(real))
    await real.client.delete(Service, "web", "default")

    async def gone() -> bool:
        try:
            await real.client.get(Service, "web", "default")
        except NotFound:
            return True
        return False

    await eventually(gone)
    reasons = ("EnsuringLoadBalancer", "EnsuredLoadBalancer", "DeletingLoadBalancer", "DeletedLoadBalancer")

    async def told() -> bool:
        await real.events.flush()
        events = [e for e in (await real.client.list(Event, "default")).items if e.involvedObject.name == "web"]
        return {e.reason: e.count for e in events if e.type == "Normal"} == dict.fromkeys(reasons, 2)

    await eventually(told)


async def test_addresses_outlive_the_controller_and_are_given_once(cluster: Cluster) -> None:
    await cluster.client.create(service("first"))
    await cluster.client.create(service("second"))
    await cluster.run(controller)
    await eventually(lambda: addresses(cluster, "second"))
    await eventually(lambda: addresses(cluster, "first"))
    before = [await addresses(cluster, name) for name in ("first", "second")]
    cluster.tasks.pop().cancel()
    await cluster.client.create(service("third"))
    await cluster.run(controller)
    third = await eventually(lambda: addresses(cluster, "third"))
    assert [await addresses(cluster, name) for name in ("first", "second")] == before
    assert len({*third, *(address for each in before for address in each)}) == 3


async def test_classes_are_others_and_nothing_is_asked_without_a_load_balancer(cluster: Cluster) -> None:
    (running,) = await cluster.run(controller)
    await cluster.client.create(service("classy", loadBalancerClass="example.com/lb"))
    await cluster.client.create(service("plain", type="ClusterIP"))
    await cluster.client.create(service("wanted"))
    await eventually(lambda: addresses(cluster, "wanted"))
    await eventually(lambda: running.queue.idle)
    patched = [request for request in cluster.server.requests if request.startswith("PATCH")]
    assert patched
    assert all("/wanted/" in request for request in patched)


async def test_an_address_that_cannot_be_had_is_an_event(cluster: Cluster) -> None:
    await cluster.run(controller)
    await cluster.client.create(service(loadBalancerIP="192.0.2.1"))

    async def told() -> bool:
        wanted = (
            f"Error syncing load balancer: 192.0.2.1 is not one of this machine's load balancer addresses ({RANGE})"
        )
        return wanted in await cluster.event_messages("web")

    await eventually(told)
    assert await addresses(cluster) == []
    await cluster.client.patch(Service, "web", "default", {"spec": {"loadBalancerIP": "127.1.14.5"}})
    assert await eventually(lambda: addresses(cluster)) == ["127.1.14.5"]


async def test_the_last_address_is_given_and_then_no_more() -> None:
    balancers = local_provider(RANGE).load_balancers
    assert balancers is not None
    adopted = service("0")
    adopted.status.loadBalancer.ingress = [LoadBalancerIngress(ip="127.1.14.2")]
    balancers.adopt([adopted])
    given = [(await balancers.ensure(service(str(number)), [])).ingress[0].ip for number in range(6)]
    assert given[:3] == ["127.1.14.2", "127.1.14.1", "127.1.14.3"]
    assert len(set(given)) == 6
    with pytest.raises(Unavailable, match="is left"):
        await balancers.ensure(service("7"), [])
    await balancers.delete(service("3"))
    assert (await balancers.ensure(service("7"), [])).ingress[0].ip == given[3]


def test_nodes_can_be_left_out() -> None:
    assert takes_traffic(Node(metadata=ObjectMeta(name="n")))
    assert not takes_traffic(Node(metadata=ObjectMeta(name="n", labels={EXCLUDED: ""})))
