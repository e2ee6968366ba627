"""Keeps volume attributes classes that claims or volumes have from being deleted.

https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.errors import NotFound
from api.meta_v1 import PartialObjectMetadata
from api.scheme import resource_of_kind
from client.controller import Controller, Key, Watches

VAC_PROTECTION = "kubernetes.io/vac-protection"
_CLASSES = resource_of_kind("storage.k8s.io/v1", "VolumeAttributesClass")
_BY_CLASS = "volume attributes class"


class VolumeAttributesClassProtectionController(Controller):
    """Of the classes only the metadata is watched, which the garbage collector does anyway."""

    name = "volumeattributesclass-protection-controller"

    def setup(self, watch: Watches) -> None:
        self.classes = watch(PartialObjectMetadata, resource=_CLASSES)
        self.claims = watch(PersistentVolumeClaim, enqueue=_no_longer_used, indexers={_BY_CLASS: classes_of})
        self.volumes = watch(PersistentVolume, enqueue=_no_longer_used, indexers={_BY_CLASS: classes_of})

    async def reconcile(self, key: Key) -> None:
        found = self.classes.get(key)
        if found is None or found.metadata.deletionTimestamp is None:
            return
        if VAC_PROTECTION not in found.metadata.finalizers or self._is_used(key):
            return
        from api.storage_v1 import VolumeAttributesClass  # few clusters have any

        try:
            live = await self.client.get(VolumeAttributesClass, key)
            if live.metadata.uid == found.metadata.uid and VAC_PROTECTION in live.metadata.finalizers:
                live.metadata.finalizers.remove(VAC_PROTECTION)
                await self.client.update(live)
        except NotFound:
            return

    def _is_used(self, name: str) -> bool:
        return bool(self.claims.by_index(_BY_CLASS, name) or self.volumes.by_index(_BY_CLASS, name))


def classes_of(obj: PersistentVolume | PersistentVolumeClaim) -> Iterator[str]:
    """The classes that a volume has, or that a claim asks for, has or is on the way to."""
    names = {obj.spec.volumeAttributesClassName}
    if isinstance(obj, PersistentVolumeClaim):
        names.add(obj.status.currentVolumeAttributesClassName)
        change = obj.status.modifyVolumeStatus
        names.add(change.targetVolumeAttributesClassName if change is not None else None)
    yield from filter(None, names)


def _no_longer_used(old: Any, new: Any) -> Iterator[Key]:
    if old is not None:
        yield from set(classes_of(old)) - set(classes_of(new) if new is not None else ())
