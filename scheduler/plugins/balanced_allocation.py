"""NodeResourcesBalancedAllocation: prefer nodes whose resources fill up more evenly with the pod than without it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scheduler.framework import SKIP, CycleState, Status
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.resources import CPU, MEMORY

_DEFAULT = (CPU, MEMORY)


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    local_score = True

    def __init__(self, resources: Sequence[str] = _DEFAULT) -> None:
        self._resources = tuple(resources)

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        # A pod without requests changes no balance; scoring it would pile such pods on one node.
        return None if any(pod.requests.get(name) for name in self._resources) else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """50 to 100: 75 when the pod changes nothing in the balance, more when the node gets more even."""
        if self._resources != _DEFAULT:
            return [self._score(pod, node) for node in nodes]
        cpu, memory = pod.cpu, pod.memory
        scores = []
        for node in nodes:
            if (all_cpu := node.alloc_cpu) and (all_memory := node.alloc_memory):
                # Spelled out without calls: this runs for every node when a new kind of pod comes.
                share, other = node.cpu / all_cpu, node.memory / all_memory
                apart = (1.0 if share > 1 else share) - (1.0 if other > 1 else other)
                before = int(100 - 50 * (apart if apart >= 0 else -apart))
                share, other = (node.cpu + cpu) / all_cpu, (node.memory + memory) / all_memory
                apart = (1.0 if share > 1 else share) - (1.0 if other > 1 else other)
                scores.append(50 + (50 + int(100 - 50 * (apart if apart >= 0 else -apart)) - before) // 2)
            else:
                scores.append(75)
        return scores

    def _score(self, pod: PodInfo, node: NodeInfo) -> int:
        from scheduler.resource_scores import use  # only profiles that say so look at other resources

        before, after = [], []
        for name in self._resources:
            used, capacity = use(name, pod, node, exact=True)
            if capacity:
                after.append(min(used / capacity, 1.0))
                before.append(min((used - pod.requests.get(name, 0)) / capacity, 1.0))
        return 50 + (50 + evenness(after) - evenness(before)) // 2


def evenness(shares: Sequence[float]) -> int:
    """100 when all are equal, less by the standard deviation."""
    if len(shares) < 2:
        return 100
    mean = sum(shares) / len(shares)
    return int((1 - math.sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))) * 100)
