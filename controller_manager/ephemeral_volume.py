"""Makes the claims of pods' generic ephemeral volumes; they are the pod's, and go with it.

https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
"""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import PersistentVolumeClaim, Pod, Volume
from api.errors import AlreadyExists, StatusError
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, NotYet, Watches, controller_of
from client.store import key_of
from controller_manager.pod_template import controller_reference


class EphemeralVolumeController(Controller):
    name = "ephemeral-volume-controller"

    def setup(self, watch: Watches) -> None:
        self.pods = watch(Pod, enqueue=_has_ephemeral_volumes)
        self.claims = watch(PersistentVolumeClaim, enqueue=_owner_of_deleted)

    async def reconcile(self, key: Key) -> None:
        pod = self.pods.get(key)
        if pod is None or pod.metadata.deletionTimestamp is not None:
            return
        for volume in pod.spec.volumes:
            if volume.ephemeral is not None:
                await self._make(pod, volume)

    async def _make(self, pod: Pod, volume: Volume) -> None:
        claim = claim_for(pod, volume)
        known = self.claims.get(key_of(claim))
        if known is None:
            try:
                known = await self._create(claim)
            except StatusError as error:
                self._complain(pod, volume, f"create PVC {claim.metadata.name}: {error.message}")
                raise
        owner = controller_of(known.metadata)
        if owner is None or owner.uid != pod.metadata.uid:
            self._complain(pod, volume, f"PVC {key_of(claim)} was not created for pod {key_of(pod)} (pod is not owner)")
            raise NotYet(f"{key_of(claim)} is somebody else's")

    async def _create(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
        try:
            return await self.client.create(claim)
        except AlreadyExists:
            return await self.client.get(PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace)

    def _complain(self, pod: Pod, volume: Volume, why: str) -> None:
        self.events.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume.name}: {why}")


def claim_for(pod: Pod, volume: Volume) -> PersistentVolumeClaim:
    """The claim of one of a pod's ephemeral volumes, called after both."""
    assert volume.ephemeral is not None
    template = volume.ephemeral.volumeClaimTemplate
    assert template is not None
    return PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=f"{pod.metadata.name}-{volume.name}",
            namespace=pod.metadata.namespace,
            labels=dict(template.metadata.labels),
            annotations=dict(template.metadata.annotations),
            ownerReferences=[controller_reference(pod)],
        ),
        spec=template.spec.copy_deep(),
    )


def _has_ephemeral_volumes(old: Pod | None, new: Pod | None) -> Iterable[Key]:
    if new is not None and any(volume.ephemeral is not None for volume in new.spec.volumes):
        yield key_of(new)


def _owner_of_deleted(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
    owner = controller_of(old.metadata) if old is not None and new is None else None
    if old is not None and owner is not None and owner.kind == "Pod":
        yield f"{old.metadata.namespace}/{owner.name}"
