"""What becomes of a volume whose claim is gone.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
"""

from __future__ import annotations

from api.core_v1 import PersistentVolume
from api.errors import NotFound
from client.controller import NotYet
from client.events import EventRecorder
from client.rest import RestClient
from controller_manager.persistent_volume.annotations import IN_TREE_FINALIZER, PROVISIONED_BY
from controller_manager.persistent_volume.host_path import NAME, HostPathPlugin, StorageFailure


class Reclaimer:
    """Carries out reclaim policies for a volume that is known to be released."""

    def __init__(self, client: RestClient, events: EventRecorder, plugin: HostPathPlugin) -> None:
        self._client, self._events, self._plugin = client, events, plugin

    async def reclaim(self, volume: PersistentVolume) -> None:
        """Raises NotYet when deletion failed and is to be tried again."""
        match volume.spec.persistentVolumeReclaimPolicy:
            case "Retain":
                return
            case "Delete":
                await self._delete(volume)
            case "Recycle":
                await self._fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
            case _:
                message = "Volume has unrecognized PersistentVolumeReclaimPolicy"
                await self._fail(volume, "VolumeUnknownReclaimPolicy", message)

    async def _delete(self, volume: PersistentVolume) -> None:
        """Remove the storage, then the object.  What a provisioner elsewhere made is that one's to delete."""
        maker = volume.metadata.annotations.get(PROVISIONED_BY, "")
        if maker and not maker.startswith("kubernetes.io/"):
            return
        try:
            if maker not in ("", NAME):
                raise StorageFailure(f"no volume plugin matched name: {maker}")
            if volume.spec.hostPath is None:
                raise StorageFailure(
                    f'error getting deleter volume plugin for volume "{volume.metadata.name}": '
                    "no deletable volume plugin matched"
                )
            await self._plugin.delete(volume)
        except StorageFailure as error:
            await self._fail(volume, "VolumeFailedDelete", str(error))
            raise NotYet(str(error)) from error
        try:
            if IN_TREE_FINALIZER in volume.metadata.finalizers:
                released = volume.copy_deep()
                released.metadata.finalizers.remove(IN_TREE_FINALIZER)
                await self._client.update(released)
            if volume.metadata.deletionTimestamp is None:
                await self._client.delete(PersistentVolume, volume.metadata.name, uid=volume.metadata.uid)
        except NotFound:
            return

    async def _fail(self, volume: PersistentVolume, reason: str, message: str) -> None:
        """Say once why the volume cannot be used again."""
        if volume.status.phase != "Failed":
            failed = volume.copy_deep()
            failed.status.phase, failed.status.message = "Failed", message
            await self._client.update(failed, subresource="status")
            self._events.event(volume, "Warning", reason, message)
