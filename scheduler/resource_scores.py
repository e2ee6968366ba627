"""How good a node is for a pod by how full it would be: LeastAllocated, MostAllocated, RequestedToCapacityRatio
(https://kubernetes.io/docs/concepts/scheduling-eviction/resource-bin-packing/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS

Shape = tuple[tuple[int, int], ...]
"""Points of a function from utilization (0 to 100) to score (0 to 100), in order; straight between them."""


class Strategy(Protocol):
    def score(self, pod: PodInfo, node: NodeInfo) -> int:
        """0 to 100."""
        ...


@dataclass(frozen=True, slots=True)
class Weighed:
    """A resource and how much it counts."""

    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class LeastAllocated:
    resources: Sequence[Weighed]

    def score(self, pod: PodInfo, node: NodeInfo) -> int:
        total = weights = 0
        for resource in self.resources:
            used, capacity = use(resource.name, pod, node)
            if capacity:
                total += resource.weight * (max(capacity - used, 0) * 100 // capacity)
                weights += resource.weight
        return total // weights if weights else 0


@dataclass(frozen=True, slots=True)
class MostAllocated:
    resources: Sequence[Weighed]

    def score(self, pod: PodInfo, node: NodeInfo) -> int:
        total = weights = 0
        for resource in self.resources:
            used, capacity = use(resource.name, pod, node)
            if capacity:
                total += resource.weight * (min(used, capacity) * 100 // capacity)
                weights += resource.weight
        return total // weights if weights else 0


@dataclass(frozen=True, slots=True)
class RequestedToCapacityRatio:
    resources: Sequence[Weighed]
    shape: Shape

    def score(self, pod: PodInfo, node: NodeInfo) -> int:
        """Resources that score nothing do not count."""
        total = weights = 0
        for resource in self.resources:
            used, capacity = use(resource.name, pod, node)
            if not capacity:
                continue
            points = on_shape(self.shape, 100 if used > capacity else used * 100 // capacity)
            if points > 0:
                total += points * resource.weight
                weights += resource.weight
        return (2 * total + weights) // (2 * weights) if weights else 0


def on_shape(shape: Shape, utilization: int) -> int:
    """The score at a utilization, rounded towards zero between two points."""
    before: tuple[int, int] | None = None
    for x, y in shape:
        if utilization <= x:
            if before is None:
                return y
            return before[1] + int((y - before[1]) * (utilization - before[0]) / (x - before[0]))
        before = x, y
    return shape[-1][1]


def use(name: str, pod: PodInfo, node: NodeInfo, *, exact: bool = False) -> tuple[int, int]:
    """What of a resource would be used on a node with the pod, and what there is (0: leave the resource out).

    Containers that name no CPU or memory count with the usual amount, unless `exact`.
    """
    if name == CPU:
        return (node.cpu + pod.cpu if exact else node.score_cpu + pod.score_cpu), node.alloc_cpu
    if name == MEMORY:
        return (node.memory + pod.memory if exact else node.score_memory + pod.score_memory), node.alloc_memory
    if name == EPHEMERAL_STORAGE:
        return node.ephemeral + pod.ephemeral, node.alloc_ephemeral
    if name == PODS or not pod.scalars.get(name):
        return 0, 0
    return node.scalars.get(name, 0) + pod.scalars[name], node.alloc_scalars.get(name, 0)
