"""DynamicResources: pods get the devices that their claims ask for."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from api.core_v1 import Pod
from api.errors import Forbidden
from api.resource_v1 import ResourceClaim
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import CycleState, PluginError
from tests.scheduler.device_world import (
    DRIVER,
    DeviceWorld,
    exactly,
    make_claim,
    make_class,
    make_slice,
    one_of,
    pod_with,
)
from tests.scheduler.world import make_node, make_pod


def world_of(*nodes: str, devices: int = 1, **more: Any) -> DeviceWorld:
    """Nodes with so many devices each, and the class gpu."""
    world = DeviceWorld(*(make_node(name) for name in nodes), **more)
    world.offer(
        make_class(), *(make_slice(name, *(f"{name}-{i}" for i in range(devices)), node=name) for name in nodes)
    )
    return world


def templated(name: str, made: str | None = None) -> Pod:
    """A pod with a claim from a template, which may have been made already."""
    wishes = [{"name": "gpu", "resourceClaimTemplateName": "t"}]
    status = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": made}]} if made else {}
    return make_pod(name, resourceClaims=wishes, status=status)


def owned_by(claim: ResourceClaim, pod: Pod) -> ResourceClaim:
    owner = {"apiVersion": "v1", "kind": "Pod", "controller": True, "name": pod.metadata.name, "uid": pod.metadata.uid}
    return ResourceClaim.from_dict(
        claim.to_dict() | {"metadata": {**claim.metadata.to_dict(), "ownerReferences": [owner]}}
    )


def last(world: DeviceWorld, pod: Pod) -> str:
    return [m for name, reason, m in world.events if name == pod.metadata.name and reason == "FailedScheduling"][-1]


# --- placing pods ---------------------------------------------------------------------------------------


async def test_a_pod_goes_where_its_device_is_and_the_claim_says_so() -> None:
    world = world_of("b")
    world.watching.node(None, make_node("a"))
    world.claim(make_claim("c"))
    pod = pod_with("c")
    assert await world.schedule(pod) == ["b"]
    claim = world.of("c")
    assert claim.metadata.finalizers == ["resource.kubernetes.io/delete-protection"]
    assert claim.status.allocation is not None
    assert claim.status.allocation.allocationTimestamp == world.clock.now()
    assert [result.device for result in claim.status.allocation.devices.results] == ["b-0"]
    [user] = claim.status.reservedFor
    assert (user.resource, user.name, user.uid) == ("pods", pod.metadata.name, pod.metadata.uid)


async def test_pods_of_one_burst_never_get_the_same_device() -> None:
    """Even while the watch of claims lags behind."""
    world = world_of("a", "b", devices=2)
    names = [f"c{i}" for i in range(5)]
    world.claim(*(make_claim(name) for name in names))
    nodes = await world.schedule(*(pod_with(name) for name in names))
    assert sorted(filter(None, nodes)) == ["a", "a", "b", "b"]
    given = [device for name in names for device in world.devices_of(name)]
    assert sorted(given) == ["a-0", "a-1", "b-0", "b-1"]
    world.show()
    assert nodes.count(None) == 1


async def test_why_there_is_no_device_is_said_and_a_freed_one_helps() -> None:
    world = world_of("a", "b")
    world.claim(make_claim("c1"), make_claim("c2"), make_claim("c3"))
    await world.schedule(pod_with("c1"), pod_with("c2"))
    pod = pod_with("c3")
    assert await world.why(pod) == (
        "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    world.show()
    freed = world.of("c1").copy_deep()
    freed.status.allocation, freed.status.reservedFor = None, []
    world.claim(freed)
    await world.clock.advance(2)
    await world.run()
    assert len(world.devices_of("c3")) == 1


async def test_a_claim_is_shared_by_the_pods_that_name_it() -> None:
    world = world_of("a", "b")
    world.claim(make_claim("c"))
    first, second = pod_with("c"), pod_with("c")
    assert await world.schedule(first) != [None]
    world.show()
    assert await world.schedule(second) == [world.bindings[f"default/{first.metadata.name}"]]
    assert world.users_of("c") == [first.metadata.name, second.metadata.name]


async def test_a_claim_that_a_pod_names_twice_is_one_claim() -> None:
    world = world_of("a", devices=2)
    world.claim(make_claim("c"))
    pod = pod_with("c", "c")
    assert await world.schedule(pod) == ["a"]
    assert (world.devices_of("c"), world.users_of("c")) == (["a-0"], [pod.metadata.name])


async def test_who_shares_a_claim_waits_until_its_devices_are_written() -> None:
    world = world_of("a")
    world.claim(make_claim("c"))
    first, second = pod_with("c"), pod_with("c")
    world.add(first, second)
    await world.run()
    assert "resource claim default/c is in the process of being allocated" in last(world, second)
    world.show()
    await world.clock.advance(2)
    await world.run()
    assert world.users_of("c") == [first.metadata.name, second.metadata.name]


async def test_a_claim_has_at_most_256_users() -> None:
    world = world_of("a")
    claim = make_claim("c")
    world.claim(claim)
    await world.schedule(pod_with("c"))
    full = world.of("c").copy_deep()
    full.status.reservedFor *= 256
    world.claim(full)
    assert "resourceclaim in use" in await world.why(pod_with("c"))


async def test_better_alternatives_make_better_nodes() -> None:
    world = DeviceWorld(make_node("a"), make_node("b"), make_node("c"))
    model = {"attributes": {"model": {"string": "good"}}}
    world.offer(
        make_class(),
        make_slice("a", {"name": "a"}, node="a"),
        make_slice("b", {"name": "b", **model}, node="b"),
        make_slice("c", {"name": "c"}, node="c"),
    )
    good = one_of("gpu", 1, f"device.attributes['{DRIVER}'].?model.orValue('') == 'good'", name="good")
    world.claim(make_claim("c", {"name": "r", "firstAvailable": [good, one_of(name="any")]}))
    assert await world.schedule(pod_with("c")) == ["b"]


# --- pods that cannot be tried yet ----------------------------------------------------------------------


async def test_a_pod_waits_for_its_claim_to_be_made() -> None:
    world = world_of("a")
    await world.handle.devices.synced()
    pod = templated("p")
    assert await world.schedule(pod) == [None]
    assert world.queue.counts()["gated"] == 1
    assert world.framework.gate(world.info(pod)).message == 'pod "default/p": ResourceClaim not created yet'  # type: ignore[union-attr]
    claim = owned_by(make_claim("p-gpu-x"), pod)
    named = Pod.from_dict(pod.to_dict() | {"status": templated("p", "p-gpu-x").status.to_dict()})
    world.watching.pod(pod, named)
    world.pods[pod.metadata.uid] = named
    assert world.queue.counts()["gated"] == 1
    world.claim(claim)
    await world.run()
    assert world.bindings["default/p"] == "a"


async def test_a_pod_that_came_before_the_claims_were_known_waits_too() -> None:
    world = world_of("a")
    pod = pod_with("late")
    assert await world.schedule(pod) == [None]
    assert world.queue.counts()["gated"] == 1
    assert not world.events
    world.claim(make_claim("late"))
    await world.run()
    assert world.devices_of("late") == ["a-0"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_claims_that_cannot_be_used(is_known: bool) -> None:
    world = world_of("a")
    if is_known:
        await world.handle.devices.synced()
    gone = make_claim("gone")
    gone.metadata.deletionTimestamp = world.clock.now()
    world.claim(gone, make_claim("foreign"))

    def problem(pod: Pod) -> str:
        state: dict[str, Any] = {}
        status = world.framework.by_name["DynamicResources"].pre_filter(state, world.info(pod))  # type: ignore[attr-defined]
        assert status is not None
        return str(status.message)

    assert problem(pod_with("none")) == 'could not find ResourceClaim "default/none"'
    assert problem(pod_with("gone")) == 'resourceclaim "gone" is being deleted'
    assert problem(templated("p", "foreign")) == (
        "ResourceClaim default/foreign was not created for pod default/p (pod is not owner)"
    )


async def test_a_class_has_to_exist() -> None:
    world = world_of("a")
    world.claim(make_claim("c", exactly("r", "fast")))
    pod = pod_with("c")
    assert "request r: device class fast does not exist" in await world.why(pod)
    world.offer(make_class("fast"))
    await world.clock.advance(2)
    await world.run()
    assert world.devices_of("c") == ["a-0"]


async def test_an_expression_that_fails_is_an_error_and_no_verdict_on_nodes() -> None:
    world = world_of("a")
    world.claim(make_claim("c", exactly("r", "gpu", 1, "device.attributes['x'].y")))
    message = await world.why(pod_with("c"))
    assert message == (
        'running "DynamicResources" filter plugin: claim default/c: selector #0: CEL runtime error: no such key: y'
    )
    [(_, status)] = world.patches
    assert status["conditions"][0]["reason"] == "SchedulerError"


async def test_a_search_that_takes_too_long_is_given_up() -> None:
    world = world_of("a", config={"profiles": [{"pluginConfig": [args(filterTimeout="3s", bindingTimeout="1m")]}]})
    world.claim(make_claim("c"))
    seconds = itertools.count(0, 10)
    plugin = world.framework.by_name["DynamicResources"]
    plugin._handle = SimpleNamespace(clock=SimpleNamespace(monotonic=lambda: next(seconds)))  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="node a: timed out trying to allocate devices"):
        world.algorithm.schedule(world.framework, CycleState(), world.info(pod_with("c")))


def args(**more: str) -> dict[str, Any]:
    kind = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "DynamicResourcesArgs"}
    return {"name": "DynamicResources", "args": {**kind, **more}}


async def test_hints_tell_which_events_may_help() -> None:
    world = world_of("a")
    await world.handle.devices.synced()
    world.claim(make_claim("mine"), make_claim("other"))
    plugin = world.framework.by_name["DynamicResources"]

    def helps(change: Change, pod: Pod, claim: str = "", **more: Any) -> bool:
        of = world.of(claim) if claim else None
        return bool(plugin.helps(ClusterEvent(change, resource_claim=of, **more), world.info(pod)))  # type: ignore[attr-defined]

    pod, incomplete = pod_with("mine"), pod_with("mine", "missing")
    assert helps(Change.RESOURCE_CLAIM, pod, "mine")
    assert not helps(Change.RESOURCE_CLAIM, pod, "other")
    assert not helps(Change.RESOURCE_CLAIM, incomplete, "mine")
    assert helps(Change.DEVICES_FREED, pod, "other")
    assert not helps(Change.DEVICES_FREED, incomplete, "other")
    for change in (Change.DEVICE_CLASS, Change.RESOURCE_SLICE, Change.NODE_ADDED, Change.NODE_LABELS):
        assert helps(change, pod)
    for change in (Change.POD_DELETED, Change.NODE_TAINTS, Change.VOLUME):
        assert not helps(change, pod)


# --- giving back ----------------------------------------------------------------------------------------


async def test_devices_are_given_back_when_the_pod_cannot_be_bound() -> None:
    world = world_of("a")
    world.claim(make_claim("c"), make_claim("d"))
    world.refuse = Forbidden("no")
    assert await world.schedule(pod_with("c")) == [None]
    assert world.users_of("c") == []
    world.refuse = None
    world.show()
    assert not world.handle.devices.is_pending(world.of("c"))
    await world.clock.advance(2)
    await world.run()
    assert len(world.users_of("c")) == 1


async def test_what_could_not_be_written_is_not_in_use() -> None:
    world = world_of("a")
    world.claim(make_claim("c"), make_claim("d"))
    world.refuse_claims = Forbidden("not now")
    pod = pod_with("c")
    assert await world.why(pod) == (
        'running PreBind plugin "DynamicResources": add allocation and reservation to claim default/c: not now'
    )
    world.refuse_claims = None
    world.remove(pod)
    assert await world.schedule(pod_with("d")) == ["a"]


async def test_a_change_by_others_at_the_same_time_does_no_harm() -> None:
    world = world_of("a")
    world.claim(make_claim("c"))
    newer = world.of("c").copy_deep()
    newer.metadata.labels = {"by": "others"}
    world._store(newer)
    assert await world.schedule(pod_with("c")) == ["a"]
    assert (world.of("c").metadata.labels, world.devices_of("c")) == ({"by": "others"}, ["a-0"])


async def test_an_unused_claim_gives_up_devices_that_are_of_no_use() -> None:
    world = world_of("a", "b")
    world.claim(make_claim("c"))
    first = pod_with("c", nodeSelector={"kubernetes.io/hostname": "a"})
    await world.schedule(first)
    unused = world.of("c").copy_deep()
    unused.status.reservedFor = []
    world.claim(unused)
    second = pod_with("c", nodeSelector={"kubernetes.io/hostname": "b"})
    message = await world.why(second)
    assert "1 resourceclaim not available on the node" in message
    assert "deallocation of ResourceClaim completed" in message
    assert world.of("c").status.allocation is None
    world.show()
    await world.clock.advance(2)
    await world.run()
    assert world.devices_of("c") == ["b-0"]


async def test_a_claim_that_others_use_keeps_its_devices() -> None:
    world = world_of("a", "b")
    world.claim(make_claim("c"))
    await world.schedule(pod_with("c", nodeSelector={"kubernetes.io/hostname": "a"}))
    world.show()
    await world.why(pod_with("c", nodeSelector={"kubernetes.io/hostname": "b"}))
    assert world.devices_of("c") == ["a-0"]


async def test_started_anew_the_scheduler_goes_on_with_what_is_written() -> None:
    """Killed after the claim was written and before the pod was bound: nothing is given twice or lost."""
    world = world_of("a", "b")
    world.claim(make_claim("c"), make_claim("d"))
    pod = pod_with("c")
    world.refuse = Forbidden("killed")
    plugin = world.framework.by_name["DynamicResources"]
    plugin.unreserve = lambda *_: None  # type: ignore[attr-defined]
    await world.schedule(pod)
    written = world.devices_of("c")
    assert written
    anew = world_of("a", "b")
    anew.claim(*(claim.copy_deep() for claim in world.api.values()))
    other = pod_with("d")
    nodes = await anew.schedule(other, pod)
    assert anew.devices_of("c") == written
    assert len(anew.users_of("c")) == 1
    assert nodes[0] != nodes[1]


# --- devices that have to be prepared -------------------------------------------------------------------


def fabric() -> DeviceWorld:
    world = DeviceWorld(make_node("a"))
    device = {"name": "f", "bindingConditions": ["attached"], "bindingFailureConditions": ["failed"]}
    world.offer(make_class(), make_slice("s", device, allNodes=True))
    world.claim(make_claim("c"))
    return world


def report(world: DeviceWorld, **conditions: str) -> None:
    """The driver sets conditions of the device."""
    claim = world.of("c").copy_deep()
    listed = [
        {
            "type": name,
            "status": status,
            "reason": "Because",
            "message": "so",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for name, status in conditions.items()
    ]
    document = claim.to_dict()
    document["status"]["devices"] = [{"driver": DRIVER, "pool": "pool", "device": "f", "conditions": listed}]
    world.claim(ResourceClaim.from_dict(document))


async def until_waiting(world: DeviceWorld) -> None:
    """Go on until the scheduler waits for the driver."""
    queued = world.queue.pop_now()
    assert queued is not None
    await world.scheduler.schedule_one(queued)
    for _ in range(1000):
        if world.clock.sleepers:
            return
        await asyncio.sleep(0)
    raise AssertionError(world.events)


async def test_a_pod_is_bound_when_its_device_is_ready() -> None:
    world = fabric()
    pod = pod_with("c")
    world.add(pod)
    await until_waiting(world)
    assert world.events[-1][2] == "waiting for binding conditions for device on node a"
    assert not world.bindings
    report(world, attached="True")
    await world.scheduler.settle()
    assert list(world.bindings.values()) == ["a"]
    counted = f'profile="default-scheduler",driver="{DRIVER}",status="success"'
    assert f"scheduler_dra_bindingconditions_allocations_total{{{counted}}} 1" in world.registry.render()


async def test_a_device_that_cannot_be_prepared_is_given_up() -> None:
    world = fabric()
    pod = pod_with("c")
    world.add(pod)
    await until_waiting(world)
    report(world, failed="True")
    await world.scheduler.settle()
    assert last(world, pod) == (
        'running PreBind plugin "DynamicResources": device binding failed: claim=c, reason=Because, message="so"'
    )
    world.show()
    await world.clock.advance(11)
    await world.run()
    assert "deallocation of ResourceClaim completed" in last(world, pod)


async def test_a_device_that_does_not_get_ready_in_time_is_given_up() -> None:
    world = fabric()
    pod = pod_with("c")
    world.add(pod)
    await until_waiting(world)
    await world.clock.advance(601)
    await world.scheduler.settle()
    assert "device binding timeout" in last(world, pod)


# --- extended resources ---------------------------------------------------------------------------------


def extended() -> DeviceWorld:
    world = DeviceWorld(make_node("a"), make_node("b", resources={"example.com/gpu": "1"}))
    world.offer(make_class("gpu", extendedResourceName="example.com/gpu"), make_slice("s", "x", "y", node="a"))
    return world


async def test_an_extended_resource_stands_for_devices() -> None:
    world = extended()
    pod = make_pod("p", requests={"cpu": "1", "example.com/gpu": "2"})
    assert await world.schedule(pod) == ["a"]
    [claim] = world.api.values()
    assert claim.metadata.name.startswith("p-extended-resources-")
    assert claim.metadata.annotations == {"resource.kubernetes.io/extended-resource-claim": "true"}
    assert claim.metadata.ownerReferences[0].uid == pod.metadata.uid
    [request] = claim.spec.devices.requests
    assert (request.name, request.exactly and request.exactly.count) == ("container-0-request-1", 2)
    assert claim.status.reservedFor[0].uid == pod.metadata.uid
    made = 'scheduler_resourceclaim_creates_total{status="success",admin_access="false"} 1'
    assert made in world.registry.render()
    assert world.patches == [
        ("default/p", {"nominatedNodeName": "a"}),
        (
            "default/p",
            {
                "extendedResourceClaimStatus": {
                    "requestMappings": [
                        {
                            "containerName": "c",
                            "requestName": "container-0-request-1",
                            "resourceName": "example.com/gpu",
                        }
                    ],
                    "resourceClaimName": claim.metadata.name,
                }
            },
        ),
    ]


async def test_a_node_that_has_the_resource_itself_needs_no_claim() -> None:
    world = extended()
    assert await world.schedule(make_pod(requests={"example.com/gpu": "1"}, nodeName="")) != [None]
    world = extended()
    pod = make_pod(requests={"example.com/gpu": "1"}, nodeSelector={"kubernetes.io/hostname": "b"})
    assert await world.schedule(pod) == ["b"]
    assert not world.api


async def test_a_class_can_be_asked_for_by_its_own_resource() -> None:
    world = extended()
    pod = make_pod(requests={"deviceclass.resource.kubernetes.io/gpu": "1"})
    assert await world.schedule(pod) == ["a"]
    assert len(world.api) == 1


async def test_a_resource_that_no_class_stands_for_is_lacking_as_ever() -> None:
    world = extended()
    assert "2 Insufficient example.com/fpga" in await world.why(make_pod(requests={"example.com/fpga": "1"}))


async def test_the_claim_of_a_pod_that_could_not_be_bound_is_removed() -> None:
    world = extended()
    world.refuse = Forbidden("no")
    assert await world.schedule(make_pod(requests={"example.com/gpu": "2"})) == [None]
    assert not world.api


async def test_a_claim_left_over_from_before_is_removed_first() -> None:
    world = extended()
    pod = make_pod("p", requests={"example.com/gpu": "2"})
    left = owned_by(make_claim("p-left"), pod)
    left.metadata.annotations = {"resource.kubernetes.io/extended-resource-claim": "true"}
    world.claim(left)
    message = await world.why(pod)
    assert "cannot schedule extended resource claim" in message
    assert "deletion of ResourceClaim completed" in message
    assert not world.api


def test_init_containers_use_what_the_others_get() -> None:
    from scheduler.devices.extended_resources import requests_for

    def container(name: str, count: int, **more: Any) -> dict[str, Any]:
        return {"name": name, "resources": {"requests": {"e.com/x": str(count), "cpu": "1"}}, **more}

    pod = Pod.from_dict(
        {
            "spec": {
                "initContainers": [container("i", 3), container("j", 5), container("s", 1, restartPolicy="Always")],
                "containers": [container("c", 2)],
            }
        }
    )
    requests, mappings = requests_for(pod, {"e.com/x": "gpu"})
    assert [(each.name, each.exactly and each.exactly.count) for each in requests] == [
        ("container-1-request-1", 2),
        ("container-2-request-1", 1),
        ("container-3-request-1", 2),
    ]
    assert [(each.containerName, each.requestName) for each in mappings] == [
        ("s", "container-2-request-1"),
        ("c", "container-3-request-1"),
        ("i", "container-2-request-1"),
        ("i", "container-3-request-1"),
        ("j", "container-2-request-1"),
        ("j", "container-3-request-1"),
        ("j", "container-1-request-1"),
    ]


# --- what it costs those who have no devices ------------------------------------------------------------


async def test_nothing_is_watched_before_a_pod_asks_for_devices() -> None:
    world = world_of("a")
    assert await world.schedule(make_pod(cpu="1")) == ["a"]
    assert not world.handle.devices.is_known
    await world.schedule(pod_with("none"))
    assert world.handle.devices.is_known


def test_who_asks_for_no_devices_does_not_pay_for_them() -> None:
    source = """
import sys
import scheduler.server
names = ("cel", "re2", "api.resource_v1", "scheduler.devices.")
print(sorted(name for name in sys.modules if name.startswith(names)))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['scheduler.devices.inventory']"
