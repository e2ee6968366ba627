"""What conformance asks of nodes, their taints and the pods that are bound to them, on a whole cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.support import until
from tests.conformance.api import Document, Refused, Space
from tests.conformance.objects import check_operations, pod, scheduled

TAINT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal", "effect": "NoExecute"}


def test_the_life_of_a_node(space: Space) -> None:
    """[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]"""
    nodes, name = space("nodes"), f"{space.name}-fake"
    status = {
        "capacity": {"cpu": "4", "memory": "20000Mi", "pods": "30"},
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    made = nodes.create({"metadata": {"name": name, "labels": {"e2e-node": name}}, "status": status})
    assert made["metadata"]["name"] == name
    assert nodes.get(name)["metadata"]["uid"] == made["metadata"]["uid"]
    nodes.patch(name, {"metadata": {"labels": {name: "patched"}}}, type="strategic")
    (found,) = nodes.list(f"{name}=patched")
    assert found["metadata"]["name"] == name
    nodes.change(name, lambda each: each["metadata"]["labels"].update({name: "updated"}))
    assert nodes.names(f"{name}=updated") == {name}
    since = nodes.listed()["metadata"]["resourceVersion"]
    nodes.delete_all(f"{name}=updated")
    nodes.seen(since, "DELETED", selector=f"{name}=updated")
    assert nodes.find(name) is None


@pytest.fixture
def tainted(space: Space) -> Iterator[Any]:
    """`tainted(node)` taints a node, `tainted(node, False)` takes the taint away; in the end no node has it."""
    touched: list[str] = []

    def taint(node: str, on: bool = True) -> None:
        def edit(document: Document) -> None:
            others = [each for each in document["spec"].get("taints", []) if each["key"] != TAINT["key"]]
            document["spec"]["taints"] = [*others, TAINT] if on else others

        touched.append(node)
        space("nodes").change(node, edit)

    yield taint
    for node in {*touched}:
        taint(node, False)


def tolerant(name: str, seconds: int, **spec: Any) -> Document:
    toleration = {"key": TAINT["key"], "value": TAINT["value"], "effect": "NoExecute", "tolerationSeconds": seconds}
    return pod(name, tolerations=[toleration], **spec)


def test_removing_a_taint_cancels_the_eviction(space: Space, tainted: Any) -> None:
    """[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction [Disruptive] [Conformance]

    A pod of another node, which is evicted later, tells that the first one's time has passed.
    """
    patience = 10  # more than the machine may stand still between the two changes of the node
    space("pods").create(tolerant("one", patience))
    node = scheduled(space, "one")
    until(lambda: space("pods").get("one")["status"]["phase"] == "Running", "it runs")
    tainted(node)
    tainted(node, False)
    uid = space("pods").get("one")["metadata"]["uid"]
    other = next(name for name in sorted(space("nodes").names()) if name != node)
    space("pods").create(tolerant("clock", patience, nodeSelector={"kubernetes.io/hostname": other}))
    assert scheduled(space, "clock") == other
    tainted(other)
    until(lambda: space("pods").find("clock") is None, "a pod of a node that keeps its taint is evicted")
    live = space("pods").get("one")
    assert live["metadata"]["uid"] == uid
    assert "deletionTimestamp" not in live["metadata"]


def test_pods_are_evicted_in_time(space: Space, tainted: Any) -> None:
    """[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]
    [Conformance]"""
    space("pods").create(tolerant("soon", 1))
    node = scheduled(space, "soon")
    space("pods").create(tolerant("late", 4, nodeSelector={"kubernetes.io/hostname": node}))
    assert scheduled(space, "late") == node
    since = space("pods").listed()["metadata"]["resourceVersion"]
    began = time.monotonic()
    tainted(node)
    gone = space("pods").seen(since, "DELETED", "DELETED")
    assert time.monotonic() - began >= 4
    evicted = {each["metadata"]["name"]: each["metadata"]["deletionTimestamp"] for each in gone}
    assert evicted["soon"] <= evicted["late"], "the one with less patience is evicted first"


def test_the_quality_of_service(space: Space) -> None:
    """[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for
    memory and cpu [Conformance]"""
    amounts = {"cpu": "100m", "memory": "100Mi"}
    made = space("pods").create(pod("one", container={"resources": {"requests": amounts, "limits": amounts}}))
    assert made["status"]["qosClass"] == "Guaranteed"
    assert space("pods").get("one")["status"]["qosClass"] == "Guaranteed"


def observed(space: Space, name: str, generation: int) -> None:
    """Wait until the kubelet has seen the generation."""

    def seen() -> bool:
        live = space("pods").get(name)
        return live["metadata"]["generation"] == generation == live["status"].get("observedGeneration")

    until(seen, f"the kubelet has seen generation {generation} of {name}")


def test_generations_of_pods(space: Space) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per
    update [MinimumKubeletVersion:1.34] [Conformance]"""
    made = space("pods").create(pod("one", activeDeadlineSeconds=5000))
    assert made["metadata"]["generation"] == 1
    observed(space, "one", 1)

    def shorter(document: Document) -> None:
        document["spec"]["activeDeadlineSeconds"] -= 1

    def label(document: Document) -> None:
        document["metadata"].setdefault("labels", {})["key"] = "value"

    toleration = {"key": "foo", "operator": "Exists"}
    edits = (
        (shorter, 2),
        (lambda each: each["spec"]["containers"][0].update(image="two"), 3),
        (lambda each: each["spec"].setdefault("tolerations", []).append(toleration), 4),
        (label, 4),
        (lambda each: each["metadata"].update(generation=100), 4),
    )
    for edit, generation in edits:
        space("pods").change("one", edit)
        observed(space, "one", generation)
    debugger = {"name": "debugger", "image": "i"}
    space("pods").change("one", lambda each: each["spec"].update(ephemeralContainers=[debugger]), "ephemeralcontainers")
    observed(space, "one", 5)
    space("pods").patch("one", {"status": {"message": "patched"}}, part="status")
    assert space("pods").get("one")["metadata"]["generation"] == 5


def test_a_generation_of_ones_own_choice(space: Space) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete
    [Conformance]"""
    document = pod("one")
    document["metadata"] |= {"generation": 100, "finalizers": ["example.com/test-finalizer"]}
    assert space("pods").create(document)["metadata"]["generation"] == 1
    observed(space, "one", 1)
    space("pods").delete("one")
    observed(space, "one", 2)
    space("pods").patch("one", {"metadata": {"finalizers": None}})
    until(lambda: space("pods").find("one") is None, "the pod is gone")


def test_many_generations(space: Space) -> None:
    """[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and
    observedGeneration eventually converge [MinimumKubeletVersion:1.34] [Conformance]"""
    space("pods").create(pod("one", activeDeadlineSeconds=5000))
    for number in range(499):
        space("pods").patch("one", {"spec": {"activeDeadlineSeconds": 4999 - number}})
    assert space("pods").get("one")["metadata"]["generation"] == 500
    observed(space, "one", 500)


def runtime_class(name: str, **more: Any) -> Document:
    return {"metadata": {"name": name}, "handler": "e2e-handler", **more}


def test_runtime_classes_that_do_not_exist(space: Space) -> None:
    """[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance]
    [Conformance],
    [sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance] [Conformance]"""
    with pytest.raises(Refused, match=f'pod rejected: RuntimeClass "{space.name}-none" not found') as refusal:
        space("pods").create(pod("one", runtimeClassName=f"{space.name}-none"))
    assert refusal.value.code == 403
    space("runtimeclasses").create(runtime_class(space.name))
    space("runtimeclasses").delete(space.name)

    def refused() -> bool:
        try:
            space("pods").create(pod("two", runtimeClassName=space.name))
        except Refused as refusal:
            return refusal.code == 403
        space("pods").delete("two", gracePeriodSeconds=0)
        return False

    until(refused, "a pod of a class that is gone is refused")


@pytest.mark.parametrize("overhead", [None, {"cpu": "10m", "memory": "1Mi"}], ids=["without", "with"])
def test_runtime_classes(space: Space, overhead: dict[str, str] | None) -> None:
    """[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead [NodeConformance]
    [Conformance],
    [sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead
    [NodeConformance] [Conformance]"""
    more = {"overhead": {"podFixed": overhead}} if overhead else {}
    space("runtimeclasses").create(runtime_class(space.name, **more))
    made: list[Document] = []

    def accepted() -> bool:
        try:
            made.append(space("pods").create(pod("one", runtimeClassName=space.name)))
        except Refused:
            return False
        return True

    until(accepted, "the class is known")
    assert made[0]["spec"].get("overhead") == overhead
    assert scheduled(space, "one")
    space("runtimeclasses").delete(space.name)


def test_the_api_of_runtime_classes(space: Space) -> None:
    """[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]"""
    check_operations(space, "runtimeclasses", runtime_class)
