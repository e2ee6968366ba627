"""The scores, with all that is remembered and vectored, against slow and obvious ones."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.core_v1 import Node, Pod
from scheduler.framework import CycleState
from scheduler.pod_info import PodInfo
from tests.scheduler.test_against_reference import KEYS, labels, namespaces, selected, selectors
from tests.scheduler.world import World, make_node, make_pod

WEIGHTS = {"fit": 1, "balance": 1, "taints": 3, "nodes": 2, "spread": 2, "pods": 2}


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    return [
        make_node(
            f"n{i}",
            cpu=draw(st.sampled_from(("2", "4"))),
            memory=draw(st.sampled_from(("4Gi", "16Gi"))),
            labels={"zone": draw(st.sampled_from(("z1", "z2"))), **draw(labels)},
            taints=draw(st.lists(st.sampled_from(("t=1:PreferNoSchedule", "u=2:PreferNoSchedule")), unique=True)),
        )
        for i in range(draw(st.integers(2, 5)))
    ]


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    def wish() -> dict[str, Any]:
        term = {"labelSelector": draw(selectors), "topologyKey": draw(st.sampled_from(KEYS))}
        return {"weight": draw(st.integers(1, 100)), "podAffinityTerm": term}

    affinity: dict[str, Any] = {}
    for kind in draw(st.lists(st.sampled_from(("podAffinity", "podAntiAffinity")), max_size=2, unique=True)):
        wishes = [wish() for _ in range(draw(st.integers(1, 2)))]
        affinity[kind] = {"preferredDuringSchedulingIgnoredDuringExecution": wishes}
    if draw(st.booleans()):
        wanted = {"key": draw(st.sampled_from(("app", "tier"))), "operator": "In", "values": ["a"]}
        preferred = [{"weight": draw(st.integers(1, 100)), "preference": {"matchExpressions": [wanted]}}]
        affinity["nodeAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
    spread = [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": draw(selectors)}
        for key in draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    ]
    return make_pod(
        namespace=draw(namespaces),
        labels=draw(labels),
        cpu=draw(st.sampled_from(("0", "100m", "500m"))),
        memory=draw(st.sampled_from(("0", "256Mi", "1Gi"))),
        affinity=affinity,
        topologySpreadConstraints=spread,
        tolerations=draw(st.lists(st.just({"key": "t", "operator": "Exists"}), max_size=1)),
    )


# --- the reference ------------------------------------------------------------------------------------

Placed = list[tuple[Pod, Node]]


def amount(pod: Pod, name: str) -> int:
    return PodInfo(pod).requests.get(name, 0)


def shares(node: Node, all_pods: list[Pod]) -> list[float]:
    info = World(node).cache.nodes[node.metadata.name]
    offered = {"cpu": info.alloc_cpu, "memory": info.alloc_memory}
    return [min(sum(amount(p, name) for p in all_pods) / offered[name], 1.0) for name in offered]


def fit(pod: Pod, node: Node, placed: Placed) -> int:
    info = World(node).cache.nodes[node.metadata.name]
    total = 0
    for name, offered in (("cpu", info.alloc_cpu), ("memory", info.alloc_memory)):
        used = sum(getattr(PodInfo(p), f"score_{name}") for p in [pod, *(p for p, n in placed if n is node)])
        total += max(offered - used, 0) * 100 // offered
    return total // 2


def evenness(found: list[float]) -> int:
    return int(100 - 50 * abs(found[0] - found[1]))


def balance(pod: Pod, node: Node, placed: Placed) -> int:
    if not amount(pod, "cpu") and not amount(pod, "memory"):
        return 0
    here = [p for p, n in placed if n is node]
    return 50 + (50 + evenness(shares(node, [*here, pod])) - evenness(shares(node, here))) // 2


def scaled(raw: list[int], *, reverse: bool = False) -> list[int]:
    top = max(raw)
    up = [score * 100 // top if top else 0 for score in raw]
    return [100 - score for score in up] if reverse else up


def taints(pod: Pod, all_nodes: list[Node]) -> list[int]:
    if not any(node.spec.taints for node in all_nodes):
        return [0] * len(all_nodes)
    keys = {toleration.key for toleration in pod.spec.tolerations}
    return scaled([sum(t.key not in keys for t in node.spec.taints) for node in all_nodes], reverse=True)


def preferred_nodes(pod: Pod, all_nodes: list[Node]) -> list[int]:
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    terms = affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else []
    raw = [
        sum(t.weight for t in terms if node.metadata.labels.get(t.preference.matchExpressions[0].key) == "a")
        for node in all_nodes
    ]
    return scaled(raw)


def wishes_of(pod: Pod) -> list[tuple[int, Any]]:
    found = []
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        part = getattr(pod.spec.affinity, kind) if pod.spec.affinity else None
        for wish in part.preferredDuringSchedulingIgnoredDuringExecution if part else []:
            found.append((sign * wish.weight, wish.podAffinityTerm))
    return found


def preferred_pods(pod: Pod, all_nodes: list[Node], placed: Placed) -> list[int]:
    raw = [0] * len(all_nodes)
    for i, node in enumerate(all_nodes):
        for other, there in placed:
            for one, two in ((pod, other), (other, pod)):
                for weight, term in wishes_of(one):
                    key = term.topologyKey
                    if (
                        one.metadata.namespace == two.metadata.namespace
                        and selected(term.labelSelector, two.metadata.labels)
                        and node.metadata.labels[key] == there.metadata.labels[key]
                    ):
                        raw[i] += weight
    low, high = min(raw), max(raw)
    return [100 * (score - low) // (high - low) if high > low else 0 for score in raw]


def spreading(pod: Pod, all_nodes: list[Node], placed: Placed) -> list[int]:
    constraints = pod.spec.topologySpreadConstraints
    if not constraints:
        return [0] * len(all_nodes)
    raw = []
    for node in all_nodes:
        total = 0.0
        for c in constraints:
            key = c.topologyKey
            weight = math.log(len({n.metadata.labels[key] for n in all_nodes}) + 2)
            total += weight * sum(
                there.metadata.labels[key] == node.metadata.labels[key]
                and other.metadata.namespace == pod.metadata.namespace
                and selected(c.labelSelector, other.metadata.labels)
                for other, there in placed
            )
        raw.append(math.floor(total + 0.5))
    low, high = min(raw), max(raw)
    return [100 * (high + low - score) // high if high else 100 for score in raw]


# --- the comparison -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(nodes(), st.lists(st.tuples(pods(), st.integers(0, 4)), max_size=6), pods())
def test_every_score_is_the_same(all_nodes: list[Node], running: list[tuple[Pod, int]], pod: Pod) -> None:
    asyncio.run(compare(all_nodes, running, pod))


async def compare(all_nodes: list[Node], running: list[tuple[Pod, int]], pod: Pod) -> None:
    world = World(*all_nodes)
    placed: Placed = []
    for other, number in running:
        node = all_nodes[number % len(all_nodes)]
        document = other.to_dict()
        document["spec"]["nodeName"] = node.metadata.name
        bound = Pod.from_dict(document)
        world.add(bound)
        placed.append((bound, node))
    info, state = PodInfo(pod), CycleState()
    framework = world.framework
    _, _, refusal = framework.run_pre_filter(state, info)
    assert refusal is None
    found = [world.cache.nodes[node.metadata.name] for node in all_nodes]
    scores = framework.run_scores(state, info, found, framework.node_local_scores(state, info, found))
    columns = {
        "fit": [fit(pod, node, placed) for node in all_nodes],
        "balance": [balance(pod, node, placed) for node in all_nodes],
        "taints": taints(pod, all_nodes),
        "nodes": preferred_nodes(pod, all_nodes),
        "spread": spreading(pod, all_nodes, placed),
        "pods": preferred_pods(pod, all_nodes, placed),
    }
    expected = [sum(WEIGHTS[name] * column[i] for name, column in columns.items()) for i in range(len(all_nodes))]
    assert scores == expected, columns
