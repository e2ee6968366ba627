"""Brings claims and volumes together, has volumes made for claims that find none, and reclaims released ones.

A binding has two sides, written one after the other: the volume's claimRef, then the claim's volumeName.  Each step
looks only at what is there, so that a controller that was stopped between any two goes on where it stood.  Two claims
cannot get one volume: the volume is written first, and only as it was read.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.core_v1 import ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import AlreadyExists, NotFound
from client.controller import Controller, Key, NotYet, Watches, nothing
from client.events import reference
from client.store import Store, key_of
from controller_manager.persistent_volume import host_path
from controller_manager.persistent_volume.annotations import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    IN_TREE_FINALIZER,
    PROVISIONED_BY,
    PROVISIONERS,
    SELECTED_NODE,
    class_of,
    is_default,
    names_class,
)
from controller_manager.persistent_volume.host_path import HostPathPlugin, StorageFailure
from controller_manager.persistent_volume.matching import best_match, misfit, refers_to
from controller_manager.persistent_volume.reclaim import Reclaimer
from controller_manager.storage_protection import CLAIM_INDEX, claims_of

if TYPE_CHECKING:
    from api.storage_v1 import StorageClass  # types are loaded when the first claim asks for a class

_CLAIM, _VOLUME = "claim:", "volume:"
_BY_CLAIM, _BY_VOLUME, _UNBOUND = "claim", "volume", "unbound"
_LOST = "Data on the volume is lost!"


class PersistentVolumeBinder(Controller):
    name = "persistentvolume-binder-controller"
    workers = 1

    def __init__(self, *common: Any, plugin: HostPathPlugin | None = None) -> None:
        self.plugin = plugin or HostPathPlugin(Path("/tmp/hostpath_pv"), provisions=False)
        self._classes: Store[StorageClass] | None = None
        super().__init__(*common)
        self.reclaimer = Reclaimer(self.client, self.events, self.plugin)

    def setup(self, watch: Watches) -> None:
        self.claims = watch(
            PersistentVolumeClaim,
            enqueue=self._claim_changed,
            indexers={_BY_VOLUME: lambda c: filter(None, [c.spec.volumeName]), _UNBOUND: _unbound},
        )
        self.volumes = watch(PersistentVolume, enqueue=self._volume_changed, indexers={_BY_CLAIM: _claim_of})
        self.pods = watch(Pod, enqueue=nothing, indexers={CLAIM_INDEX: claims_of})

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        claim = new or old
        assert claim is not None
        key = key_of(claim)
        if new is not None:
            yield _CLAIM + key
        yield from (_VOLUME + name for name in {c.spec.volumeName for c in (old, new) if c is not None} - {""})
        yield from (_VOLUME + volume.metadata.name for volume in self.volumes.by_index(_BY_CLAIM, key))

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> Iterable[Key]:
        volume = new or old
        assert volume is not None
        name = volume.metadata.name
        if new is not None:
            yield _VOLUME + name
        yield from (_CLAIM + key for each in (old, new) if each is not None for key in _claim_of(each))
        yield from (_CLAIM + key_of(claim) for claim in self.claims.by_index(_BY_VOLUME, name))
        if new is not None and new.spec.claimRef is None and new.status.phase == "Available":
            yield from (_CLAIM + key_of(claim) for claim in self.claims.by_index(_UNBOUND, "") if _could(new, claim))

    async def reconcile(self, key: Key) -> None:
        if key.startswith(_VOLUME):
            volume = self.volumes.get(key.removeprefix(_VOLUME))
            if volume is not None:
                await self._sync_volume(volume)
            return
        claim = self.claims.get(key.removeprefix(_CLAIM))
        if claim is None:
            return
        if BIND_COMPLETED in claim.metadata.annotations:
            await self._check_bound(claim)
        elif claim.spec.volumeName:
            await self._bind_requested(claim)
        else:
            await self._bind_any(claim)

    # --- claims ----------------------------------------------------------------------------------

    async def _bind_any(self, claim: PersistentVolumeClaim) -> None:
        """Find a volume for a claim that names none, or have one made."""
        storage_class = await self._class(class_of(claim))
        delayed = storage_class is not None and storage_class.volumeBindingMode == "WaitForFirstConsumer"
        volume = best_match(claim, self.volumes, delayed=delayed)
        if volume is not None:
            await self._bind(volume, claim)
        elif not names_class(claim) and await self._give_default_class(claim):
            return
        elif delayed and SELECTED_NODE not in claim.metadata.annotations:
            self._say_what_is_waited_for(claim)
            await self._set_pending(claim)
        elif class_of(claim):
            await self._provision(claim, storage_class)
        else:
            message = "no persistent volumes available for this claim and no storage class is set"
            self.events.event(claim, "Normal", "FailedBinding", message)
            await self._set_pending(claim)

    async def _bind_requested(self, claim: PersistentVolumeClaim) -> None:
        """Bind the volume that the claim names, if that is to be had."""
        name = claim.spec.volumeName
        volume = self.volumes.get(name)
        if volume is not None and refers_to(volume, claim):
            await self._bind(volume, claim)
            return
        if volume is not None and volume.spec.claimRef is None:
            why = misfit(volume, claim)
            if not why:
                await self._bind(volume, claim)
                return
            self.events.event(claim, "Warning", "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')
        elif volume is not None:
            message = f'volume "{name}" already bound to a different claim.'
            self.events.event(claim, "Warning", "FailedBinding", message)
        await self._set_pending(claim)

    async def _check_bound(self, claim: PersistentVolumeClaim) -> None:
        """See that a claim that was bound still has its volume."""
        volume = self.volumes.get(claim.spec.volumeName)
        if not claim.spec.volumeName:
            await self._set_lost(claim, "ClaimLost", f"Bound claim has lost reference to PersistentVolume. {_LOST}")
        elif volume is None:
            if not await self._is_really_gone(claim.spec.volumeName):
                return  # its event is on the way
            await self._set_lost(claim, "ClaimLost", f"Bound claim has lost its PersistentVolume. {_LOST}")
        elif volume.spec.claimRef is None or volume.spec.claimRef.uid == claim.metadata.uid:
            await self._bind(volume, claim)
        else:
            message = "Two claims are bound to the same volume, this one is bound incorrectly"
            await self._set_lost(claim, "ClaimMisbound", message)

    async def _is_really_gone(self, volume: str) -> bool:
        """Claims and volumes are watched apart: a bound claim can be seen before its volume."""
        try:
            await self.client.get(PersistentVolume, volume)
        except NotFound:
            return True
        return False

    async def _set_pending(self, claim: PersistentVolumeClaim) -> None:
        if claim.status.phase != "Pending":
            await self._write_unbound(claim, "Pending")

    async def _set_lost(self, claim: PersistentVolumeClaim, reason: str, message: str) -> None:
        if claim.status.phase != "Lost":
            await self._write_unbound(claim, "Lost")
            self.events.event(claim, "Warning", reason, message)

    async def _write_unbound(self, claim: PersistentVolumeClaim, phase: str) -> None:
        changed = claim.copy_deep()
        status = changed.status
        status.phase, status.accessModes, status.capacity = phase, [], {}
        status.currentVolumeAttributesClassName = None
        await self.client.update(changed, subresource="status")

    def _say_what_is_waited_for(self, claim: PersistentVolumeClaim) -> None:
        waiting = sorted(
            pod.metadata.name for pod in self.pods.by_index(CLAIM_INDEX, key_of(claim)) if not pod.spec.nodeName
        )
        if waiting:
            words = f"pod {waiting[0]}" if len(waiting) == 1 else f"pods {','.join(waiting)}"
            self.events.event(claim, "Normal", "WaitForPodScheduled", f"waiting for {words} to be scheduled")
        else:
            message = "waiting for first consumer to be created before binding"
            self.events.event(claim, "Normal", "WaitForFirstConsumer", message)

    # --- binding ---------------------------------------------------------------------------------

    async def _bind(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> None:
        """Write what is missing of the binding, the volume's side first."""
        volume = await self._bind_volume(volume, claim)
        volume = await self._set_phase(volume, "Bound")
        claim = await self._bind_claim(claim, volume)
        if claim.status.phase == "Bound" and claim.status.accessModes == volume.spec.accessModes:
            return  # what it holds may differ for a while when it grows, and is not touched
        bound = claim.copy_deep()
        if bound.status.phase != "Bound":
            bound.status.phase, bound.status.capacity = "Bound", dict(volume.spec.capacity)
            bound.status.currentVolumeAttributesClassName = volume.spec.volumeAttributesClassName or None
        bound.status.accessModes = [*volume.spec.accessModes]
        await self.client.update(bound, subresource="status")

    async def _bind_volume(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        if volume.spec.claimRef is not None and volume.spec.claimRef.uid == claim.metadata.uid:
            return volume
        bound = volume.copy_deep()
        if not refers_to(volume, claim):
            bound.metadata.annotations[BOUND_BY_CONTROLLER] = "yes"
        bound.spec.claimRef = reference(claim)
        return await self.client.update(bound)

    async def _bind_claim(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> PersistentVolumeClaim:
        name = volume.metadata.name
        if claim.spec.volumeName == name and BIND_COMPLETED in claim.metadata.annotations:
            return claim
        bound = claim.copy_deep()
        if claim.spec.volumeName != name:
            bound.metadata.annotations[BOUND_BY_CONTROLLER] = "yes"
            bound.spec.volumeName = name
        bound.metadata.annotations[BIND_COMPLETED] = "yes"
        return await self.client.update(bound)

    async def _set_phase(self, volume: PersistentVolume, phase: str) -> PersistentVolume:
        if volume.status.phase == phase:
            return volume
        changed = volume.copy_deep()
        changed.status.phase, changed.status.message = phase, ""
        return await self.client.update(changed, subresource="status")

    # --- provisioning ----------------------------------------------------------------------------

    async def _open_classes(self) -> Store[StorageClass]:
        if self._classes is None:
            from api.storage_v1 import StorageClass

            self._classes = await self.watch_too(StorageClass, enqueue=self._class_changed)
        return self._classes

    def _class_changed(self, old: StorageClass | None, new: StorageClass | None) -> Iterable[Key]:
        for claim in self.claims.by_index(_UNBOUND, ""):
            if new is not None and (class_of(claim) == new.metadata.name or not names_class(claim)):
                yield _CLAIM + key_of(claim)

    async def _class(self, name: str) -> StorageClass | None:
        return (await self._open_classes()).get(name) if name else None

    async def _give_default_class(self, claim: PersistentVolumeClaim) -> bool:
        """Let a claim that was made before there was a default class have it; whether there is one now."""
        defaults = [each.metadata for each in await self._open_classes() if is_default(each.metadata)]
        if not defaults:
            return False
        newest = max(each.creationTimestamp for each in defaults if each.creationTimestamp is not None)
        changed = claim.copy_deep()
        changed.spec.storageClassName = min(each.name for each in defaults if each.creationTimestamp == newest)
        await self.client.update(changed)
        return True

    async def _provision(self, claim: PersistentVolumeClaim, storage_class: StorageClass | None) -> None:
        """Make a volume for the claim, or ask somebody else to.  The new volume's event brings the claim back."""
        if storage_class is None:
            message = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
            self.events.event(claim, "Warning", "ProvisioningFailed", message)
            return
        provisioner = storage_class.provisioner
        own = self.plugin.provisions and provisioner == host_path.NAME
        if not own and provisioner.startswith("kubernetes.io/"):
            message = f"no volume plugin matched name: {provisioner}"
            self.events.event(claim, "Warning", "ProvisioningFailed", message)
            return
        if any(claim.metadata.annotations.get(name) != provisioner for name in PROVISIONERS):
            asked = claim.copy_deep()
            asked.metadata.annotations |= dict.fromkeys(PROVISIONERS, provisioner)
            claim = await self.client.update(asked)
        if own:
            await self._make(claim, storage_class)
            return
        message = (
            f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
            "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
            "correctly registered."
        )
        self.events.event(claim, "Normal", "ExternalProvisioning", message)

    async def _make(self, claim: PersistentVolumeClaim, storage_class: StorageClass) -> None:
        name = f"pvc-{claim.metadata.uid}"
        if claim.metadata.deletionTimestamp is not None or self.volumes.get(name) is not None:
            return
        try:
            volume = await self.plugin.provision(name, claim)
        except StorageFailure as error:
            message = f'Failed to provision volume with StorageClass "{storage_class.metadata.name}": {error}'
            self.events.event(claim, "Warning", "ProvisioningFailed", message)
            if SELECTED_NODE in claim.metadata.annotations:  # the scheduler may find another node
                freed = claim.copy_deep()
                del freed.metadata.annotations[SELECTED_NODE]
                await self.client.update(freed)
                return
            raise NotYet(message) from error
        spec = volume.spec
        spec.claimRef = reference(claim)
        spec.persistentVolumeReclaimPolicy = storage_class.reclaimPolicy or "Delete"
        spec.mountOptions = [*storage_class.mountOptions]
        spec.storageClassName = storage_class.metadata.name
        spec.volumeMode = claim.spec.volumeMode
        volume.metadata.annotations |= {BOUND_BY_CONTROLLER: "yes", PROVISIONED_BY: host_path.NAME}
        if spec.persistentVolumeReclaimPolicy == "Delete":
            volume.metadata.finalizers = [IN_TREE_FINALIZER]
        try:
            await self.client.create(volume)
        except AlreadyExists:
            return
        message = f"Successfully provisioned volume {name} using {host_path.NAME}"
        self.events.event(claim, "Normal", "ProvisioningSucceeded", message)

    # --- volumes ---------------------------------------------------------------------------------

    async def _sync_volume(self, volume: PersistentVolume) -> None:
        """Give a volume the phase that the state of its claim asks for; reclaim it when that is gone."""
        volume = await self._protect(volume)
        kept_for = volume.spec.claimRef
        if kept_for is None or not kept_for.uid:
            await self._set_phase(volume, "Available")
            return
        claim = await self._claim(volume, kept_for)
        if claim is None:
            await self._release(volume)
        elif not claim.spec.volumeName:
            self.queue.add(_CLAIM + key_of(claim))  # the other half of a binding is missing
        elif claim.spec.volumeName == volume.metadata.name:
            await self._set_phase(volume, "Bound")
        elif PROVISIONED_BY in volume.metadata.annotations and volume.spec.persistentVolumeReclaimPolicy == "Delete":
            await self._release(volume)  # made for a claim that found another in the meantime
        else:
            await self._unbind(volume)

    async def _protect(self, volume: PersistentVolume) -> PersistentVolume:
        """Let a volume that was made here go only after its storage, as long as that is to go at all (KEP-2644)."""
        deletes = volume.spec.persistentVolumeReclaimPolicy == "Delete"
        protected = IN_TREE_FINALIZER in volume.metadata.finalizers
        if volume.metadata.annotations.get(PROVISIONED_BY) != host_path.NAME or deletes == protected:
            return volume
        if deletes and volume.metadata.deletionTimestamp is not None:
            return volume
        changed = volume.copy_deep()
        if deletes:
            changed.metadata.finalizers.append(IN_TREE_FINALIZER)
        else:
            changed.metadata.finalizers.remove(IN_TREE_FINALIZER)
        return await self.client.update(changed)

    async def _claim(self, volume: PersistentVolume, kept_for: ObjectReference) -> PersistentVolumeClaim | None:
        """The very claim a volume is bound to; the API is asked before it is called gone for the first time."""
        found = self.claims.get(f"{kept_for.namespace}/{kept_for.name}")
        if found is None and volume.status.phase in ("Released", "Failed"):
            return None
        if found is None or found.metadata.uid != kept_for.uid:
            try:
                found = await self.client.get(PersistentVolumeClaim, kept_for.name, kept_for.namespace)
            except NotFound:
                return None
        return found if found.metadata.uid == kept_for.uid else None

    async def _release(self, volume: PersistentVolume) -> None:
        if volume.status.phase not in ("Released", "Failed"):
            volume = await self._set_phase(volume, "Released")
        await self.reclaimer.reclaim(volume)

    async def _unbind(self, volume: PersistentVolume) -> None:
        """Undo the volume's half of a binding: the claim got another one."""
        changed = volume.copy_deep()
        if changed.metadata.annotations.pop(BOUND_BY_CONTROLLER, None) is not None:
            changed.spec.claimRef = None
        elif changed.spec.claimRef is not None:
            changed.spec.claimRef = changed.spec.claimRef.model_copy(update={"uid": ""})  # its user's wish remains
        await self._set_phase(await self.client.update(changed), "Available")


def _claim_of(volume: PersistentVolume) -> Iterator[Key]:
    if volume.spec.claimRef is not None:
        yield f"{volume.spec.claimRef.namespace}/{volume.spec.claimRef.name}"


def _unbound(claim: PersistentVolumeClaim) -> Iterator[str]:
    if BIND_COMPLETED not in claim.metadata.annotations:
        yield ""


def _could(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether a volume that came free may be what a claim waits for."""
    return claim.spec.volumeName in ("", volume.metadata.name) and class_of(volume) == class_of(claim)
