"""TaintToleration: taints keep away pods that do not tolerate them
(https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/)."""

from __future__ import annotations

from collections.abc import Sequence

from api.core_v1 import Taint, Toleration
from scheduler.cache import Cache
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, normalized, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

_UNTOLERATED = unresolvable("node(s) had untolerated taint(s)")


class TaintToleration:
    name = "TaintToleration"
    local_filter = True

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        return None if self._cache.tainted else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if node.hard_taints and not all_tolerated(node.hard_taints, pod.pod.spec.tolerations):
            return _UNTOLERATED
        return None

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if self._cache.tainted else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """Fewer untolerated PreferNoSchedule taints are better."""
        tolerations = [t for t in pod.pod.spec.tolerations if t.effect in ("", "PreferNoSchedule")]
        raw = [sum(not tolerated(taint, tolerations) for taint in node.soft_taints) for node in nodes]
        return normalized(raw, reverse=True)

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.node is None or not event.change & (Change.NODE_ADDED | Change.NODE_TAINTS):
            return False
        hard = [t for t in event.node.spec.taints if t.effect != "PreferNoSchedule"]
        return all_tolerated(hard, pod.pod.spec.tolerations)


def all_tolerated(taints: Sequence[Taint], tolerations: Sequence[Toleration]) -> bool:
    return all(tolerated(taint, tolerations) for taint in taints)


def tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    """Whether one of the tolerations covers the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An empty effect stands for all effects, an empty key (with Exists) for all keys."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    if toleration.operator in ("", "Equal"):
        return toleration.value == taint.value
    if toleration.operator in ("Gt", "Lt"):  # KEP-5471
        try:
            bound, actual = int(toleration.value), int(taint.value)
        except ValueError:
            return False
        return actual > bound if toleration.operator == "Gt" else actual < bound
    return False
