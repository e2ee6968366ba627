"""Keeps volumes and claims that are in use from being deleted: takes their finalizers away when nobody uses them.

The API server puts the finalizers on (StorageObjectInUseProtection).
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from client.controller import Controller, Key, Watches

PVC_PROTECTION = "kubernetes.io/pvc-protection"
PV_PROTECTION = "kubernetes.io/pv-protection"
CLAIM_INDEX = "persistent volume claim"
"""The index of pods by the claims they mount (`claims_of`)."""


class ClaimProtectionController(Controller):
    name = "persistentvolumeclaim-protection-controller"

    def setup(self, watch: Watches) -> None:
        self.claims = watch(PersistentVolumeClaim)
        self.pods = watch(Pod, enqueue=_claims_of_both)

    async def reconcile(self, key: Key) -> None:
        claim = self.claims.get(key)
        if claim is None or claim.metadata.deletionTimestamp is None or PVC_PROTECTION not in claim.metadata.finalizers:
            return
        namespace = claim.metadata.namespace
        if _is_used(key, self.pods.in_namespace(namespace)):
            return
        # A pod made before the claim was deleted may be heard of after that: the local copy alone proves nothing.
        if not _is_used(key, (await self.client.list(Pod, namespace)).items):
            released = claim.copy_deep()
            released.metadata.finalizers.remove(PVC_PROTECTION)
            await self.client.update(released)


class VolumeProtectionController(Controller):
    name = "persistentvolume-protection-controller"

    def setup(self, watch: Watches) -> None:
        self.volumes = watch(PersistentVolume)

    async def reconcile(self, key: Key) -> None:
        volume = self.volumes.get(key)
        if volume is None or volume.metadata.deletionTimestamp is None:
            return
        if volume.status.phase != "Bound" and PV_PROTECTION in volume.metadata.finalizers:
            released = volume.copy_deep()
            released.metadata.finalizers.remove(PV_PROTECTION)
            await self.client.update(released)


def _is_used(claim: Key, pods: Iterable[Pod]) -> bool:
    return any(claim in claims_of(pod) for pod in pods if pod.spec.nodeName)


def _claims_of_both(old: Pod | None, new: Pod | None) -> Iterable[Key]:
    return {key for pod in (old, new) if pod is not None for key in claims_of(pod)}


def claims_of(pod: Pod) -> Iterator[Key]:
    """The claims that a pod mounts, those made for it among them."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            yield f"{pod.metadata.namespace}/{volume.persistentVolumeClaim.claimName}"
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.namespace}/{pod.metadata.name}-{volume.name}"
