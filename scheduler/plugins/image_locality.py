"""ImageLocality: prefer nodes that already have the pod's images, the more so the larger they are."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.cache import Cache
from scheduler.framework import MAX_SCORE, SKIP, CycleState, Status
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

_MIB = 1024 * 1024
_LEAST = 23 * _MIB
_MOST_PER_CONTAINER = 1000 * _MIB


class ImageLocality:
    name = "ImageLocality"

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if self._cache.image_nodes else SKIP

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """Bytes already there, scaled down for images few nodes have, between 23 MiB and 1000 MiB a container."""
        containers = [*pod.pod.spec.containers, *pod.pod.spec.initContainers]
        everywhere = len(self._cache.ordered) or 1
        shares = [
            (name, self._cache.image_nodes.get(name, 0) / everywhere)
            for name in (normalized_name(c.image) for c in containers)
        ]
        most = _MOST_PER_CONTAINER * len(containers)
        scores = []
        for node in nodes:
            present = sum(int(node.images.get(name, 0) * share) for name, share in shares)
            scores.append(MAX_SCORE * (min(max(present, _LEAST), most) - _LEAST) // (most - _LEAST))
        return scores


def normalized_name(image: str) -> str:
    """Nodes list images with their tag."""
    last = image.rsplit("/", 1)[-1]
    return image if ":" in last or "@" in last else f"{image}:latest"
