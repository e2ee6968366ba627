"""NodeAffinity: nodeSelector and node affinity, required and preferred
(https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.core_v1 import Pod
from scheduler.cluster_event import NODE, ClusterEvent
from scheduler.framework import SKIP, CycleState, OnlyNodes, Status, normalized, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.selectors import NodeTerm, compile_node_selector

_NO_MATCH = unresolvable("node(s) didn't match Pod's node affinity/selector")
_CONFLICT = unresolvable("pod affinity terms conflict")

Required = Callable[[str, dict[str, str]], bool]
"""Whether a node with this name and these labels fulfils what a pod requires."""


class NodeAffinity:
    name = "NodeAffinity"
    local_filter = True

    def pre_filter(self, state: CycleState, pod: PodInfo) -> OnlyNodes | Status | None:
        required = required_node_affinity(pod.pod)
        if required is None:
            return SKIP
        state[self.name] = required
        names = _named_nodes(pod.pod)
        if names is None:
            return None
        return OnlyNodes(names) if names else _CONFLICT

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        required: Required | None = state.get(self.name)
        return None if required is None or required(node.name, node.labels) else _NO_MATCH

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        affinity = pod.pod.spec.affinity
        if affinity is None or affinity.nodeAffinity is None:
            return SKIP
        preferred = affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution
        return None if preferred else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The summed weights of the preferences a node fulfils."""
        affinity = pod.pod.spec.affinity
        assert affinity is not None
        assert affinity.nodeAffinity is not None
        terms = [
            (NodeTerm(p.preference), p.weight)
            for p in affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution
            if p.weight
        ]
        return normalized([sum(w for t, w in terms if t.matches(node.name, node.labels)) for node in nodes])

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.node is None or not event.change & NODE:
            return False
        required = required_node_affinity(pod.pod)
        return required is None or required(event.node.metadata.name, event.node.metadata.labels)


def required_node_affinity(pod: Pod) -> Required | None:
    """What the pod's nodeSelector and required node affinity ask together; None when they ask nothing."""
    selector = pod.spec.nodeSelector
    affinity = pod.spec.affinity
    terms = None
    if affinity is not None and affinity.nodeAffinity is not None:
        terms = compile_node_selector(affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution)
    if not selector and terms is None:
        return None

    def matches(name: str, labels: dict[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in selector.items()) and (
            terms is None or any(term.matches(name, labels) for term in terms)
        )

    return matches


def _named_nodes(pod: Pod) -> frozenset[str] | None:
    """The nodes a pod limits itself to by name, as a DaemonSet's pods do: only these need looking at."""
    affinity = pod.spec.affinity
    if affinity is None or affinity.nodeAffinity is None:
        return None
    terms = compile_node_selector(affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution)
    if not terms:
        return None
    names: frozenset[str] = frozenset()
    for term in terms:
        named = term.names()
        if named is None:
            return None
        names |= named
    return names
