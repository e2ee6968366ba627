"""NodeResourcesFit: a node must have free what the pod requests; emptier nodes are better (LeastAllocated).

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from collections.abc import Sequence

from api.quantity import milli, whole
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import CycleState, Status, unresolvable, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.resources import CPU


class NodeResourcesFit:
    name = "NodeResourcesFit"
    local_filter = True
    local_score = True

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if (
            len(node.pods) < node.alloc_pods
            and (not pod.cpu or pod.cpu <= node.alloc_cpu - node.cpu)
            and (not pod.memory or pod.memory <= node.alloc_memory - node.memory)
            and not pod.ephemeral
            and not pod.scalars
        ):
            return None
        return shortage(pod, node)

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The free share of CPU and memory after the pod, 0 to 100, both counting the same."""
        cpu, memory = pod.score_cpu, pod.score_memory
        scores = []
        for node in nodes:
            total = counted = 0
            if capacity := node.alloc_cpu:
                counted = 1
                if (free := capacity - node.score_cpu - cpu) > 0:
                    total = free * 100 // capacity
            if capacity := node.alloc_memory:
                counted += 1
                if (free := capacity - node.score_memory - memory) > 0:
                    total += free * 100 // capacity
            scores.append(total // counted if counted else 0)
        return scores

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & (Change.POD_DELETED | Change.POD_SMALLER):
            return True
        if event.change & (Change.NODE_ADDED | Change.NODE_ALLOCATABLE) and event.node is not None:
            offers = event.node.status.allocatable
            return all(
                amount <= (milli if name == CPU else whole)(offers.get(name, "0"))
                for name, amount in pod.requests.items()
            )
        return False


def shortage(pod: PodInfo, node: NodeInfo) -> Status | None:
    """All that the node lacks for the pod; None if it has everything.

    What even the empty node could not give is unresolvable: preemption would not help.
    """
    reasons = []
    hopeless = False
    if len(node.pods) + 1 > node.alloc_pods:
        reasons.append("Too many pods")
    for name, wants, offered, used in (
        ("cpu", pod.cpu, node.alloc_cpu, node.cpu),
        ("memory", pod.memory, node.alloc_memory, node.memory),
        ("ephemeral-storage", pod.ephemeral, node.alloc_ephemeral, node.ephemeral),
    ):
        if wants > 0 and wants > offered - used:
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wants > offered
    for name, wants in pod.scalars.items():
        offered = node.alloc_scalars.get(name, 0)
        if wants > offered - node.scalars.get(name, 0):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wants > offered
    if not reasons:
        return None
    return unresolvable(*reasons) if hopeless else unschedulable(*reasons)
