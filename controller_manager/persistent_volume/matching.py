"""Which volume answers a claim.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.quantity import parse
from controller_manager.persistent_volume.annotations import class_of
from controller_manager.selectors import matches


def capacity(volume: PersistentVolume) -> Decimal:
    return parse(volume.spec.capacity.get("storage", "0"))


def requested(claim: PersistentVolumeClaim) -> Decimal:
    return parse(claim.spec.resources.requests.get("storage", "0"))


def refers_to(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is kept for, or bound to, this claim (and not to an earlier one of its name)."""
    reference = volume.spec.claimRef
    return (
        reference is not None
        and (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
        and reference.uid in ("", claim.metadata.uid)
    )


def misfit(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why the claim cannot have the volume that it names, "" if it can."""
    if volume.metadata.deletionTimestamp is not None:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if not _same_attributes(volume, claim):
        return "VolumeAttributesClassName does not match"
    if not _same_mode(volume, claim):
        return "incompatible volumeMode"
    if not _modes_suffice(volume, claim):
        return "incompatible accessMode"
    return ""


def best_match(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], *, delayed: bool
) -> PersistentVolume | None:
    """The volume to bind: one that is kept for the claim, or else the smallest that will do, of those that can do
    least besides.  For a claim whose binding is `delayed` the scheduler chooses among the latter."""
    fitting = [
        volume
        for volume in volumes
        if volume.metadata.deletionTimestamp is None
        and (volume.spec.claimRef is None or refers_to(volume, claim))
        and capacity(volume) >= requested(claim)
        and _same_mode(volume, claim)
        and _same_attributes(volume, claim)
        and _modes_suffice(volume, claim)
    ]
    kept = [volume for volume in fitting if refers_to(volume, claim)]
    free = [] if delayed else [volume for volume in fitting if _is_free(volume, claim)]
    return min(kept or free, key=_cost, default=None)


def _cost(volume: PersistentVolume) -> tuple[int, Decimal, str]:
    return len(volume.spec.accessModes), capacity(volume), volume.metadata.name


def _is_free(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    selector = claim.spec.selector
    return (
        volume.status.phase == "Available"
        and class_of(volume) == class_of(claim)
        and (selector is None or matches(selector, volume.metadata.labels))
    )


def _same_mode(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volumeMode or "Filesystem") == (claim.spec.volumeMode or "Filesystem")


def _same_attributes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volumeAttributesClassName or "") == (claim.spec.volumeAttributesClassName or "")


def _modes_suffice(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return set(claim.spec.accessModes) <= set(volume.spec.accessModes)
