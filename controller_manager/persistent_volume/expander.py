"""Makes volumes grow when their claims ask for more.

Only volumes that are directories of this machine are grown here, which is done by saying so; for all others an
external resizer is waited for.  https://kubernetes.io/docs/concepts/storage/persistent-volumes/#resizing-a-volume
"""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.quantity import parse
from client.controller import Controller, Key, Watches
from client.store import key_of
from controller_manager.persistent_volume.annotations import PROVISIONED_BY
from controller_manager.persistent_volume.host_path import NAME
from controller_manager.persistent_volume.matching import capacity, requested


class ExpandController(Controller):
    name = "persistentvolume-expander-controller"

    def setup(self, watch: Watches) -> None:
        self.claims = watch(PersistentVolumeClaim, enqueue=_may_grow)
        self.volumes = watch(PersistentVolume, enqueue=self._volume_changed)

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> Iterator[Key]:
        """Claims and volumes are watched apart: a claim may be heard of before the binding of its volume."""
        reference = new.spec.claimRef if new is not None else None
        before = old.spec.claimRef if old is not None else None
        if reference is not None and (before is None or before.uid != reference.uid):
            claim = self.claims.get(f"{reference.namespace}/{reference.name}")
            if claim is not None and wants_more(claim):
                yield key_of(claim)

    async def reconcile(self, key: Key) -> None:
        claim = self.claims.get(key)
        volume = self.volumes.get(claim.spec.volumeName) if claim is not None else None
        if claim is None or volume is None or not wants_more(claim):
            return
        if volume.spec.claimRef is None or volume.spec.claimRef.uid != claim.metadata.uid:
            return
        if volume.metadata.annotations.get(PROVISIONED_BY) != NAME:
            message = "waiting for an external controller to expand this PVC"
            self.events.event(claim, "Normal", "ExternalExpanding", message)
            return
        await self._grow(claim, volume)

    async def _grow(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """First the volume, then what the claim has: the second is what says that all is done."""
        size = {"storage": claim.spec.resources.requests["storage"]}
        if capacity(volume) < requested(claim):
            grown = volume.copy_deep()
            grown.spec.capacity |= size
            await self.client.update(grown)
        done = claim.copy_deep()
        done.status.capacity = done.status.capacity | size
        done.status.allocatedResources = done.status.allocatedResources | size
        await self.client.update(done, subresource="status")
        self.events.event(
            claim, "Normal", "VolumeResizeSuccessful", f"ExpandVolume succeeded for volume {key_of(claim)}"
        )


def wants_more(claim: PersistentVolumeClaim) -> bool:
    """Whether a claim that is bound asks for more than it has."""
    return claim.status.phase == "Bound" and requested(claim) > parse(claim.status.capacity.get("storage", "0"))


def _may_grow(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterator[Key]:
    """Told once for each size: what else changes about a claim that waits is no news."""
    if new is not None and wants_more(new) and (old is None or not wants_more(old) or requested(old) != requested(new)):
        yield key_of(new)
