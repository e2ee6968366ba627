"""NodeAffinity: nodeSelector and node affinity, required and preferred
(https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.core_v1 import NodeAffinity as NodeAffinityOfPod
from api.core_v1 import Pod
from scheduler.cluster_event import NODE, ClusterEvent
from scheduler.framework import SKIP, CycleState, OnlyNodes, Status, normalized, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.selectors import NodeTerm, compile_node_selector

_NO_MATCH = unresolvable("node(s) didn't match Pod's node affinity/selector")
_NOT_ENFORCED = unresolvable("node(s) didn't match scheduler-enforced node affinity")
_CONFLICT = unresolvable("pod affinity terms conflict")

Required = Callable[[str, dict[str, str]], bool]
"""Whether a node with this name and these labels fulfils what a pod requires."""


class NodeAffinity:
    name = "NodeAffinity"
    local_filter = True

    def __init__(self, added: NodeAffinityOfPod | None = None) -> None:
        """`added` is an affinity that all pods of the profile have besides their own."""
        self._enforced = compile_node_selector(added.requiredDuringSchedulingIgnoredDuringExecution) if added else None
        self._preferred = weighed_terms(added)

    def pre_filter(self, state: CycleState, pod: PodInfo) -> OnlyNodes | Status | None:
        required = required_node_affinity(pod.pod)
        if required is None:
            return SKIP if self._enforced is None else None
        state[self.name] = required
        names = _named_nodes(pod.pod)
        if names is None:
            return None
        return OnlyNodes(names) if names else _CONFLICT

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if self._enforced is not None and not any(term.matches(node.name, node.labels) for term in self._enforced):
            return _NOT_ENFORCED
        required: Required | None = state.get(self.name)
        return None if required is None or required(node.name, node.labels) else _NO_MATCH

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        affinity = pod.pod.spec.affinity
        terms = [*self._preferred, *weighed_terms(affinity.nodeAffinity if affinity is not None else None)]
        state[f"{self.name}/score"] = terms
        return None if terms else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The summed weights of the preferences a node fulfils."""
        terms: list[tuple[NodeTerm, int]] = state[f"{self.name}/score"]
        return normalized([sum(w for t, w in terms if t.matches(node.name, node.labels)) for node in nodes])

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.node is None or not event.change & NODE:
            return False
        name, labels = event.node.metadata.name, event.node.metadata.labels
        if self._enforced is not None and not any(term.matches(name, labels) for term in self._enforced):
            return False
        required = required_node_affinity(pod.pod)
        return required is None or required(name, labels)


def weighed_terms(affinity: NodeAffinityOfPod | None) -> list[tuple[NodeTerm, int]]:
    """The preferences of a node affinity that count for something."""
    if affinity is None:
        return []
    preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution
    return [(NodeTerm(p.preference), p.weight) for p in preferred if p.weight]


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
