"""Removes pods that nobody else will: of nodes that are gone, never scheduled, or finished beyond a number.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from api.core_v1 import Node, Pod
from api.errors import Conflict, NotFound, StatusError
from client.controller import Controller, Key, Watches, nothing
from client.rest import Unreachable
from client.store import key_of
from controller_manager.disruption import disrupted
from controller_manager.pod_state import is_finished

log = logging.getLogger(__name__)

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class PodGarbageCollector(Controller):
    name = "pod-garbage-collector-controller"
    workers = 1

    def __init__(self, *common: Any, threshold: int = 12500, period: float = 20.0, quarantine: float = 40.0) -> None:
        """`threshold`: how many finished pods may stay (0 or less: all).  Seconds: `period` between rounds,
        `quarantine` for which a node must have been missing."""
        self.threshold, self.period, self.quarantine = threshold, period, quarantine
        self._missing_since: dict[str, float] = {}
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node, enqueue=nothing)
        self.pods = watch(Pod, enqueue=nothing)
        self.queue.add("round")

    async def reconcile(self, key: Key) -> None:
        """One round; the next is due after the period whatever happens."""
        self.queue.add_after(key, self.period)
        pods = self.pods.list()
        for pod in surplus_finished(pods, self.threshold):
            await self._remove(pod, "")
        for pod in pods:
            if pod.metadata.deletionTimestamp is not None and not pod.spec.nodeName:
                await self._remove(pod, "")
            elif pod.metadata.deletionTimestamp is not None and self._out_of_service(pod):
                await self._remove(pod, "PodGC: node is out of service")
        gone = await self._gone_nodes(pods)
        for pod in pods:
            if pod.spec.nodeName in gone:
                await self._remove(pod, "PodGC: node no longer exists")

    def _out_of_service(self, pod: Pod) -> bool:
        node = self.nodes.get(pod.spec.nodeName)
        return (
            node is not None
            and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
            and not any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        )

    async def _gone_nodes(self, pods: Iterable[Pod]) -> set[str]:
        """Nodes that pods name and that have been missing for the whole quarantine."""
        now = self.clock.monotonic()
        missing = {pod.spec.nodeName for pod in pods if pod.spec.nodeName} - self.nodes.keys()
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        result = set()
        for name, since in self._missing_since.items():
            if now - since < self.quarantine:
                self.queue.add_after("round", min(self.period, self.quarantine - (now - since)))
                continue
            try:
                await self.client.get(Node, name)
            except NotFound:
                result.add(name)
        return result

    async def _remove(self, pod: Pod, why: str) -> None:
        """Mark it failed unless it ended by itself, then delete it without waiting for anyone."""
        meta = pod.metadata
        try:
            if not is_finished(pod):
                status: dict[str, Any] = {"phase": "Failed"}
                if why:
                    conditions = disrupted(pod, "DeletionByPodGC", why, self.clock.now())
                    status["conditions"] = [condition.to_dict() for condition in conditions]
                body = {"metadata": {"resourceVersion": meta.resourceVersion}, "status": status}
                await self.client.patch(Pod, meta.name, meta.namespace, body, subresource="status")
            await self.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid, grace_period=0)
            log.info("removed pod %s: %s", key_of(pod), why or "finished or never scheduled")
        except (NotFound, Conflict):
            return  # changed in between: the next round sees
        except (StatusError, Unreachable) as error:
            log.warning("pod %s: %s", key_of(pod), error)


def surplus_finished(pods: Sequence[Pod], threshold: int) -> list[Pod]:
    """Finished pods beyond the threshold, oldest first."""
    if threshold <= 0:
        return []
    finished = [pod for pod in pods if is_finished(pod)]
    finished.sort(key=lambda pod: (pod.metadata.creationTimestamp or _BEGINNING, pod.metadata.name))
    return finished[: max(0, len(finished) - threshold)]
