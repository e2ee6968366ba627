"""What the watches that decide about volumes bring; they are opened when the first pod with a claim is to be placed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.meta_v1 import ObjectMeta
from api.model import Model
from api.storage_v1 import CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.queue import SchedulingQueue
from scheduler.storage import Storage

Seen = Callable[[Any, Any], None]
"""An informer's callback: the object before and after, None for none."""


def callbacks(storage: Storage, queue: SchedulingQueue) -> dict[type[Model], Seen]:
    """What to call for changes of each kind."""

    def told(change: Change, claim: PersistentVolumeClaim | None = None) -> None:
        storage.changed()
        queue.move(ClusterEvent(change, claim=claim))

    def claim(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None:
            storage.claims.set(_key(new.metadata), new)
            told(Change.CLAIM, new)
        elif old is not None:
            storage.claims.remove(_key(old.metadata), old)
            storage.changed()

    def volume(old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None:
            storage.volumes.set(new.metadata.name, new)
            told(Change.VOLUME)
        elif old is not None:
            storage.volumes.remove(old.metadata.name, old)
            storage.changed()

    def kept(known: dict[str, Any], change: Change, *, when_gone: bool = False) -> Seen:
        def seen(old: Any, new: Any) -> None:
            if new is not None:
                known[_key(new.metadata)] = new
            else:
                known.pop(_key(old.metadata), None)
            if (new is None) == when_gone:
                told(change)

        return seen

    return {
        PersistentVolumeClaim: claim,
        PersistentVolume: volume,
        StorageClass: kept(storage.classes, Change.STORAGE_CLASS),
        CSINode: kept(storage.csi_nodes, Change.CSI_NODE),
        CSIDriver: kept(storage.drivers, Change.CSI_DRIVER),
        CSIStorageCapacity: kept(storage.capacities, Change.CSI_CAPACITY),
        VolumeAttachment: kept(storage.attachments, Change.ATTACHMENT_DELETED, when_gone=True),
    }


def _key(meta: ObjectMeta) -> str:
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
