"""NodeName: a pod that names its node runs there or nowhere."""

from __future__ import annotations

from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

_OTHER_NODE = unresolvable("node(s) didn't match the requested node name")


class NodeName:
    name = "NodeName"
    local_filter = True

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        return None if pod.pod.spec.nodeName else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        wanted = pod.pod.spec.nodeName
        return None if not wanted or wanted == node.name else _OTHER_NODE

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return bool(event.change & Change.NODE_ADDED)
