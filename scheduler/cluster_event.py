"""What happened in the cluster, as far as it may let a waiting pod be scheduled (KEP-4247)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING

from api.core_v1 import Node, Pod

if TYPE_CHECKING:
    from api.core_v1 import PersistentVolumeClaim
    from api.resource_v1 import ResourceClaim


class Change(Flag):
    NODE_ADDED = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    """Taints or `spec.unschedulable`."""
    NODE_FEATURES = auto()
    """What the node declares that it can."""
    NODE_REMOVED = auto()
    POD_ASSIGNED = auto()
    """A pod got its node."""
    POD_LABELS = auto()
    """The labels of a pod on a node changed, or it began to terminate and no longer counts for spreading."""
    POD_SMALLER = auto()
    """A pod on a node asks for less."""
    POD_DELETED = auto()
    """A pod left its node: it was deleted or has finished."""
    NAMESPACE_LABELS = auto()
    CLAIM = auto()
    """A PersistentVolumeClaim appeared or changed."""
    VOLUME = auto()
    """A PersistentVolume appeared or changed."""
    STORAGE_CLASS = auto()
    CSI_NODE = auto()
    CSI_DRIVER = auto()
    CSI_CAPACITY = auto()
    ATTACHMENT_DELETED = auto()
    """A volume was detached from a node."""
    RESOURCE_CLAIM = auto()
    """A ResourceClaim appeared, or its status changed."""
    DEVICES_FREED = auto()
    """A ResourceClaim no longer has its devices."""
    DEVICE_CLASS = auto()
    RESOURCE_SLICE = auto()
    OTHER = auto()
    """Something no built-in plugin cares about."""


NODE = Change.NODE_ADDED | Change.NODE_ALLOCATABLE | Change.NODE_LABELS | Change.NODE_TAINTS


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One change; `node`, `pod` or one of the claims is the object concerned as it is now (or last was)."""

    change: Change
    node: Node | None = None
    pod: Pod | None = None
    claim: PersistentVolumeClaim | None = None
    resource_claim: ResourceClaim | None = None

    @property
    def name(self) -> str:
        """What metrics call it."""
        return next((name for change, name in _NAMES.items() if self.change & change), "Unknown")


_NAMES = {
    Change.NODE_ADDED: "NodeAdd",
    Change.NODE_ALLOCATABLE: "NodeAllocatableChange",
    Change.NODE_LABELS: "NodeLabelChange",
    Change.NODE_TAINTS: "NodeTaintChange",
    Change.NODE_FEATURES: "NodeDeclaredFeatureUpdate",
    Change.NODE_REMOVED: "NodeDelete",
    Change.POD_ASSIGNED: "AssignedPodAdd",
    Change.POD_LABELS: "AssignedPodUpdate",
    Change.POD_SMALLER: "AssignedPodUpdate",
    Change.POD_DELETED: "AssignedPodDelete",
    Change.NAMESPACE_LABELS: "NamespaceUpdate",
    Change.CLAIM: "PvcUpdate",
    Change.VOLUME: "PvUpdate",
    Change.STORAGE_CLASS: "StorageClassUpdate",
    Change.CSI_NODE: "CSINodeUpdate",
    Change.CSI_DRIVER: "CSIDriverUpdate",
    Change.CSI_CAPACITY: "CSIStorageCapacityUpdate",
    Change.ATTACHMENT_DELETED: "VolumeAttachmentDelete",
    Change.RESOURCE_CLAIM: "ResourceClaimUpdate",
    Change.DEVICES_FREED: "ResourceClaimUpdate",
    Change.DEVICE_CLASS: "DeviceClassUpdate",
    Change.RESOURCE_SLICE: "ResourceSliceUpdate",
}


def node_changes(old: Node, new: Node) -> Change:
    """What in a node changed that matters here; a heartbeat changes nothing."""
    change = Change(0)
    if old.status.allocatable != new.status.allocatable:
        change |= Change.NODE_ALLOCATABLE
    if old.metadata.labels != new.metadata.labels:
        change |= Change.NODE_LABELS
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        change |= Change.NODE_TAINTS
    if old.status.declaredFeatures != new.status.declaredFeatures:
        change |= Change.NODE_FEATURES
    return change
