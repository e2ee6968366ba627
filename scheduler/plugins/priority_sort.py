"""PrioritySort: the more important pod first, then the one that waits longer."""

from __future__ import annotations

from scheduler.pod_info import PodInfo


class PrioritySort:
    name = "PrioritySort"

    def queue_key(self, pod: PodInfo, since: float) -> tuple[int, float]:
        return -pod.priority, since
