"""How long a job waits before it replaces pods that failed: 10 s, 20 s, 40 s … ten minutes at most.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.core_v1 import ContainerStatus, Pod
from controller_manager.pod_state import condition

_FIRST = 10.0
_LONGEST = 600.0
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Failures:
    """How many pods of a job failed since one last succeeded, and when the last did."""

    count: int = 0
    last: datetime | None = None

    def after(self, succeeded: Sequence[Pod], failed: Sequence[Pod]) -> Failures:
        """With pods that have ended meanwhile."""
        if not succeeded and not failed:
            return self
        times = sorted(map(finished_at, failed))
        if not succeeded:
            return Failures(self.count + len(times), times[-1])
        success = max(map(finished_at, succeeded))
        times = [time for time in times if time > success]
        return Failures(len(times), times[-1] if times else None)


def remaining(failures: int, last: datetime | None, now: datetime) -> float:
    """Seconds to wait yet after that many failures, 0 for none."""
    if not failures or last is None:
        return 0.0
    delay = min(_FIRST * 2.0 ** min(failures - 1, 10), _LONGEST)
    return max(0.0, delay - (now - last).total_seconds())


def finished_at(pod: Pod) -> datetime:
    """When a pod ended, as well as can be told of one that the kubelet did not see the end of."""
    ready = condition(pod, "Ready")
    meta = pod.metadata
    ended = _last_container_ended(pod)
    if ended is not None:
        return ended
    if ready is not None and ready.status == "False" and ready.lastTransitionTime is not None:
        return ready.lastTransitionTime
    if meta.deletionTimestamp is not None:
        return meta.deletionTimestamp - timedelta(seconds=meta.deletionGracePeriodSeconds or 0)
    return meta.creationTimestamp or _BEGINNING


def _last_container_ended(pod: Pod) -> datetime | None:
    sidecars = {container.name for container in pod.spec.initContainers if container.restartPolicy == "Always"}
    statuses: Iterable[ContainerStatus] = (
        *pod.status.containerStatuses,
        *(status for status in pod.status.initContainerStatuses if status.name in sidecars),
    )
    ends = [status.state.terminated.finishedAt if status.state and status.state.terminated else None
            for status in statuses]  # fmt: skip
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
