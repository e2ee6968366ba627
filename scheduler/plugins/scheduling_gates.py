"""SchedulingGates: a pod with gates is not tried until they are gone (KEP-3521)."""

from __future__ import annotations

from scheduler.cluster_event import ClusterEvent
from scheduler.framework import Status, unresolvable
from scheduler.pod_info import PodInfo


class SchedulingGates:
    name = "SchedulingGates"

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        gates = pod.pod.spec.schedulingGates
        if not gates:
            return None
        names = " ".join(gate.name for gate in gates)
        return unresolvable(f"waiting for scheduling gates: [{names}]")

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return False  # only a change of the pod itself removes gates, and that is looked at on its own
