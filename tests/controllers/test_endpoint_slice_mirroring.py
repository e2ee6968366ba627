"""Endpoints that users write are mirrored into slices."""

import pytest

from api.core_v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Service
from api.meta_v1 import ObjectMeta
from controller_manager.endpoint_slice.mirroring import EndpointSliceMirroringController, mirror
from controller_manager.endpoints import truncate
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.test_endpoints import service, slices

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"


def subset(*addresses: str, others: tuple[str, ...] = (), port: int = 80) -> EndpointSubset:
    return EndpointSubset(
        addresses=[EndpointAddress(ip=address) for address in addresses],
        notReadyAddresses=[EndpointAddress(ip=address) for address in others],
        ports=[EndpointPort(name="http", port=port, protocol="TCP")],
    )


def custom(*subsets: EndpointSubset, **meta: dict[str, str]) -> Endpoints:
    return Endpoints(metadata=ObjectMeta(name="web", namespace="default", **meta), subsets=[*subsets])


async def shown(cluster: Cluster) -> list[tuple[str, list[str]]]:
    return sorted((s.addressType, [e.addresses[0] for e in s.endpoints]) for s in await slices(cluster))


async def until_shown(cluster: Cluster, *wanted: tuple[str, list[str]]) -> None:
    async def as_wanted() -> bool:
        return await shown(cluster) == [*wanted]

    await eventually(as_wanted)


async def test_custom_endpoints_are_mirrored_through_their_life(cluster: Cluster) -> None:
    """Conformance: "EndpointSliceMirroring should mirror a custom Endpoints resource through create update and
    delete"."""
    await cluster.run(EndpointSliceMirroringController)
    await cluster.client.create(service(selector={}))
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "x"}
    made = await cluster.client.create(custom(subset("192.0.2.1"), labels={"a": "b"}, annotations=annotations))
    await until_shown(cluster, ("IPv4", ["192.0.2.1"]))
    (slice,) = await slices(cluster)
    assert slice.metadata.labels == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        MANAGED_BY: "endpointslicemirroring-controller.k8s.io",
    }
    assert slice.metadata.annotations == {"note": "x"}
    assert slice.metadata.ownerReferences[0].uid == made.metadata.uid
    assert [(p.name, p.port) for p in slice.ports] == [("http", 80)]
    made.subsets = [subset("192.0.2.2", others=("fd00::2",), port=81)]
    await cluster.client.update(made)
    await until_shown(cluster, ("IPv4", ["192.0.2.2"]), ("IPv6", ["fd00::2"]))
    by_family = {s.addressType: s for s in await slices(cluster)}
    assert by_family["IPv4"].metadata.uid == slice.metadata.uid, "it is used again"
    assert by_family["IPv6"].endpoints[0].conditions.ready is False
    await cluster.client.delete(Endpoints, "web", "default")
    await until_shown(cluster)


@pytest.mark.parametrize("change", ["selector", "skip", "service"])
async def test_mirrored_slices_go_with_the_reason_for_them(cluster: Cluster, change: str) -> None:
    await cluster.run(EndpointSliceMirroringController)
    await cluster.client.create(service(selector={}))
    await cluster.client.create(custom(subset("192.0.2.1")))
    await until_shown(cluster, ("IPv4", ["192.0.2.1"]))
    if change == "selector":
        await cluster.client.patch(Service, "web", "default", {"spec": {"selector": {"app": "web"}}})
    elif change == "skip":
        labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        await cluster.client.patch(Endpoints, "web", "default", {"metadata": {"labels": labels}})
    else:
        await cluster.client.delete(Service, "web", "default")
    await until_shown(cluster)


async def test_too_many_addresses_are_cut_off_with_an_event(cluster: Cluster) -> None:
    await cluster.run(lambda *common: EndpointSliceMirroringController(*common, max_endpoints=2))
    await cluster.client.create(service(selector={}))
    await cluster.client.create(custom(subset("192.0.2.1", "192.0.2.2", others=("192.0.2.3",))))
    await until_shown(cluster, ("IPv4", ["192.0.2.1", "192.0.2.2"]))
    assert await cluster.event_messages("web") == [
        "A max of 2 addresses can be mirrored to EndpointSlices per Endpoints subset. 1 addresses were skipped"
    ]


def test_what_is_no_address_is_skipped_and_counted() -> None:
    found, invalid, skipped = mirror(custom(subset("192.0.2.1", "nonsense")), 10)
    assert (invalid, skipped) == (1, 1)
    assert [e.addresses for _, endpoints in found.values() for e in endpoints] == [["192.0.2.1"]]


def test_endpoints_over_capacity_keep_the_ready_and_are_shared_among_subsets() -> None:
    several = [subset(*"abcdef", others=("x",)), subset(*"gh")]
    assert truncate(several, 4)
    assert [len(each.addresses) for each in several] == [3, 1]
    assert not any(each.notReadyAddresses for each in several)
    several = [subset(*"ab", others=("x", "y")), subset("c", others=("z",))]
    assert truncate(several, 4)
    assert [(len(each.addresses), len(each.notReadyAddresses)) for each in several] == [(2, 1), (1, 0)]
    assert not truncate(several, 4)
