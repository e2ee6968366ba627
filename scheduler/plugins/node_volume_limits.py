"""NodeVolumeLimits: a node takes no more volumes of a CSI driver than its CSINode says
(https://kubernetes.io/docs/concepts/storage/storage-limits/)."""

from __future__ import annotations

from scheduler.cache import Cache
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.storage import Storage, class_of

_TOO_MANY = unschedulable("node(s) exceed max volume count")

Attached = tuple[str, str]
"""A driver's name and its name for a volume."""


class NodeVolumeLimits:
    name = "NodeVolumeLimits"

    def __init__(self, cache: Cache, storage: Storage) -> None:
        self._cache = cache
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        if not pod.claims or not self._storage.csi_nodes:
            return SKIP
        wanted = self._volumes_of(pod)
        if not wanted:
            return SKIP
        state[self.name] = wanted
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        csi_node = self._storage.csi_nodes.get(node.name)
        if csi_node is None:
            return None
        limits = {
            driver.name: driver.allocatable.count
            for driver in csi_node.spec.drivers
            if driver.allocatable is not None and driver.allocatable.count is not None
        }
        wanted: set[Attached] = state[self.name]
        if not any(driver in limits for driver, _ in wanted):
            return None
        present = {volume for other in node.pods.values() for volume in self._volumes_of(other)}
        present |= self._attached_to(node.name)
        for driver, limit in limits.items():
            new = sum(name == driver for name, _ in wanted - present)
            if new and sum(name == driver for name, _ in present) + new > limit:
                return _TOO_MANY
        return None

    def _volumes_of(self, pod: PodInfo) -> set[Attached]:
        """The CSI volumes of a pod's claims; a claim without one counts as one of its provisioner's."""
        found: set[Attached] = set()
        for key in pod.claims:
            claim = self._storage.claims.get(key)
            if claim is None:
                continue
            volume = self._storage.volumes.get(claim.spec.volumeName) if claim.spec.volumeName else None
            if volume is not None:
                if volume.spec.csi is not None:
                    found.add((volume.spec.csi.driver, volume.spec.csi.volumeHandle))
            elif (storage_class := self._storage.classes.get(class_of(claim))) is not None:
                found.add((storage_class.provisioner, f"claim {key}"))
        return found

    def _attached_to(self, node_name: str) -> set[Attached]:
        """Volumes still attached although no pod here uses them any more, or not yet."""
        found: set[Attached] = set()
        for attachment in self._storage.attachments.values():
            name = attachment.spec.source.persistentVolumeName
            if attachment.spec.nodeName == node_name and name:
                volume = self._storage.volumes.get(name)
                if volume is not None and volume.spec.csi is not None:
                    found.add((volume.spec.csi.driver, volume.spec.csi.volumeHandle))
        return found

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & Change.CLAIM and event.claim is not None:
            return f"{event.claim.metadata.namespace}/{event.claim.metadata.name}" in pod.claims
        if event.change & Change.POD_DELETED and event.pod is not None:
            return bool(PodInfo(event.pod).claims)
        useful = Change.NODE_ADDED | Change.CSI_NODE | Change.ATTACHMENT_DELETED | Change.VOLUME
        return bool(event.change & useful)
