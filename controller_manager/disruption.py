"""The condition that says a pod ended because the cluster wanted it to.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from datetime import datetime

from api.core_v1 import Pod, PodCondition


def disrupted(pod: Pod, reason: str, message: str, now: datetime) -> list[PodCondition]:
    """The pod's conditions with DisruptionTarget set."""
    others = [c for c in pod.status.conditions if c.type != "DisruptionTarget"]
    added = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason=reason,
        message=message,
        lastTransitionTime=now.replace(microsecond=0),
        observedGeneration=pod.metadata.generation,
    )
    return [*others, added]
