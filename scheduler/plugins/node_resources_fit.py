"""NodeResourcesFit: a node must have free what the pod requests; by default emptier nodes are better.

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.quantity import milli, whole
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import CycleState, Status, unresolvable, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.resources import CPU

if TYPE_CHECKING:
    from scheduler.resource_scores import Strategy


class NodeResourcesFit:
    name = "NodeResourcesFit"
    local_filter = True
    local_score = True

    def __init__(
        self,
        ignored: frozenset[str] = frozenset(),
        ignored_groups: frozenset[str] = frozenset(),
        strategy: Strategy | None = None,
    ) -> None:
        """Extended resources that are named, or whose group is, need not be free.

        `strategy` gives the score; None is the default one, LeastAllocated of CPU and memory, in a quicker way.
        """
        self._ignored, self._ignored_groups = ignored, ignored_groups
        self._strategy = strategy

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if (
            len(node.pods) < node.alloc_pods
            and (not pod.cpu or pod.cpu <= node.alloc_cpu - node.cpu)
            and (not pod.memory or pod.memory <= node.alloc_memory - node.memory)
            and not pod.ephemeral
            and not pod.scalars
        ):
            return None
        return shortage(pod, node, self._is_ignored if self._ignored or self._ignored_groups else None)

    def _is_ignored(self, resource: str) -> bool:
        group = resource.partition("/")[0] if "/" in resource else ""
        return resource in self._ignored or group in self._ignored_groups

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The free share of CPU and memory after the pod, 0 to 100, both counting the same."""
        if self._strategy is not None:
            return [self._strategy.score(pod, node) for node in nodes]
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
                if name not in pod.device_backed
            )
        return False


def shortage(pod: PodInfo, node: NodeInfo, ignored: Callable[[str], bool] | None = None) -> Status | None:
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
        if ignored is not None and ignored(name):
            continue
        if name in pod.device_backed and not node.alloc_scalars.get(name):
            continue  # DynamicResources looks for devices instead
        offered = node.alloc_scalars.get(name, 0)
        if wants > offered - node.scalars.get(name, 0):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wants > offered
    if not reasons:
        return None
    return unresolvable(*reasons) if hopeless else unschedulable(*reasons)
