"""EndpointSlices and Endpoints: where services are served from."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.core_v1 import (
    Container,
    ContainerPort,
    EndpointAddress,
    Endpoints,
    EndpointSubset,
    Node,
    ObjectReference,
    Pod,
    PodSpec,
    Service,
    ServicePort,
    ServiceSpec,
)
from api.discovery_v1 import Endpoint, EndpointSlice
from api.meta_v1 import ObjectMeta
from client.controller import Controller
from client.store import Store
from controller_manager.endpoint_slice.controller import EndpointSliceController
from controller_manager.endpoint_slice.packing import pack
from controller_manager.endpoints import EndpointsController
from tests.controllers.cluster import Cluster, eventually


def service(**spec: object) -> Service:
    ports = [ServicePort(name="http", port=80, targetPort="web", protocol="TCP")]
    fields = {"clusterIP": "10.96.0.1", "selector": {"app": "web"}, "ports": ports, **spec}
    return Service(
        metadata=ObjectMeta(name="web", namespace="default", labels={"team": "a"}),
        spec=ServiceSpec(**fields),  # type: ignore[arg-type]
    )


def pod(name: str, port: int = 8080) -> Pod:
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default", labels={"app": "web"}),
        spec=PodSpec(
            containers=[Container(name="c", ports=[ContainerPort(name="web", containerPort=port, protocol="TCP")])],
            terminationGracePeriodSeconds=30,
        ),
    )


async def node(cluster: Cluster, name: str = "node-0", zone: str = "") -> None:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    await cluster.client.create(Node(metadata=ObjectMeta(name=name, labels=labels)))


async def slices(cluster: Cluster) -> list[EndpointSlice]:
    return (await cluster.client.list(EndpointSlice, "default")).items


async def test_ready_pods_become_endpoints(cluster: Cluster) -> None:
    """Conformance: "EndpointsController should create Endpoints for Pods matching a Service"."""
    await node(cluster)
    await cluster.nodes(broken=lambda pod: pod.metadata.name == "broken")
    await cluster.run(EndpointSliceController, EndpointsController)
    await cluster.client.create(service())
    for name in ("one", "two", "broken"):
        await cluster.client.create(pod(name))

    async def filled() -> EndpointSlice | None:
        found = await slices(cluster)
        return found[0] if len(found) == 1 and len(found[0].endpoints) == 3 else None

    found = await eventually(filled)
    assert found.metadata.labels == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert found.metadata.ownerReferences[0].kind == "Service"
    assert [(p.name, p.port, p.protocol) for p in found.ports] == [("http", 8080, "TCP")]

    async def sorted_out() -> bool:
        found = (await slices(cluster))[0]
        ready = {e.targetRef.name: e.conditions.ready for e in found.endpoints if e.targetRef}
        subsets = [s for older in (await cluster.client.list(Endpoints, "default")).items for s in older.subsets]
        counts = [(len(subset.addresses), len(subset.notReadyAddresses)) for subset in subsets]
        return ready == {"one": True, "two": True, "broken": False} and counts == [(2, 1)]

    await eventually(sorted_out)
    older = await cluster.client.get(Endpoints, "web", "default")
    assert older.metadata.labels["endpoints.kubernetes.io/managed-by"] == "endpoint-controller"
    assert (older.subsets[0].ports[0].name, older.subsets[0].ports[0].port) == ("http", 8080)


async def test_a_service_without_pods_has_an_empty_slice(cluster: Cluster) -> None:
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service(clusterIP="None"))
    found = await eventually(lambda: slices(cluster))
    assert (found[0].endpoints, found[0].ports) == ([], [])
    assert found[0].metadata.labels["service.kubernetes.io/headless"] == ""
    await node(cluster)
    await cluster.nodes()
    await cluster.client.create(pod("one"))

    async def replaced() -> bool:
        found = await slices(cluster)
        return len(found) == 1 and len(found[0].endpoints) == 1

    await eventually(replaced)


async def test_terminating_pods_serve_but_are_not_ready(cluster: Cluster) -> None:
    await cluster.run(EndpointSliceController)
    await node(cluster, "n")
    running = pod("one")
    running.spec.nodeName = "n"
    made = await cluster.client.create(running)
    body = {"status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}}
    await cluster.client.patch(Pod, "one", "default", body, subresource="status")
    await cluster.client.create(service())
    await cluster.client.delete(Pod, "one", "default", uid=made.metadata.uid)

    async def terminating() -> bool:
        found = await slices(cluster)
        conditions = [e.conditions for s in found for e in s.endpoints]
        return [(c.ready, c.serving, c.terminating) for c in conditions] == [(False, True, True)]

    await eventually(terminating)


async def test_pods_with_different_ports_are_in_different_slices(cluster: Cluster) -> None:
    await node(cluster)
    await cluster.nodes()
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    await cluster.client.create(pod("one", 8080))
    await cluster.client.create(pod("two", 9090))

    async def two() -> bool:
        found = [s for s in await slices(cluster) if s.endpoints]
        return sorted(s.ports[0].port or 0 for s in found) == [8080, 9090]

    await eventually(two)


async def test_a_service_without_pods_has_endpoints_without_subsets(cluster: Cluster) -> None:
    """Conformance: "EndpointsController should create and delete Endpoints for a Service with a selector that matches
    no pods"."""
    await cluster.run(EndpointsController)
    await cluster.client.create(service())

    async def there() -> list[Endpoints]:
        return (await cluster.client.list(Endpoints, "default")).items

    (found,) = await eventually(there)
    assert found.subsets == []
    await cluster.client.delete(Service, "web", "default")

    async def gone() -> bool:
        return not await there()

    await eventually(gone)


async def test_endpoints_that_users_write_are_left_alone(cluster: Cluster) -> None:
    """Conformance: "Endpoints should test the lifecycle of an Endpoint"."""
    await cluster.run(EndpointsController)
    await cluster.client.create(service(selector={}))
    subset = EndpointSubset(addresses=[EndpointAddress(ip="192.0.2.1")])
    await cluster.client.create(Endpoints(metadata=ObjectMeta(name="web", namespace="default"), subsets=[subset]))
    await cluster.client.patch(Endpoints, "web", "default", {"metadata": {"labels": {"mine": "yes"}}})
    await cluster.settled()
    found = await cluster.client.get(Endpoints, "web", "default")
    assert found.subsets == [subset]
    assert found.metadata.labels == {"mine": "yes"}
    await cluster.client.delete(Service, "web", "default")
    await cluster.settled()
    assert (await cluster.client.get(Endpoints, "web", "default")).subsets == [subset]


async def test_what_changes_before_the_cache_shows_the_first_write_is_not_lost(cluster: Cluster) -> None:
    await node(cluster)
    (running,) = await cluster.run(EndpointsController)
    shown, running.endpoints = running.endpoints, Store()
    await cluster.client.create(service())
    await eventually(lambda: shown.get("default/web"))
    failed = running.failures
    await cluster.nodes()
    await cluster.client.create(pod("one"))
    await eventually(lambda: running.failures > failed)
    running.endpoints = shown

    async def filled() -> bool:
        subsets = (await cluster.client.get(Endpoints, "web", "default")).subsets
        return [len(subset.addresses) for subset in subsets] == [1]

    await eventually(filled)


async def test_repairs_what_others_change(cluster: Cluster) -> None:
    await node(cluster)
    await cluster.nodes()
    await cluster.run(EndpointSliceController)
    await cluster.client.create(service())
    await cluster.client.create(pod("one"))

    async def filled() -> EndpointSlice | None:
        return next((s for s in await slices(cluster) if s.endpoints), None)

    found = await eventually(filled)
    await cluster.client.delete(EndpointSlice, found.metadata.name, "default")
    again = await eventually(filled)
    await cluster.client.patch(EndpointSlice, again.metadata.name, "default", {"endpoints": []})
    await eventually(filled)


@pytest.mark.parametrize(("kind", "written"), [(EndpointsController, "endpoints"), (EndpointSliceController, "slices")])
async def test_the_event_of_an_own_write_that_comes_before_the_answer_is_no_news(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[Controller], written: str
) -> None:
    (controller,) = await cluster.run(kind)
    _answer_after_the_event(cluster, controller, written, monkeypatch)
    await cluster.client.create(service())
    await eventually(lambda: len(getattr(controller, written)) == 1)
    await cluster.settled()
    assert controller.reconciles == 1


@pytest.mark.parametrize(("kind", "written"), [(EndpointsController, "endpoints"), (EndpointSliceController, "slices")])
async def test_the_event_of_an_own_update_that_comes_before_the_answer_is_no_news(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[Controller], written: str
) -> None:
    (controller,) = await cluster.run(kind)
    await cluster.client.create(service())
    await eventually(lambda: len(getattr(controller, written)) == 1)
    await cluster.settled()
    before = controller.reconciles
    _answer_after_the_event(cluster, controller, written, monkeypatch, to="update_quietly")
    await cluster.client.patch(Service, "web", "default", {"metadata": {"labels": {"team": "b"}}})
    await eventually(lambda: [o.metadata.labels.get("team") for o in getattr(controller, written)] == ["b"])
    await cluster.settled()
    assert controller.reconciles == before + 1


@pytest.mark.parametrize(("kind", "written"), [(EndpointsController, "endpoints"), (EndpointSliceController, "slices")])
async def test_what_others_write_before_the_answer_to_an_own_write_is_repaired(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[Controller], written: str
) -> None:
    (controller,) = await cluster.run(kind)

    async def relabel() -> None:
        (obj,) = getattr(controller, written)
        await cluster.client.patch(type(obj), obj.metadata.name, "default", {"metadata": {"labels": {"stray": ""}}})

    _answer_after_the_event(cluster, controller, written, monkeypatch, relabel)
    await cluster.client.create(service())

    async def repaired() -> bool:
        (obj,) = getattr(controller, written)
        return controller.reconciles > 1 and "stray" not in obj.metadata.labels

    await eventually(lambda: len(getattr(controller, written)) == 1)
    await eventually(repaired)


def _answer_after_the_event(
    cluster: Cluster,
    controller: Any,
    written: str,
    monkeypatch: pytest.MonkeyPatch,
    then: Callable[[], Awaitable[None]] | None = None,
    to: str = "create_quietly",
) -> None:
    """Let a write be answered only when the controller has seen its event, and after the first `then` is done."""
    write, acts = getattr(cluster.client, to), [then] if then else []

    async def late(obj: Any) -> Any:
        answer = await write(obj)

        def seen() -> bool:
            return any(o.metadata.resourceVersion == answer.resourceVersion for o in getattr(controller, written))

        await eventually(seen)
        while acts:
            await acts.pop()()
            await eventually(lambda: not seen())
        return answer

    monkeypatch.setattr(cluster.client, to, late)


# --- packing -------------------------------------------------------------------------------------


def endpoint(name: str, ready: bool = True) -> Endpoint:
    made = Endpoint(addresses=["10.0.0.1"], targetRef=ObjectReference(uid=name))
    made.conditions.ready = ready
    return made


def slice_of(*names: str) -> EndpointSlice:
    return EndpointSlice(addressType="IPv4", endpoints=[endpoint(name) for name in names], ports=[])


def test_an_unchanged_slice_is_not_written() -> None:
    plan = pack([slice_of("a", "b")], [endpoint("b"), endpoint("a")], 100)
    assert (plan.create, plan.update, plan.delete) == ([], [], [])


def test_endpoints_stay_in_their_slice_and_new_ones_fill_what_is_rewritten() -> None:
    first, second = slice_of("a", "b"), slice_of("c", "d")
    plan = pack([first, second], [endpoint("a"), endpoint("c"), endpoint("d"), endpoint("e")], 2)
    assert plan.update == [(first, [endpoint("a"), endpoint("e")])]
    assert (plan.create, plan.delete) == ([], [])


def test_new_endpoints_go_into_the_fullest_slice_with_room_or_a_new_one() -> None:
    full, roomy = slice_of("a", "b", "c"), slice_of("d")
    everything = [endpoint(name) for name in "abcd"]
    assert pack([full, roomy], [*everything, endpoint("e")], 3).update == [(roomy, [endpoint("d"), endpoint("e")])]
    many = [endpoint(f"n{number}") for number in range(7)]
    plan = pack([full], [*everything[:3], *many], 3)
    assert sorted(map(len, plan.create)) == [1, 3, 3]
    assert pack([roomy], [], 3).delete == [roomy]
