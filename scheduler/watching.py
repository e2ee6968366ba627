"""What the watches bring, sorted to where it belongs: bound pods and nodes to the cache, waiting pods to the
queue, and to the waiting pods the news that may concern them."""

from __future__ import annotations

from collections.abc import Mapping

from api.core_v1 import Namespace, Node, Pod, Service
from scheduler.cluster_event import Change, ClusterEvent, node_changes
from scheduler.handle import Handle
from scheduler.pod_info import PodInfo
from scheduler.queue import SchedulingQueue
from scheduler.resources import pod_requests
from scheduler.runtime import Framework
from scheduler.workloads import KnownWorkloads, Owner


class Watching:
    """Callbacks for informers: each is called with (old, new), None for none."""

    def __init__(
        self,
        handle: Handle,
        queue: SchedulingQueue,
        workloads: KnownWorkloads,
        profiles: Mapping[str, Framework],
    ) -> None:
        self._cache = handle.cache
        self._queue = queue
        self._nominations = handle.nominations
        self._workloads = workloads
        self._profiles = profiles

    def pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None or new.status.phase in ("Succeeded", "Failed"):
            if old is not None or new is not None:
                self._pod_left((new or old).metadata.uid)  # type: ignore[union-attr]
        elif new.spec.nodeName:
            self._pod_placed(new)
        else:
            self._pod_waiting(old, new)

    def _pod_left(self, uid: str) -> None:
        self._queue.delete(uid)
        self._nominations.drop(uid)
        removed = self._cache.remove_pod(uid)
        if removed is not None:
            self._queue.move(ClusterEvent(Change.POD_DELETED, pod=removed.pod))

    def _pod_placed(self, new: Pod) -> None:
        uid = new.metadata.uid
        self._queue.delete(uid)
        self._nominations.drop(uid)
        before = self._cache.pod(uid)
        was = (before.labels, before.terminating, before.requests) if before is not None else None
        after = self._cache.set_pod(new)
        if was is None:
            self._queue.move(ClusterEvent(Change.POD_ASSIGNED, pod=new))
            return
        labels, terminating, requests = was
        change = Change(0)
        if labels != after.labels or terminating != after.terminating:
            change |= Change.POD_LABELS
        if any(after.requests.get(name, 0) < amount for name, amount in requests.items()):
            change |= Change.POD_SMALLER
        if change:
            self._queue.move(ClusterEvent(change, pod=new))

    def _pod_waiting(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        if (new.spec.schedulerName or "default-scheduler") not in self._profiles:
            return
        if new.metadata.deletionTimestamp is not None:
            self._queue.delete(uid)
            self._nominations.drop(uid)
            return
        if self._cache.is_assumed(uid):
            return  # decided already; the binding is under way
        info = PodInfo(new)
        self._nominations.set(info, new.status.nominatedNodeName)
        if old is None or self._queue.get(uid) is None:
            self._queue.add(info)
            return
        self._queue.update(info, retry=_may_fit_now(old, new))

    def node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self._cache.remove_node(old.metadata.name)
            self._queue.move(ClusterEvent(Change.NODE_REMOVED, node=old))
            return
        change = Change.NODE_ADDED if old is None else node_changes(old, new)
        if change or (old is not None and old.status.images != new.status.images):
            self._cache.set_node(new)
        if change:
            self._queue.move(ClusterEvent(change, node=new))

    def namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is None:
            assert old is not None
            self._cache.namespaces.pop(old.metadata.name, None)
            return
        name, labels = new.metadata.name, new.metadata.labels
        changed = self._cache.namespaces.get(name) != labels
        self._cache.namespaces[name] = labels
        if changed:
            self._queue.move(ClusterEvent(Change.NAMESPACE_LABELS))

    def service(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self._workloads.set_service(new)
        elif old is not None:
            self._workloads.remove_service(old.metadata.namespace, old.metadata.name)

    def owner(self, old: Owner | None, new: Owner | None) -> None:
        if new is not None:
            self._workloads.set_owner(new.metadata.uid, new.spec.selector)
        elif old is not None:
            self._workloads.remove_owner(old.metadata.uid)


def _may_fit_now(old: Pod, new: Pod) -> bool:
    """Whether a waiting pod changed in a way that matters here; of its status only the claims made for it do."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.spec.schedulingGates != new.spec.schedulingGates
        or old.spec.tolerations != new.spec.tolerations
        or old.spec.nodeSelector != new.spec.nodeSelector
        or old.spec.affinity != new.spec.affinity
        or old.status.resourceClaimStatuses != new.status.resourceClaimStatuses
        or pod_requests(old) != pod_requests(new)
    )
