"""Which volume serves a claim on a node: size, modes, class, labels, and the nodes that reach it.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.quantity import whole
from scheduler.node_info import NodeInfo
from scheduler.selectors import EVERYTHING, NodeTerm, compile_node_selector, compile_selector
from scheduler.storage import Storage, class_of

if TYPE_CHECKING:
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim
    from api.storage_v1 import StorageClass

STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume with its node affinity compiled; `terms` is None when all nodes reach it."""

    object: PersistentVolume
    terms: tuple[NodeTerm, ...] | None

    def reaches(self, node: NodeInfo) -> bool:
        return self.terms is None or any(term.matches(node.name, node.labels) for term in self.terms)


def compiled(volume: PersistentVolume) -> Volume:
    affinity = volume.spec.nodeAffinity
    return Volume(volume, compile_node_selector(affinity.required) if affinity is not None else None)


def requested(claim: PersistentVolumeClaim) -> int:
    """Bytes the claim asks for."""
    return whole(claim.spec.resources.requests.get(STORAGE, "0"))


def candidates(claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume]) -> list[Volume]:
    """The volumes a claim could be bound to, the best first: one kept for it, then the smallest."""
    selector = compile_selector(claim.spec.selector) if claim.spec.selector is not None else EVERYTHING
    found = []
    for volume in volumes:
        spec = volume.spec
        mine = is_kept_for(volume, claim)
        if (
            volume.metadata.deletionTimestamp is not None
            or (spec.claimRef is not None and not mine)
            or whole(spec.capacity.get(STORAGE, "0")) < requested(claim)
            or (spec.volumeMode or "Filesystem") != (claim.spec.volumeMode or "Filesystem")
            or (spec.volumeAttributesClassName or "") != (claim.spec.volumeAttributesClassName or "")
            or not set(claim.spec.accessModes) <= set(spec.accessModes)
        ):
            continue
        if not mine and (
            volume.status.phase != "Available"
            or spec.storageClassName != class_of(claim)
            or not selector.matches(volume.metadata.labels)
        ):
            continue
        found.append((not mine, whole(spec.capacity.get(STORAGE, "0")), volume.metadata.name, volume))
    return [compiled(volume) for _, _, _, volume in sorted(found, key=lambda entry: entry[:3])]


def is_kept_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is bound to, or was set aside for, this claim."""
    reference = volume.spec.claimRef
    return (
        reference is not None
        and (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
        and reference.uid in ("", claim.metadata.uid)
    )


def first_reaching(found: Iterable[Volume], node: NodeInfo, taken: Collection[str]) -> Volume | None:
    """The best of the candidates that the node reaches and no other claim of the pod takes."""
    return next((v for v in found if v.object.metadata.name not in taken and v.reaches(node)), None)


def allows(storage_class: StorageClass, node: NodeInfo) -> bool:
    """Whether volumes of the class may be made for the node (`allowedTopologies`)."""
    topologies = storage_class.allowedTopologies
    return not topologies or any(
        all(node.labels.get(e.key) in e.values for e in term.matchLabelExpressions)
        for term in topologies
        if term.matchLabelExpressions
    )


def has_room(storage: Storage, storage_class: StorageClass, claim: PersistentVolumeClaim, node: NodeInfo) -> bool:
    """Whether the driver says that it can make a volume of the size for the node, if it says so at all (KEP-1472)."""
    driver = storage.drivers.get(storage_class.provisioner)
    if driver is None or not driver.spec.storageCapacity:
        return True
    size = requested(claim)
    for capacity in storage.capacities.values():
        largest = capacity.maximumVolumeSize or capacity.capacity
        if (
            capacity.storageClassName == storage_class.metadata.name
            and largest is not None
            and whole(largest) >= size
            and compile_selector(capacity.nodeTopology).matches(node.labels)
        ):
            return True
    return False
