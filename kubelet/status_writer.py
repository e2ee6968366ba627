"""Brings computed statuses into the API: only differences, one write per pod at a time, until it worked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.clock import Clock
from api.core_v1 import Pod, PodStatus
from api.errors import NotFound, StatusError
from client.rest import RestClient, Unreachable
from kubelet.conditions import OWNED
from kubelet.metrics import KubeletMetrics
from kubelet.timers import Timers

log = logging.getLogger(__name__)

_AT_ONCE = 6
_LONGEST_WAIT = 10.0
_MERGED = ("hostIPs", "podIPs")
_NOT_OURS = frozenset({"nominatedNodeName", "resize", "resourceClaimStatuses", "extendedResourceClaimStatus"})


def status_patch(old: PodStatus, new: PodStatus) -> dict[str, Any]:
    """The strategic merge patch of `status` that makes the kubelet's part of `old` into `new`; {} when it is."""
    before, after = old.to_dict(), new.to_dict()
    patch: dict[str, Any] = {}
    conditions = _condition_changes(before.pop("conditions", []), after.pop("conditions", []))
    if conditions:
        patch["conditions"] = conditions
    for name, value in after.items():
        if before.get(name) == value:
            continue
        replaced = name in _MERGED and before.get(name)
        patch[name] = [{"$patch": "replace"}, *value] if replaced else value
    for name in before.keys() - after.keys() - _NOT_OURS:
        patch[name] = None
    return patch


def _condition_changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {condition["type"]: condition for condition in before}
    changes = []
    for condition in after:
        old = known.get(condition["type"], {})
        if condition["type"] in OWNED and condition != old:
            changes.append({name: None for name in old if name not in condition} | condition)
    return changes


@dataclass(slots=True)
class StatusEntry:
    """A pod's status on its way.  `pod` is the newest known object, `wanted` what its status has to become;
    `delete` asks for the object's removal once that is written."""

    pod: Pod
    written: Callable[[Pod], None]
    wanted: PodStatus | None = None
    delete: bool = False
    queued: bool = False
    busy: bool = False
    failures: int = 0
    gone: bool = False


class StatusWriter:
    """Writes entries that were submitted; a few requests at once, newer statuses overtaking older ones."""

    def __init__(self, client: RestClient, clock: Clock, timers: Timers, metrics: KubeletMetrics) -> None:
        self._client, self._clock, self._timers, self._metrics = client, clock, timers, metrics
        self._queue: list[StatusEntry] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, entry: StatusEntry) -> None:
        """Write the entry's status (and delete its pod) soon, if anything differs from what the API has."""
        if entry.queued or entry.busy or entry.gone:
            return
        entry.queued = True
        self._queue.append(entry)
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Return when nothing is being written any more."""
        while self._tasks:
            await asyncio.wait([*self._tasks])

    def stop(self) -> None:
        """Write nothing more: a node that was killed would not either."""
        for task in self._tasks:
            task.cancel()

    async def _work(self) -> None:
        while self._queue:
            entry = self._queue.pop(0)
            entry.queued, entry.busy = False, True
            wanted = entry.wanted
            try:
                await self._write(entry)
                entry.failures = 0
            except NotFound:
                entry.gone = True
            except (Unreachable, StatusError) as error:
                self._retry(entry, error)
                continue
            finally:
                entry.busy = False
            if entry.wanted is not wanted:
                self.submit(entry)

    def _retry(self, entry: StatusEntry, error: Exception) -> None:
        entry.failures += 1
        wait = min(_LONGEST_WAIT, 0.1 * 2 ** min(entry.failures, 10))
        if entry.failures in (1, 10):
            log.warning("status of pod %s/%s: %s", entry.pod.metadata.namespace, entry.pod.metadata.name, error)
        self._metrics.status_writes.inc("error")
        self._timers.call_after(wait, lambda: self.submit(entry))

    async def _write(self, entry: StatusEntry) -> None:
        meta, delete = entry.pod.metadata, entry.delete
        patch = status_patch(entry.pod.status, entry.wanted) if entry.wanted is not None else {}
        if patch:
            body = {"metadata": {"uid": meta.uid}, "status": patch}
            answer = await self._client.patch(
                Pod, meta.name, meta.namespace, body, type="strategic", subresource="status"
            )
            answer.metadata.managedFields = []
            if 0 < answer.metadata.generation == entry.pod.metadata.generation:
                answer.spec = entry.pod.spec  # many pods share it
            self._metrics.status_writes.inc("success")
            entry.written(answer)
        if delete:  # not one that is asked for by now: the status that comes with it is not written yet
            await self._client.delete(Pod, meta.name, meta.namespace, grace_period=0, uid=meta.uid)
            entry.gone = True
