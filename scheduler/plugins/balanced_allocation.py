"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory fill up evenly."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework import SKIP, CycleState, Status
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    local_score = True

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        # A pod without requests changes no balance; scoring it would pile such pods on one node.
        return None if pod.cpu or pod.memory else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """100 when both would be equally full, less by the standard deviation of the two shares."""
        cpu, memory = pod.cpu, pod.memory
        scores = []
        for node in nodes:
            if node.alloc_cpu and node.alloc_memory:
                cpu_share = (node.cpu + cpu) / node.alloc_cpu
                memory_share = (node.memory + memory) / node.alloc_memory
                apart = (1.0 if cpu_share > 1 else cpu_share) - (1.0 if memory_share > 1 else memory_share)
                scores.append(int(100 - 50 * (apart if apart >= 0 else -apart)))
            else:
                scores.append(100)
        return scores
