"""Which nodes run a daemon, what each lacks, and which old pods are next in an update."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.apps_v1 import DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from api.clock import ManualClock
from api.core_v1 import Affinity, Node, NodeSpec, Pod, PodCondition, Taint, Toleration
from api.meta_v1 import LabelSelector, ObjectMeta
from controller_manager.daemon_set.backoff import FailedPods
from controller_manager.daemon_set.fleet import Fleet, sort_out, status_of, work_on
from controller_manager.daemon_set.placement import (
    Placement,
    daemon_pod,
    daemon_template,
    placement,
    target_node,
    with_tolerations,
)
from controller_manager.daemon_set.rolling_update import next_steps
from tests.controllers.cluster import template

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def daemon_set(surge: int | str = 0, unavailable: int | str = 1, **pod: Any) -> DaemonSet:
    limits = RollingUpdateDaemonSet(maxSurge=surge, maxUnavailable=unavailable)
    made = DaemonSet(
        metadata=ObjectMeta(name="agent", namespace="default", uid="agent"),
        spec=DaemonSetSpec(
            selector=LabelSelector(matchLabels={"app": "agent"}),
            template=template(app="agent"),
            updateStrategy=DaemonSetUpdateStrategy(type="RollingUpdate", rollingUpdate=limits),
        ),
    )
    for name, value in pod.items():
        setattr(made.spec.template.spec, name, value)
    return made


def node(name: str = "a", *taints: tuple[str, str], **labels: str) -> Node:
    spec = NodeSpec(taints=[Taint(key=key, effect=effect) for key, effect in taints])
    return Node(metadata=ObjectMeta(name=name, labels=labels), spec=spec)


def required(*terms: dict[str, Any]) -> Affinity:
    selector = {"nodeSelectorTerms": list(terms)}
    return Affinity.from_dict({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}})


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def field(operator: str, *values: str) -> dict[str, Any]:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("pod", "where", "expected"),
    [
        ({}, node(), Placement.RUNS),
        ({"nodeName": "b"}, node(), Placement.NOT_THERE),
        ({"nodeSelector": {"x": "1"}}, node(), Placement.NOT_THERE),
        ({"nodeSelector": {"x": "1"}}, node(x="1"), Placement.RUNS),
        ({"affinity": required(field("In", "a"))}, node(), Placement.RUNS),
        ({"affinity": required(field("NotIn", "a"))}, node(), Placement.NOT_THERE),
        ({"affinity": required(label("x", "Exists"), field("In", "a"))}, node(), Placement.RUNS),
        ({"affinity": required(label("x", "Exists") | field("In", "a"))}, node(), Placement.NOT_THERE),
        ({"affinity": required(label("x", "Gt", "3"))}, node(x="4"), Placement.RUNS),
        ({"affinity": required(label("x", "Lt", "3"))}, node(x="4"), Placement.NOT_THERE),
        ({"affinity": required(label("x", "DoesNotExist"))}, node(), Placement.RUNS),
        ({"affinity": required({})}, node(), Placement.NOT_THERE),
        ({}, node("a", ("x", "NoSchedule")), Placement.MAY_STAY),
        ({}, node("a", ("x", "PreferNoSchedule")), Placement.RUNS),
        ({}, node("a", ("x", "NoExecute")), Placement.NOT_THERE),
        ({}, node("a", ("node.kubernetes.io/unschedulable", "NoSchedule")), Placement.RUNS),
        ({}, node("a", ("node.kubernetes.io/unreachable", "NoExecute")), Placement.RUNS),
        ({}, node("a", ("node.kubernetes.io/not-ready", "NoSchedule")), Placement.MAY_STAY),
        ({}, node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), Placement.MAY_STAY),
        ({"hostNetwork": True}, node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), Placement.RUNS),
    ],
)
def test_says_which_nodes_run_the_pod(pod: dict[str, Any], where: Node, expected: Placement) -> None:
    assert placement(daemon_set(**pod), where) is expected


def test_daemons_tolerate_that_their_node_is_unwell() -> None:
    own = [Toleration(key="x"), Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute")]
    own[1].tolerationSeconds = 5
    found = with_tolerations(daemon_set(tolerations=own).spec.template.spec)
    assert [(t.key.removeprefix("node.kubernetes.io/"), t.effect, t.tolerationSeconds) for t in found] == [
        ("x", "", None),
        ("not-ready", "NoExecute", None),
        ("unreachable", "NoExecute", None),
        ("disk-pressure", "NoSchedule", None),
        ("memory-pressure", "NoSchedule", None),
        ("pid-pressure", "NoSchedule", None),
        ("unschedulable", "NoSchedule", None),
    ]


def test_a_pod_is_tied_to_its_node_and_keeps_its_wishes() -> None:
    wishes = [{"weight": 1, "preference": label("x", "Exists")}]
    affinity = Affinity.from_dict({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}})
    made = daemon_set(affinity=affinity)
    made.metadata.annotations["deprecated.daemonset.template.generation"] = "7"
    pod = daemon_pod(made, daemon_template(made, "hash"), "b")
    assert target_node(pod) == "b"
    assert pod.spec.affinity is not None
    assert pod.spec.affinity.nodeAffinity is not None
    assert len(pod.spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution) == 1
    labels = {"app": "agent", "controller-revision-hash": "hash", "pod-template-generation": "7"}
    assert pod.metadata.labels == labels
    assert made.spec.template.metadata.labels == {"app": "agent"}
    assert target_node(Pod(metadata=ObjectMeta(name="x"))) == ""


def fleet(state: str, made: DaemonSet, *nodes: Node) -> Fleet:
    """A fleet given by a word for each node, a letter for each of its pods: o(ld), n(ew), capital when it is not ready,
    f(ailed), s(ucceeded), d(eleted), and "-" for a node without any."""
    words = state.split()
    names = [chr(ord("a") + number) for number in range(len(words))]
    pods = [
        pod_of(name, number, letter)
        for name, word in zip(names, words, strict=True)
        for number, letter in enumerate(word.replace("-", ""))
    ]
    return sort_out(made, "new", nodes or [node(name) for name in names], pods)


def pod_of(where: str, number: int, letter: str) -> Pod:
    since = NOW - timedelta(minutes=10 - number)
    mark = "new" if letter in "nN" else "old"
    labels = {"app": "agent", "controller-revision-hash": mark}
    pod = Pod(metadata=ObjectMeta(name=f"{where}{number}", uid=f"{where}{number}", labels=labels))
    pod.metadata.creationTimestamp = since
    pod.metadata.deletionTimestamp = NOW if letter == "d" else None
    pod.spec.nodeName = where
    pod.status.phase = {"f": "Failed", "s": "Succeeded"}.get(letter, "Running")
    pod.status.conditions = [PodCondition(type="Ready", status=str(letter in "on"), lastTransitionTime=since)]
    return pod


def names(pods: list[Pod]) -> list[str]:
    return [pod.metadata.name for pod in pods]


@pytest.mark.parametrize(
    ("state", "surge", "missing", "surplus", "finished"),
    [
        ("n -", 0, ["b"], [], []),
        ("n d", 0, [], [], []),  # waits until the old one is gone
        ("nn n", 0, [], ["a1"], []),
        ("f s", 0, [], [], ["a0", "b0"]),
        ("oN n", 0, [], ["a1"], []),
        ("oN n", 1, [], [], []),
        ("on n", 1, [], ["a0"], []),
        ("ON n", 1, [], ["a0"], []),  # the old one is no use any more
        ("ooNN n", 1, [], ["a3", "a1"], []),
    ],
)
def test_finds_what_a_node_lacks_or_has_too_much_of(
    state: str, surge: int, missing: list[str], surplus: list[str], finished: list[str]
) -> None:
    work = work_on(fleet(state, daemon_set(surge, 1 - surge)), NOW)
    assert (work.missing, names(work.surplus), names(work.finished)) == (missing, surplus, finished)


def test_pods_of_nodes_that_no_longer_fit_or_are_gone_go() -> None:
    found = fleet("n n n", daemon_set(), node("a", ("x", "NoExecute")), node("b", ("x", "NoSchedule")))
    assert names(work_on(found, NOW).surplus) == ["a0"]  # the third is for the garbage collector of pods: it is bound
    pending = pod_of("c", 0, "N")
    pending.spec.nodeName = ""
    pending.spec.affinity = required(field("In", "c"))
    assert names(work_on(sort_out(daemon_set(), "new", [], [pending]), NOW).surplus) == ["c0"]


@pytest.mark.parametrize(
    ("state", "unavailable", "surplus"),
    [
        ("o o o", 1, ["a0"]),
        ("o o o", "50%", ["a0", "b0"]),  # rounded up
        ("N o o", 1, []),
        ("N o o", 2, ["b0"]),
        ("O o o", 1, ["a0"]),  # no use anyway, but it counts
        ("O O o", 1, ["a0", "b0"]),
        ("d o o", 1, []),
        ("oo o o", 1, []),  # too many are seen to first
        ("n n n", 1, []),
    ],
)
def test_replaces_old_pods_while_few_are_unavailable(state: str, unavailable: int | str, surplus: list[str]) -> None:
    work = next_steps(fleet(state, daemon_set(0, unavailable)), NOW)
    assert (names(work.surplus), work.missing) == (surplus, [])


@pytest.mark.parametrize(
    ("state", "surge", "missing", "surplus"),
    [
        ("o o o", 1, ["a"], []),
        ("o o o", "50%", ["a", "b"], []),
        ("oN o o", 1, [], []),
        ("on o o", 1, ["b"], ["a0"]),
        ("O o o", 1, ["a", "b"], []),  # what is broken costs nothing
        ("n n n", 1, [], []),
    ],
)
def test_surges_on_few_nodes_at_a_time(state: str, surge: int | str, missing: list[str], surplus: list[str]) -> None:
    work = next_steps(fleet(state, daemon_set(surge, 0)), NOW)
    assert (work.missing, names(work.surplus)) == (missing, surplus)


def test_while_surging_a_misplaced_pod_stays_until_enough_others_are_available() -> None:
    tainted = node("a", ("x", "NoSchedule"))
    assert names(next_steps(fleet("o N", daemon_set(1, 0), tainted, node("b")), NOW).surplus) == []
    assert names(next_steps(fleet("o n", daemon_set(1, 0), tainted, node("b")), NOW).surplus) == ["a0"]
    assert names(next_steps(fleet("O N", daemon_set(1, 0), tainted, node("b")), NOW).surplus) == ["a0"]


def test_status_counts_nodes_by_their_oldest_pod() -> None:
    tainted = node("e", ("x", "NoSchedule"))
    found = fleet("n oN N - o", daemon_set(), *(node(name) for name in "abcd"), tainted)
    status = status_of(found, 3, 0, NOW)
    assert (status.desiredNumberScheduled, status.currentNumberScheduled, status.numberMisscheduled) == (4, 3, 1)
    assert (status.numberReady, status.numberAvailable, status.numberUnavailable) == (2, 2, 2)
    assert (status.updatedNumberScheduled, status.observedGeneration, status.collisionCount) == (2, 3, None)


async def test_a_node_that_makes_pods_fail_waits_longer_and_longer() -> None:
    clock = ManualClock()
    failed = FailedPods(clock)
    waited = []
    for _ in range(12):
        assert failed.wait("agent", "a") == 0.0
        waited.append(failed.wait("agent", "a"))
        await clock.advance(waited[-1])
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert failed.wait("agent", "b") == 0.0
    failed.forget("agent")
    assert failed.wait("agent", "a") == 0.0
    assert failed.wait("agent", "a") == 1.0
