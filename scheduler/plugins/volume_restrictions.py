"""VolumeRestrictions: volumes that only one pod, or one node, can use at a time (KEP-2485 for ReadWriteOncePod)."""

from __future__ import annotations

from api.core_v1 import Volume
from scheduler.cache import Cache
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.storage import Storage

_DISK_TAKEN = unschedulable("node(s) had no available disk")
_CLAIM_TAKEN = unschedulable(
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
)


class VolumeRestrictions:
    name = "VolumeRestrictions"

    def __init__(self, cache: Cache, storage: Storage) -> None:
        self._cache = cache
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        exclusive = []
        for key in pod.claims:
            claim = self._storage.claims.get(key)
            if claim is not None and "ReadWriteOncePod" in claim.spec.accessModes:
                exclusive.append(key)
        if not exclusive and not pod.disks:
            return SKIP
        state[self.name] = any(self._cache.claim_pods.get(key, set()) - {pod.uid} for key in exclusive)
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if pod.disks and any(conflict(a, b) for other in node.pods.values() for b in other.disks for a in pod.disks):
            return _DISK_TAKEN
        return _CLAIM_TAKEN if state[self.name] else None

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & Change.NODE_ADDED:
            return True
        if event.change & Change.CLAIM and event.claim is not None:
            return f"{event.claim.metadata.namespace}/{event.claim.metadata.name}" in pod.claims
        if event.change & Change.POD_DELETED and event.pod is not None:
            other = PodInfo(event.pod)
            return bool(set(other.claims) & set(pod.claims)) or any(
                conflict(a, b) for a in pod.disks for b in other.disks
            )
        return False


def conflict(one: Volume, other: Volume) -> bool:
    """Whether two pods' volumes are the same disk, in a way that one node cannot have twice."""
    if (a := one.gcePersistentDisk) and (b := other.gcePersistentDisk):
        return a.pdName == b.pdName and not (a.readOnly and b.readOnly)
    if (c := one.awsElasticBlockStore) and (d := other.awsElasticBlockStore):
        return c.volumeID == d.volumeID
    if (e := one.iscsi) and (f := other.iscsi):
        return e.iqn == f.iqn and not (e.readOnly and f.readOnly)
    if (g := one.rbd) and (h := other.rbd):
        same = bool(set(g.monitors) & set(h.monitors)) and (g.pool, g.image) == (h.pool, h.image)
        return same and not (g.readOnly and h.readOnly)
    return False
