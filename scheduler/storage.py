"""Claims, volumes and what else decides where volumes can be, as the watches show it and as just decided.

A decision (this volume for that claim, that claim to be provisioned for this node) counts at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from api.clock import Clock
from scheduler.known import Assumable, Known

if TYPE_CHECKING:  # most clusters' schedulers never meet one
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim
    from api.storage_v1 import CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment

SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Tells the provisioner of a claim which node the first pod that uses it goes to."""
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"


class Storage(Known):
    """Claims and capacities are known by "namespace/name", everything else by name.

    `synced` opens the watches when it is first called, and returns when everything is known.
    """

    def __init__(self, clock: Clock, synced: Callable[[], Awaitable[None]]) -> None:
        super().__init__(clock)
        self.synced = synced
        self.claims: Assumable[PersistentVolumeClaim] = Assumable()
        self.volumes: Assumable[PersistentVolume] = Assumable()
        self.classes: dict[str, StorageClass] = {}
        self.csi_nodes: dict[str, CSINode] = {}
        self.drivers: dict[str, CSIDriver] = {}
        self.capacities: dict[str, CSIStorageCapacity] = {}
        self.attachments: dict[str, VolumeAttachment] = {}


def is_delayed(storage_class: StorageClass | None) -> bool:
    """Whether claims of the class wait for a pod that uses them."""
    return storage_class is not None and storage_class.volumeBindingMode == "WaitForFirstConsumer"


def class_of(claim: PersistentVolumeClaim) -> str:
    """The name of a claim's storage class; empty for none."""
    return (
        claim.metadata.annotations.get("volume.beta.kubernetes.io/storage-class") or claim.spec.storageClassName or ""
    )


def is_fully_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the binder has done all there is to do."""
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations
