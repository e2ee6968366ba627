"""What storage controllers and provisioners note on volumes and claims.

https://kubernetes.io/docs/reference/labels-annotations-taints/
"""

from __future__ import annotations

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.meta_v1 import ObjectMeta

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
"""On a claim that has been bound: a volume that it lacks is lost, and not to be replaced."""
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
"""On the side of a binding that nobody but the controller asked for, so that it may be undone."""
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONERS = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
"""On a claim: who is to make its volume.  Both are written, and read in this order."""
SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""On a claim that waits for its first consumer: the node that the scheduler chose."""
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
IN_TREE_FINALIZER = "kubernetes.io/pv-controller"
"""On a volume that was made by a provisioner of the controller: its storage goes before it does (KEP-2644)."""

_CLASS = "volume.beta.kubernetes.io/storage-class"


def class_of(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    """The storage class of a volume or a claim: the older annotation comes before the field."""
    return obj.metadata.annotations.get(_CLASS, obj.spec.storageClassName or "")


def names_class(claim: PersistentVolumeClaim) -> bool:
    """Whether a claim says which class it wants, be it that it wants none."""
    return claim.spec.storageClassName is not None or _CLASS in claim.metadata.annotations


def is_default(meta: ObjectMeta) -> bool:
    """Whether a storage class is for claims that name none."""
    return any(meta.annotations.get(name) == "true" for name in DEFAULT_CLASS)
