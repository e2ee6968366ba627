"""NodeUnschedulable: cordoned nodes take no pods, except those that tolerate the cordon."""

from __future__ import annotations

from api.core_v1 import Taint
from scheduler.cache import Cache
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.plugins.taint_toleration import tolerated
from scheduler.pod_info import PodInfo

_CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
_CORDONED = unresolvable("node(s) were unschedulable")


class NodeUnschedulable:
    name = "NodeUnschedulable"
    local_filter = True

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        nothing_to_do = not self._cache.unschedulable or tolerated(_CORDON, pod.pod.spec.tolerations)
        return SKIP if nothing_to_do else None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return _CORDONED if node.unschedulable else None

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return (
            bool(event.change & (Change.NODE_ADDED | Change.NODE_TAINTS))
            and event.node is not None
            and not event.node.spec.unschedulable
        )
