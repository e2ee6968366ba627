"""NodePorts: two pods cannot take the same port of a node."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, Port, host_ports

_TAKEN = unschedulable("node(s) didn't have free ports for the requested pod ports")
_ANY = "0.0.0.0"


class NodePorts:
    name = "NodePorts"
    local_filter = True

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        return None if pod.ports else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return _TAKEN if node.ports and conflict(pod.ports, node.ports) else None

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & (Change.NODE_ADDED | Change.NODE_ALLOCATABLE):
            return True
        if event.change & Change.POD_DELETED and event.pod is not None:
            return conflict(pod.ports, host_ports(event.pod))
        return False


def conflict(wanted: Iterable[Port], taken: Iterable[Port]) -> bool:
    """Whether any two are the same protocol and port on overlapping addresses."""
    taken = set(taken)
    for address, protocol, port in wanted:
        if address == _ANY:
            if any(p == port and proto == protocol for _, proto, p in taken):
                return True
        elif (address, protocol, port) in taken or (_ANY, protocol, port) in taken:
            return True
    return False
