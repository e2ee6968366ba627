"""The filters, with all their running sums, against slow and obvious ones that look at every pod each time."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.core_v1 import Node, Pod
from scheduler.diagnosis import Unfit
from scheduler.framework import CycleState
from scheduler.pod_info import PodInfo
from tests.scheduler.world import World, make_node, make_pod

KEYS = ("zone", "kubernetes.io/hostname")
labels = st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from(("a", "b")), max_size=2)
selectors = st.one_of(
    labels.map(lambda found: {"matchLabels": found}),
    st.builds(
        lambda key, operator, values: {
            "matchExpressions": [
                {"key": key, "operator": operator, **({"values": values} if operator in ("In", "NotIn") else {})}
            ]
        },
        st.sampled_from(("app", "tier")),
        st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
        st.lists(st.sampled_from(("a", "b")), min_size=1, max_size=2, unique=True),
    ),
)
namespaces = st.sampled_from(("x", "y"))


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    made = []
    for i in range(draw(st.integers(1, 4))):
        zone = draw(st.sampled_from((None, "z1", "z2")))
        made.append(
            make_node(
                f"n{i}",
                cpu=draw(st.sampled_from(("1", "2"))),
                pods=str(draw(st.integers(2, 5))),
                labels={**({"zone": zone} if zone else {}), **draw(labels)},
                taints=draw(st.lists(st.sampled_from(("t=1:NoSchedule", "t=2:NoExecute")), max_size=1)),
            )
        )
    return made


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    def term() -> dict[str, Any]:
        found: dict[str, Any] = {"labelSelector": draw(selectors), "topologyKey": draw(st.sampled_from(KEYS))}
        if draw(st.booleans()):
            found["namespaces"] = draw(st.lists(namespaces, max_size=2, unique=True))
        return found

    def terms() -> dict[str, Any]:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [term() for _ in range(draw(st.integers(0, 2)))]}

    spread = [
        {
            "maxSkew": draw(st.integers(1, 2)),
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": draw(selectors),
            "minDomains": draw(st.sampled_from((None, 2))),
            "nodeAffinityPolicy": draw(st.sampled_from(("Honor", "Ignore"))),
            "nodeTaintsPolicy": draw(st.sampled_from(("Honor", "Ignore"))),
        }
        for key in draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    ]
    affinity = {}
    for kind in draw(st.lists(st.sampled_from(("podAffinity", "podAntiAffinity")), max_size=2, unique=True)):
        affinity[kind] = terms()
    return make_pod(
        namespace=draw(namespaces),
        labels=draw(labels),
        cpu=draw(st.sampled_from(("0", "300m", "1"))),
        affinity=affinity,
        topologySpreadConstraints=spread,
        nodeSelector=draw(st.one_of(st.just({}), labels)),
        tolerations=draw(
            st.lists(st.sampled_from(({"key": "t", "operator": "Exists"}, {"key": "t", "value": "1"})), max_size=1)
        ),
    )


# --- the reference ------------------------------------------------------------------------------------


def selected(selector: Any, found: dict[str, str]) -> bool:
    for key, value in selector.matchLabels.items():
        if found.get(key) != value:
            return False
    for e in selector.matchExpressions:
        if e.operator == "In" and found.get(e.key) not in e.values:
            return False
        if e.operator == "NotIn" and e.key in found and found[e.key] in e.values:
            return False
        if e.operator == "Exists" and e.key not in found:
            return False
        if e.operator == "DoesNotExist" and e.key in found:
            return False
    return True


def about(term: Any, owner: Pod, other: Pod) -> bool:
    spaces = term.namespaces or [owner.metadata.namespace]
    return other.metadata.namespace in spaces and selected(term.labelSelector, other.metadata.labels)


def tolerates(pod: Pod, node: Node) -> bool:
    return all(
        any(t.key == taint.key and (t.operator == "Exists" or t.value == taint.value) for t in pod.spec.tolerations)
        for taint in node.spec.taints
    )


def chosen(pod: Pod, node: Node) -> bool:
    return all(node.metadata.labels.get(k) == v for k, v in pod.spec.nodeSelector.items())


def required(pod: Pod, kind: str) -> list[Any]:
    part = getattr(pod.spec.affinity, kind) if pod.spec.affinity else None
    return part.requiredDuringSchedulingIgnoredDuringExecution if part else []


def fits(pod: Pod, node: Node, all_nodes: list[Node], placed: list[tuple[Pod, Node]]) -> bool:
    here = [p for p, n in placed if n is node]
    if not tolerates(pod, node) or not chosen(pod, node):
        return False
    if len(here) + 1 > int(node.status.allocatable["pods"]):
        return False
    own = PodInfo(pod).cpu
    if own and sum(PodInfo(p).cpu for p in here) + own > 1000 * int(node.status.allocatable["cpu"]):
        return False
    return spreads(pod, node, all_nodes, placed) and near_and_away(pod, node, placed)


def spreads(pod: Pod, node: Node, all_nodes: list[Node], placed: list[tuple[Pod, Node]]) -> bool:
    constraints = pod.spec.topologySpreadConstraints
    for c in constraints:
        if c.topologyKey not in node.metadata.labels:
            return False
        counts: dict[str, int] = {}
        for other in all_nodes:
            if any(k.topologyKey not in other.metadata.labels for k in constraints):
                continue
            if c.nodeAffinityPolicy == "Honor" and not chosen(pod, other):
                continue
            if c.nodeTaintsPolicy == "Honor" and not tolerates(pod, other):
                continue
            domain = other.metadata.labels[c.topologyKey]
            counts[domain] = counts.get(domain, 0) + sum(
                p.metadata.namespace == pod.metadata.namespace and selected(c.labelSelector, p.metadata.labels)
                for p, n in placed
                if n is other
            )
        fewest = min(counts.values(), default=0)
        if len(counts) < (c.minDomains or 1):
            fewest = 0
        itself = selected(c.labelSelector, pod.metadata.labels)
        if counts.get(node.metadata.labels[c.topologyKey], 0) + itself - fewest > c.maxSkew:
            return False
    return True


def near_and_away(pod: Pod, node: Node, placed: list[tuple[Pod, Node]]) -> bool:
    def together(key: str, other: Node) -> bool:
        return key in node.metadata.labels and node.metadata.labels[key] == other.metadata.labels.get(key)

    near = required(pod, "podAffinity")
    partners = [(p, n) for p, n in placed if all(about(t, pod, p) for t in near)]
    if near and not all(any(together(t.topologyKey, n) for _, n in partners) for t in near):
        anywhere = any(t.topologyKey in n.metadata.labels for _, n in partners for t in near)
        if anywhere or not all(about(t, pod, pod) and t.topologyKey in node.metadata.labels for t in near):
            return False
    for t in required(pod, "podAntiAffinity"):
        if any(about(t, pod, p) and together(t.topologyKey, n) for p, n in placed):
            return False
    return not any(
        about(t, p, pod) and together(t.topologyKey, n) for p, n in placed for t in required(p, "podAntiAffinity")
    )


# --- the comparison -----------------------------------------------------------------------------------


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(nodes(), st.lists(pods(), min_size=1, max_size=10), st.lists(st.integers(0, 9), max_size=4))
def test_every_verdict_is_the_same(all_nodes: list[Node], all_pods: list[Pod], leaving: list[int]) -> None:
    asyncio.run(compare(all_nodes, all_pods, leaving))


async def compare(all_nodes: list[Node], all_pods: list[Pod], leaving: list[int]) -> None:
    world = World(*all_nodes)
    placed: list[tuple[Pod, Node]] = []
    for number, pod in enumerate(all_pods):
        state, info = CycleState(), PodInfo(pod)
        names, _, refusal = world.framework.run_pre_filter(state, info)
        assert refusal is None
        assert names is None
        verdicts = {
            node.metadata.name: world.framework.run_filters(state, info, world.cache.nodes[node.metadata.name]) is None
            for node in all_nodes
        }
        assert verdicts == {node.metadata.name: fits(pod, node, all_nodes, placed) for node in all_nodes}
        try:
            feasible, statuses = world.algorithm._feasible(world.framework, CycleState(), info)
        except Unfit as problem:
            feasible, statuses = [], dict(problem.statuses)
        assert {node.name for node in feasible} == {name for name, fit in verdicts.items() if fit}
        assert statuses == {
            node.metadata.name: world.framework.run_filters(state, info, world.cache.nodes[node.metadata.name])
            for node in all_nodes
            if not verdicts[node.metadata.name]
        }
        (place,) = await world.schedule(pod)
        if place is not None:
            assert verdicts[place]
            placed.append((pod, next(n for n in all_nodes if n.metadata.name == place)))
        else:
            world.remove(pod)
        if number in leaving and placed:  # running sums must also go down again
            gone, _ = placed.pop(0)
            world.remove(gone)
        world.confirm()
