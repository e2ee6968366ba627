"""When the change happened that a write of endpoints shows: lets others measure how late it is.

https://kubernetes.io/docs/reference/labels-annotations-taints/#endpoints-kubernetes-io-last-change-trigger-time
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from api.core_v1 import Pod, Service
from api.rfc3339 import to_second
from client.store import key_of
from controller_manager.pod_state import condition

CHANGE_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


class TriggerTimes:
    """The times of changes seen so far, by service; the name of a pod is "" for the service's own."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, datetime]] = {}

    def annotations(self, service: Service, pods: Iterable[Pod]) -> dict[str, str]:
        """The annotation with the oldest change since the last call for this service; none when there was none."""
        seen = self._seen.get(key_of(service), {})
        times = {"": service.metadata.creationTimestamp}
        for pod in pods:
            ready = condition(pod, "Ready")
            times[pod.metadata.name] = ready.lastTransitionTime if ready is not None else None
        now = self._seen[key_of(service)] = {name: time for name, time in times.items() if time is not None}
        new = [time for name, time in now.items() if name not in seen or seen[name] < time]
        return {CHANGE_TIME: to_second(min(new))} if new else {}

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)
