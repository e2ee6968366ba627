"""What a pod's status means to those who count pods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from api.core_v1 import Pod, PodCondition


def condition(pod: Pod, type: str) -> PodCondition | None:
    for found in pod.status.conditions:  # asked of every pod all the time: a generator would take twice as long
        if found.type == type:
            return found
    return None


def is_finished(pod: Pod) -> bool:
    """All its containers have ended and will not start again."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Counts as one of its owner's replicas: neither finished nor being deleted."""
    return pod.metadata.deletionTimestamp is None and not is_finished(pod)


def is_terminating(pod: Pod) -> bool:
    """Being deleted, with containers that may still run."""
    return pod.metadata.deletionTimestamp is not None and not is_finished(pod)


def is_ready(pod: Pod) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def available_at(pod: Pod, min_ready_seconds: int) -> datetime | None:
    """When a ready pod has been, or will have been, ready for long enough.  None: it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return None
    since = ready.lastTransitionTime or pod.metadata.creationTimestamp
    return since + timedelta(seconds=min_ready_seconds) if since is not None else None


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Ready for at least `min_ready_seconds`."""
    if min_ready_seconds == 0:
        return is_ready(pod)
    since = available_at(pod, min_ready_seconds)
    return since is not None and since <= now


def next_availability(pods: Iterable[Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next ready pod has been ready for long enough; None when there is none to wait for."""
    if not min_ready_seconds:
        return None
    times = [at for pod in pods if (at := available_at(pod, min_ready_seconds)) is not None and at > now]
    return (min(times) - now).total_seconds() + 0.01 if times else None
