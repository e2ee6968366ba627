"""What conformance asks of the scheduler, of priorities and of LimitRanges, on a whole cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.quantity import milli
from tests.cluster.support import until
from tests.conformance.api import Api, Document, Refused, Space
from tests.conformance.objects import condition, events, is_ready, pod, ready_pods, scheduled, workload

FAKE = "example.com/fakecpu"
FINALIZER = "example.com/test-finalizer"


@pytest.fixture
def nodes(api: Api) -> Iterator[list[str]]:
    """Names of the nodes, each of which has five of a resource of its own; labels are taken away in the end."""
    names = sorted(api.of("nodes").names())
    amounts = {"capacity": {FAKE: "5"}, "allocatable": {FAKE: "5"}}
    for name in names:
        api.of("nodes").patch(name, {"status": amounts}, part="status")
    yield names
    for name in names:
        nothing = {"capacity": {FAKE: None}, "allocatable": {FAKE: None}}
        api.of("nodes").patch(name, {"status": nothing}, part="status")
        api.of("nodes").patch(name, {"metadata": {"labels": {"e2e": None}}})


@pytest.fixture
def classes(space: Space) -> Iterator[list[str]]:
    """Four PriorityClasses, from the lowest on."""
    names = [f"{space.name}-p{number}" for number in range(1, 5)]
    for number, name in enumerate(names, 1):
        space("priorityclasses").create({"metadata": {"name": name}, "value": number})
    yield names
    for name in names:
        space("priorityclasses").delete(name)


def taking(amount: int, resource: str = FAKE, **container: Any) -> Document:
    quantity = {resource: str(amount)}
    return {"container": {"resources": {"requests": quantity, "limits": quantity}, **container}}


def not_scheduled(space: Space, name: str, reason: str) -> None:
    """Wait until the scheduler has said that it finds no node, and why."""

    def said() -> bool:
        why = condition(space("pods").get(name), "PodScheduled")
        told = {(what, reason in message) for what, message in events(space, name)}
        return bool(why and why.get("reason") == "Unschedulable" and reason in why["message"]) and (
            ("FailedScheduling", True) in told
        )

    until(said, f"{name} is unschedulable: {reason}")
    assert "nodeName" not in space("pods").get(name)["spec"]


def test_resource_limits(space: Space, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are allowed to run
    [Conformance]"""
    for node in nodes:
        space("pods").create(pod(f"filler-{node}", nodeSelector={"kubernetes.io/hostname": node}, **taking(4)))
        assert scheduled(space, f"filler-{node}") == node
    space("pods").create(pod("additional", **taking(2)))
    not_scheduled(space, "additional", f"{len(nodes)} Insufficient {FAKE}")
    space("pods").create(pod("small", **taking(1)))
    assert scheduled(space, "small") in nodes


def test_a_node_selector_that_matches_nothing(space: Space) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching
    [Conformance]"""
    space("pods").create(pod("restricted", nodeSelector={"label": "nonempty"}))
    not_scheduled(space, "restricted", "node(s) didn't match Pod's node affinity/selector")


def test_a_node_selector_that_matches(space: Space, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching
    [Conformance]"""
    for node in reversed(nodes):
        space("nodes").patch(node, {"metadata": {"labels": {"e2e": node}}})
        space("pods").create(pod(f"on-{node}", nodeSelector={"e2e": node}))
        assert scheduled(space, f"on-{node}") == node


def test_ports_of_all_addresses(space: Space, nodes: list[str]) -> None:
    """[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with same
    hostPort and protocol but one using 0.0.0.0 hostIP [Conformance]"""
    for name, address in (("pod4", "0.0.0.0"), ("pod5", "127.0.0.1")):
        port = {"containerPort": 8080, "hostPort": 54322, "hostIP": address, "protocol": "TCP"}
        chosen = {"kubernetes.io/hostname": nodes[0]}
        space("pods").create(pod(name, nodeSelector=chosen, container={"ports": [port]}))
        if name == "pod4":
            assert scheduled(space, name) == nodes[0]
    not_scheduled(space, "pod5", "1 node(s) didn't have free ports for the requested pod ports")


def fill(space: Space, nodes: list[str], *classes: str) -> None:
    """A pod of each class in turn on each node, which takes four fifths of it."""
    for node, name in zip(nodes, classes, strict=True):
        chosen = {"kubernetes.io/hostname": node}
        space("pods").create(pod(node, nodeSelector=chosen, priorityClassName=name, **taking(4)))
        assert scheduled(space, node) == node


def displaced(space: Space, name: str) -> None:
    """Wait until a victim is gone: its place is free as soon as its containers have ended, a moment before."""
    victim = space("pods").find(name)
    assert victim is None or "deletionTimestamp" in victim["metadata"]
    until(lambda: space("pods").find(name) is None, f"{name} is gone")


def test_preemption(space: Space, nodes: list[str], classes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works [Conformance]"""
    fill(space, nodes, classes[0], classes[1])
    uids = {each["metadata"]["name"]: each["metadata"]["uid"] for each in space("pods").list()}
    space("pods").create(pod("urgent", priorityClassName=classes[3], **taking(4)))
    assert scheduled(space, "urgent") == nodes[0], "the lowest priority goes first"
    displaced(space, nodes[0])
    assert space("pods").get(nodes[1])["metadata"]["uid"] == uids[nodes[1]]


def test_preemption_by_critical_pods(space: Space, nodes: list[str], classes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod
    [Conformance]"""
    fill(space, nodes, classes[0], classes[1])
    system = Space(space.api, "kube-system")
    until(lambda: system("serviceaccounts").find("default"), "pods can be made in kube-system")
    system("pods").create(pod("critical-pod", priorityClassName="system-cluster-critical", **taking(4)))
    try:
        assert scheduled(system, "critical-pod") == nodes[0]
        displaced(space, nodes[0])
    finally:
        system("pods").delete("critical-pod", gracePeriodSeconds=0)


def test_the_condition_of_victims(space: Space, nodes: list[str], classes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod
    [Conformance]"""
    node = {"nodeSelector": {"kubernetes.io/hostname": nodes[0]}}
    victim = pod("victim", priorityClassName=classes[0], **node, **taking(5))
    victim["metadata"]["finalizers"] = [FINALIZER]
    space("pods").create(victim)
    assert scheduled(space, "victim") == nodes[0]
    space("pods").create(pod("preemptor", priorityClassName=classes[3], **node, **taking(5)))
    until(lambda: "deletionTimestamp" in space("pods").get("victim")["metadata"], "the victim goes")
    why = condition(space("pods").get("victim"), "DisruptionTarget")
    assert why is not None
    assert (why["status"], why["reason"]) == ("True", "PreemptionByScheduler")
    space("pods").patch("victim", {"metadata": {"finalizers": None}})
    assert scheduled(space, "preemptor") == nodes[0]


def test_preemption_of_replica_sets(space: Space, nodes: list[str], classes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption
    running path [Conformance]"""

    def start(number: int, replicas: int) -> None:
        name = classes[number - 1]
        made = workload(name, replicas)
        node = {"nodeSelector": {"kubernetes.io/hostname": nodes[0]}, "priorityClassName": name}
        made["spec"]["template"]["spec"] |= {**pod("x", **node, **taking(1))["spec"]}
        space("replicasets").create(made)

    for number, replicas in ((1, 1), (2, 2), (3, 2)):  # all five of the node's are taken
        start(number, replicas)
        ready_pods(space, classes[number - 1], replicas)
    since = space("pods").listed()["metadata"]["resourceVersion"]
    start(4, 3)
    ready: set[str] = set()
    for _, live in space("pods").changes(since, f"app={classes[3]}"):
        if is_ready(live):
            ready.add(live["metadata"]["name"])
        if len(ready) == 3:
            break
    bound = [each for each in space("pods").list() if "nodeName" in each["spec"]]
    staying = [each["spec"]["priorityClassName"] for each in bound if "deletionTimestamp" not in each["metadata"]]
    assert sorted(staying) == [classes[2]] * 2 + [classes[3]] * 3
    waiting = [each for each in space("pods").list() if "nodeName" not in each["spec"]]
    assert {each["spec"]["priorityClassName"] for each in waiting} <= set(classes[:2])


def test_priority_classes(space: Space, classes: list[str]) -> None:
    """[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be
    operated with different HTTP methods [Conformance]"""
    collection = space("priorityclasses")
    assert {*classes} <= collection.names()
    for number, name in enumerate(classes, 1):
        live = collection.get(name)
        assert live["value"] == number
        with pytest.raises(Refused, match="value: Forbidden: may not be changed in an update"):
            collection.patch(name, {"value": number * 10})
        assert collection.patch(name, {"description": "patched"})["description"] == "patched"
        with pytest.raises(Refused, match="value: Forbidden: may not be changed in an update"):
            collection.change(name, lambda each: each.update(value=100))
        collection.change(name, lambda each: each.update(description="updated"))
        assert collection.get(name)["description"] == "updated"


def limits(name: str, **more: Any) -> Document:
    """e2e's own: what a container may use at least, at most, by default and by default request."""
    item = {
        "type": "Container",
        "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
        "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
        "maxLimitRequestRatio": {},
    }
    return {"metadata": {"name": name, **more}, "spec": {"limits": [item]}}


def test_limits_by_default(space: Space) -> None:
    """[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.
    [Conformance]"""
    ranges, pods = space("limitranges"), space("pods")
    since = ranges.listed()["metadata"]["resourceVersion"]
    item = ranges.create(limits("limits"))["spec"]["limits"][0]
    ranges.seen(since, "ADDED")

    def resources(name: str, **asked: dict[str, str]) -> Document:
        made: Document = pods.create(pod(name, container={"resources": asked}))["spec"]["containers"][0]["resources"]
        return made

    assert resources("none") == {"requests": item["defaultRequest"], "limits": item["default"]}
    partial = resources("partial", requests={"cpu": "150m"}, limits={"memory": "300Mi"})
    assert milli(partial["requests"]["cpu"]) == 150
    assert partial["limits"] == item["default"] | {"memory": "300Mi"}
    assert partial["requests"]["memory"] in ("200Mi", "300Mi")
    with pytest.raises(Refused, match="minimum cpu usage per Container is 50m, but request is 10m"):
        resources("below", requests={"cpu": "10m"})
    with pytest.raises(Refused, match="maximum cpu usage per Container is 500m, but limit is 600m"):
        resources("above", limits={"cpu": "600m"})
    ranges.change("limits", lambda each: each["spec"]["limits"][0]["min"].update({"cpu": "9m"}))
    until(lambda: ranges.get("limits")["spec"]["limits"][0]["min"]["cpu"] == "9m", "the range is changed")

    def accepted() -> bool:
        try:
            return bool(resources("below", requests={"cpu": "10m"}))
        except Refused:
            return False

    until(accepted, "what was too little is allowed")
    with pytest.raises(Refused, match="maximum cpu usage per Container is 500m, but limit is 600m"):
        resources("above", limits={"cpu": "600m"})
    ranges.delete("limits")
    ranges.seen(since, "DELETED")


def test_a_collection_of_limits(space: Space) -> None:
    """[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]"""
    label = {"e2e-limitrange": space.name}
    selector = f"e2e-limitrange={space.name}"
    other, everywhere = Space(space.api, "default"), Space(space.api, "")
    space("limitranges").create(limits("limits", labels=label))
    other("limitranges").create(limits(space.name, labels=label))
    assert len(everywhere("limitranges").list(selector)) == 2
    item = {"type": "Container", "default": {"cpu": "400m"}}
    body = {"metadata": {"labels": {"patched": "true"}}, "spec": {"limits": [item]}}
    patched = space("limitranges").patch("limits", body, type="strategic")
    assert patched["metadata"]["labels"]["patched"] == "true"
    assert patched["spec"]["limits"][0]["default"]["cpu"] == "400m"
    space("limitranges").delete_all("patched=true")
    assert not space("limitranges").list()
    (left,) = everywhere("limitranges").list(selector)
    assert left["metadata"]["namespace"] == "default"
    other("limitranges").delete(space.name)
