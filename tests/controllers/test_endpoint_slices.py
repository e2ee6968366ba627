"""EndpointSlices in full: how many, for whom, and how few writes they take."""

import re
from fractions import Fraction

import pytest

from api.core_v1 import Node, Pod, Service, ServicePort
from api.discovery_v1 import Endpoint, EndpointConditions, EndpointHints, EndpointSlice, ForNode, ForZone
from api.meta_v1 import ObjectMeta, OwnerReference
from controller_manager.endpoint_slice import topology
from controller_manager.endpoint_slice.changes import Changes
from controller_manager.endpoint_slice.controller import EndpointSliceController
from controller_manager.endpoint_slice.endpoints import slice_ports
from controller_manager.endpoint_slice.tracker import SliceTracker
from controller_manager.endpoint_slice.traffic_distribution import close_hints
from controller_manager.endpoint_slice.trigger_time import CHANGE_TIME
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.test_endpoints import node, pod, service, slices


async def ready_pod(cluster: Cluster, name: str, node: str, address: str = "10.0.0.1", *more: str) -> None:
    made = pod(name)
    made.spec.nodeName = node
    await cluster.client.create(made)
    ips = [{"ip": each} for each in (address, *more)]
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    body = {"status": {"phase": "Running", "podIP": address, "podIPs": ips, "conditions": [condition]}}
    await cluster.client.patch(Pod, name, "default", body, subresource="status")


async def endpoints(cluster: Cluster) -> dict[str, Endpoint]:
    return {e.targetRef.name: e for s in await slices(cluster) for e in s.endpoints if e.targetRef is not None}


async def until_shown(cluster: Cluster, *names: str) -> dict[str, Endpoint]:
    async def shown() -> bool:
        return set(await endpoints(cluster)) == set(names)

    await eventually(shown)
    return await endpoints(cluster)


def writes(cluster: Cluster) -> list[str]:
    return [r for r in cluster.server.requests if "endpointslices" in r and not r.startswith("GET")]


async def test_slices_for_pods_come_and_go_with_them(cluster: Cluster) -> None:
    """Conformance: "EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service"."""
    await node(cluster, "a")
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    await ready_pod(cluster, "one", "a")
    found = await until_shown(cluster, "one")
    assert (found["one"].nodeName, found["one"].addresses) == ("a", ["10.0.0.1"])
    await cluster.client.delete(Pod, "one", "default", grace_period=0)
    await until_shown(cluster)
    assert len(await slices(cluster)) == 1, "one without endpoints is left"


async def test_the_empty_slice_becomes_the_first_with_endpoints(cluster: Cluster) -> None:
    """Conformance: "EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches
    no pods".  One write, and nobody has to watch another object."""
    await node(cluster, "a")
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    (empty,) = await eventually(lambda: slices(cluster))
    assert CHANGE_TIME in empty.metadata.annotations
    await ready_pod(cluster, "one", "a")
    await until_shown(cluster, "one")
    (filled,) = await slices(cluster)
    assert filled.metadata.uid == empty.metadata.uid
    assert filled.ports[0].port == 8080


async def test_a_thousand_endpoints_are_in_slices_of_at_most_so_many(cluster: Cluster) -> None:
    await node(cluster, "a")
    for number in range(25):
        await ready_pod(cluster, f"p{number}", "a", f"10.0.0.{number}")
    await cluster.run(lambda *common: EndpointSliceController(*common, max_endpoints=10))
    await cluster.client.create(service())
    await until_shown(cluster, *(f"p{number}" for number in range(25)))
    assert sorted(len(s.endpoints) for s in await slices(cluster)) == [5, 10, 10]
    before = len(writes(cluster))
    await cluster.client.delete(Pod, "p3", "default", grace_period=0)
    await until_shown(cluster, *(f"p{number}" for number in range(25) if number != 3))
    assert len(writes(cluster)) == before + 1, "only the slice it was in"


async def test_services_of_two_families_have_slices_of_both(cluster: Cluster) -> None:
    await node(cluster, "a")
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service(ipFamilies=["IPv4", "IPv6"]))
    await ready_pod(cluster, "one", "a", "10.0.0.1", "fd00::1")

    async def both() -> bool:
        found = {s.addressType: [e.addresses for e in s.endpoints] for s in await slices(cluster)}
        return found == {"IPv4": [["10.0.0.1"]], "IPv6": [["fd00::1"]]}

    await eventually(both)
    await cluster.client.patch(Service, "web", "default", {"spec": {"ipFamilies": ["IPv4"]}})

    async def one() -> bool:
        return [s.addressType for s in await slices(cluster)] == ["IPv4"]

    await eventually(one)


async def test_slices_of_services_without_selector_are_left_alone(cluster: Cluster) -> None:
    await cluster.client.create(service(selector={}))
    own = EndpointSlice(
        metadata=ObjectMeta(name="mine", namespace="default", labels={"kubernetes.io/service-name": "web"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=["192.0.2.1"])],
        ports=[],
    )
    await cluster.client.create(own)
    await cluster.run(EndpointSliceController)
    await cluster.settled()
    assert [s.metadata.name for s in await slices(cluster)] == ["mine"]
    assert not [r for r in writes(cluster) if not r.startswith("POST")]


async def test_not_ready_addresses_are_published_where_asked_for(cluster: Cluster) -> None:
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service(publishNotReadyAddresses=True))
    made = pod("one")
    made.spec.nodeName = "nobody-knows"
    await cluster.client.create(made)
    await cluster.client.patch(Pod, "one", "default", {"status": {"podIP": "10.0.0.1"}}, subresource="status")
    conditions = (await until_shown(cluster, "one"))["one"].conditions
    assert (conditions.ready, conditions.serving, conditions.terminating) == (True, False, False)


async def test_pods_of_nodes_that_are_gone_are_no_endpoints(cluster: Cluster) -> None:
    (controller,) = await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    await ready_pod(cluster, "one", "late")
    await eventually(lambda: controller.failures)
    assert await endpoints(cluster) == {}
    await node(cluster, "late", "east")
    assert (await until_shown(cluster, "one"))["one"].zone == "east"


async def test_renaming_a_port_renames_it_in_the_slice(cluster: Cluster) -> None:
    await node(cluster, "a")
    await ready_pod(cluster, "one", "a")
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    await until_shown(cluster, "one")
    (before,) = await slices(cluster)
    ports = [ServicePort(name="other", port=80, targetPort="web", protocol="TCP").to_dict()]
    labels = {"team": "b"}
    await cluster.client.patch(Service, "web", "default", {"metadata": {"labels": labels}, "spec": {"ports": ports}})

    async def renamed() -> EndpointSlice | None:
        (found,) = await slices(cluster)
        return found if [p.name for p in found.ports] == ["other"] else None

    found = await eventually(renamed)
    assert found.metadata.uid == before.metadata.uid
    assert found.metadata.labels["team"] == "b"


async def test_traffic_distribution_gives_hints_and_takes_them(cluster: Cluster) -> None:
    for name, zone in (("a", "east"), ("b", "west")):
        await node(cluster, name, zone)
        await ready_pod(cluster, f"on-{name}", name)
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service(trafficDistribution="PreferSameZone"))

    def hinted(wanted: dict[str, EndpointHints | None]) -> object:
        async def as_wanted() -> bool:
            return {name: e.hints for name, e in (await endpoints(cluster)).items()} == wanted

        return as_wanted

    zones = {"on-a": EndpointHints(forZones=[ForZone(name="east")]), "on-b": None}
    zones["on-b"] = EndpointHints(forZones=[ForZone(name="west")])
    await eventually(hinted(zones))  # type: ignore[arg-type]
    await cluster.client.patch(Service, "web", "default", {"spec": {"trafficDistribution": "PreferSameNode"}})
    nodes = {f"on-{n}": EndpointHints(forZones=zones[f"on-{n}"].forZones, forNodes=[ForNode(name=n)]) for n in "ab"}  # type: ignore[union-attr]
    await eventually(hinted(nodes))  # type: ignore[arg-type]
    await cluster.client.patch(Service, "web", "default", {"spec": {"trafficDistribution": None}})
    await eventually(hinted({"on-a": None, "on-b": None}))  # type: ignore[arg-type]


async def test_topology_mode_says_in_events_when_there_can_be_no_hints(cluster: Cluster) -> None:
    await cluster.run(EndpointSliceController)
    for name, zone in (("a", "east"), ("b", "west")):
        ready = [{"type": "Ready", "status": "True"}]
        document = {
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
            "status": {"allocatable": {"cpu": "2"}, "conditions": ready},
        }
        await cluster.client.create(Node.from_dict(document))
        status = {"status": document["status"]}
        await cluster.client.patch(Node, name, "", status, subresource="status")
        await ready_pod(cluster, f"on-{name}", name)
    wishing = service()
    wishing.metadata.annotations["service.kubernetes.io/topology-mode"] = "Auto"
    await cluster.client.create(wishing)

    async def hinted() -> bool:
        found = (await endpoints(cluster)).values()
        return [[z.name for z in e.hints.forZones] if e.hints else None for e in found] == [["east"], ["west"]]

    await eventually(hinted)
    await cluster.client.delete(Pod, "on-b", "default", grace_period=0)
    await until_shown(cluster, "on-a")
    messages = await cluster.event_messages("web")
    assert "Topology Aware Hints has been enabled, addressType: IPv4" in messages
    assert "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4" in messages
    assert (await endpoints(cluster))["on-a"].hints is None


async def test_a_cache_that_is_behind_doubles_nothing(cluster: Cluster) -> None:
    """Whatever brings the controller back before its own write has come round."""
    await node(cluster, "a")
    await ready_pod(cluster, "one", "a")
    (controller,) = await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    for _ in range(200):
        controller.queue.add("default/web")
        await cluster.client.get(Service, "web", "default")
    await until_shown(cluster, "one")
    await cluster.settled()
    assert len(await slices(cluster)) == 1


async def test_killed_at_any_write_it_comes_to_the_same_slices(cluster: Cluster) -> None:
    """As `kill -9` does it: another one starts from what is stored."""
    await node(cluster, "a")
    for number in range(12):
        await ready_pod(cluster, f"p{number}", "a", f"10.0.0.{number}")
    await cluster.client.create(service())
    for number in (2, 4, 6, 8, 10):
        before = len(writes(cluster))
        await cluster.run(lambda *common: EndpointSliceController(*common, max_endpoints=4))
        await cluster.client.delete(Pod, f"p{number}", "default", grace_period=0)
        await eventually(lambda before=before: len(writes(cluster)) > before)
        cluster.tasks.pop().cancel()
    await cluster.run(lambda *common: EndpointSliceController(*common, max_endpoints=4))
    left = sorted(f"p{number}" for number in range(12) if number not in (2, 4, 6, 8, 10))

    async def each_is_shown_once() -> bool:
        """In the end: what one that was killed had asked for may be done after another one has begun."""
        return sorted(e.targetRef.name for s in await slices(cluster) for e in s.endpoints if e.targetRef) == left

    await eventually(each_is_shown_once)


# --- pure functions ------------------------------------------------------------------------------


def endpoint(name: str, zone: str | None, *hints: str, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=[name],
        zone=zone,
        nodeName="n",
        conditions=EndpointConditions(ready=ready),
        hints=EndpointHints(forZones=[ForZone(name=hint) for hint in hints]) if hints else None,
    )


def slice_of(*endpoints: Endpoint, owner: str = "o", version: str = "1") -> EndpointSlice:
    reference = OwnerReference(apiVersion="v1", kind="Service", name="web", uid=owner)
    meta = ObjectMeta(name="s", uid="s", resourceVersion=version, ownerReferences=[reference])
    return EndpointSlice(metadata=meta, addressType="IPv4", endpoints=[*endpoints], ports=[])


def test_zones_must_get_at_least_their_share_less_a_sixth() -> None:
    found = topology.allocations({"a": Fraction(1, 4), "b": Fraction(3, 4)}, 4)
    assert {zone: (a.minimum, a.maximum) for zone, a in found.items()} == {"a": (1, 1), "b": (3, 3)}
    for shares, count, reason in (
        (None, 4, "Insufficient Node information"),
        ({"a": Fraction(1, 2), "b": Fraction(1, 2)}, 1, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        ({"a": Fraction(1, 10), "b": Fraction(9, 10)}, 2, "Unable to allocate minimum required endpoints"),
    ):
        with pytest.raises(topology.NoHints, match=re.escape(reason)):
            topology.allocations(shares, count)


def test_zones_with_too_many_endpoints_give_to_those_with_too_few() -> None:
    changes = Changes(create=[slice_of(*(endpoint(f"{n}", "a" if n < 5 else "b") for n in range(6)))])
    topology.allocate(changes, {"a": Fraction(1, 2), "b": Fraction(1, 2)})
    zones = [e.hints.forZones[0].name for e in changes.create[0].endpoints if e.hints]
    assert sorted(zones) == ["a", "a", "a", "b", "b", "b"]
    assert zones[5] == "b", "the one of the zone itself"


def test_slices_with_good_hints_are_not_touched() -> None:
    halves = {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    good = slice_of(endpoint("1", "a", "a"), endpoint("2", "b", "b"), endpoint("3", None, ready=False))
    changes = Changes(unchanged=[good])
    topology.allocate(changes, halves)
    assert (changes.unchanged, changes.update) == ([good], [])
    changes = Changes(unchanged=[slice_of(endpoint("1", "a", "a"), endpoint("2", "b", "gone"))])
    topology.allocate(changes, halves)
    assert [e.hints.forZones[0].name for e in changes.update[0].endpoints if e.hints] == ["a", "b"]
    changes.without_hints()
    assert [e.hints for e in changes.update[0].endpoints] == [None, None]


def test_who_knows_no_zone_gets_no_hint() -> None:
    assert close_hints(endpoint("1", None), nodes=False) is None
    assert close_hints(endpoint("1", None), nodes=True) == EndpointHints(forNodes=[ForNode(name="n")])


def test_ports_are_in_the_services_order_and_those_a_pod_has_not_are_missing() -> None:
    ports = [
        ServicePort(name="z", port=1),
        ServicePort(name="a", port=2),
        ServicePort(name="m", port=3, targetPort="none"),
    ]
    assert [port.name for port in slice_ports(service(ports=ports), pod("one"))] == ["z", "a"]


def test_only_slices_of_the_same_owner_are_used_again() -> None:
    for owner, updates in (("o", 1), ("another", 0)):
        changes = Changes(create=[slice_of(endpoint("1", None))], delete=[slice_of(owner=owner)])
        changes.recycle(OwnerReference(apiVersion="v1", kind="Service", name="web", uid="o"))
        assert (len(changes.update), len(changes.create), len(changes.delete)) == (updates, 1 - updates, 1 - updates)


def test_the_tracker_tells_own_writes_from_others() -> None:
    tracker = SliceTracker("me")
    mine = slice_of(version="5")
    mine.metadata.labels = {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me"}
    mine.metadata.namespace = "default"
    tracker.wrote("default/web", mine.metadata)
    assert [*tracker.changed(None, mine)] == []
    assert tracker.is_behind("default/web", [])
    later = mine.copy_deep()
    later.metadata.resourceVersion = "6"
    assert [*tracker.changed(mine, later)] == ["default/web"]
    assert not tracker.is_behind("default/web", [later])
    assert tracker.is_behind("default/web", [], tries=9)
    assert not tracker.is_behind("default/web", [], tries=10), "it is gone, and nobody will say so again"
    tracker.deleted("default/web", later)
    assert tracker.is_behind("default/web", [later])
    assert [*tracker.changed(later, None)] == []
    assert not tracker.is_behind("default/web", [])
