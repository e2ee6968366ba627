"""VolumeZone: a pod runs in the zone and region that its volumes' labels name."""

from __future__ import annotations

from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unresolvable
from scheduler.node_info import REGION_LABEL, ZONE_LABEL, NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.storage import Storage, class_of, is_delayed

_OTHER_ZONE = unresolvable("node(s) had no available volume zone")
_OLD_ZONE, _OLD_REGION = "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"
_TODAYS = {_OLD_ZONE: ZONE_LABEL, _OLD_REGION: REGION_LABEL}
_LABELS = (_OLD_ZONE, _OLD_REGION, ZONE_LABEL, REGION_LABEL)


class VolumeZone:
    name = "VolumeZone"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        wanted: list[tuple[str, frozenset[str]]] = []
        for key in pod.claims:
            claim = self._storage.claims.get(key)
            if claim is None:
                continue  # VolumeBinding says so
            if not claim.spec.volumeName:
                if is_delayed(self._storage.classes.get(class_of(claim))):
                    continue
                return unresolvable("PersistentVolume had no name")
            volume = self._storage.volumes.get(claim.spec.volumeName)
            if volume is None:
                return unresolvable(f'persistentvolume "{claim.spec.volumeName}" not found')
            labels = volume.metadata.labels
            wanted += [(name, frozenset(labels[name].split("__"))) for name in _LABELS if name in labels]
        if not wanted:
            return SKIP
        state[self.name] = wanted
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if not any(name in node.labels for name in _LABELS):
            return None  # a node without zones, as clusters in one zone have them
        for name, values in state[self.name]:
            here = node.labels.get(name)
            if here is None and name in _TODAYS:
                here = node.labels.get(_TODAYS[name])
            if here not in values:
                return _OTHER_ZONE
        return None

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & Change.CLAIM and event.claim is not None:
            return f"{event.claim.metadata.namespace}/{event.claim.metadata.name}" in pod.claims
        useful = Change.NODE_ADDED | Change.NODE_LABELS | Change.VOLUME | Change.STORAGE_CLASS
        return bool(event.change & useful)
