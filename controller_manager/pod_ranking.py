"""Which pods to delete when there are too many.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from math import log2

from api.core_v1 import Pod
from controller_manager.pod_state import condition, is_active, is_ready

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def least_missed(pods: Sequence[Pod], count: int, related: Sequence[Pod], now: datetime) -> list[Pod]:
    """The `count` pods whose loss does least harm.

    In order: not assigned to a node, not running, not ready, of the lowest deletion cost, doubled up on a node
    (among `related`, the pods of the same workload), ready for the shortest time, most often restarted, newest.
    Times are compared by their order of magnitude, so that not always the newest go.
    """
    if count >= len(pods):
        return [*pods]
    on_node = Counter(pod.spec.nodeName for pod in related if is_active(pod))
    return sorted(pods, key=lambda pod: _value(pod, on_node[pod.spec.nodeName], now))[:count]


def deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _value(pod: Pod, neighbours: int, now: datetime) -> tuple[object, ...]:
    statuses = pod.status.containerStatuses
    ready = condition(pod, "Ready")
    ready_since = (ready.lastTransitionTime if ready and is_ready(pod) else None) or now
    return (
        bool(pod.spec.nodeName),
        _PHASES.get(pod.status.phase, 2),
        is_ready(pod),
        deletion_cost(pod),
        -neighbours,
        _magnitude(now - ready_since) if is_ready(pod) else 0,
        -max((status.restartCount for status in statuses), default=0),
        _magnitude(now - (pod.metadata.creationTimestamp or _BEGINNING)),
        pod.metadata.uid,
    )


def _magnitude(age: object) -> int:
    seconds = age.total_seconds()  # type: ignore[attr-defined]
    return int(log2(seconds * 1_000_000_000)) if seconds > 0 else 0
