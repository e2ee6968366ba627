"""Claims, volumes and what else decides where volumes can be, as the watches show it and as just decided.

A decision (this volume for that claim, that claim to be provisioned for this node) counts at once, as in the cache
of pods: what was assumed of an object holds until the watch shows another version of it, or `restore` takes it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from api.clock import Clock

if TYPE_CHECKING:  # most clusters' schedulers never meet one
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim
    from api.storage_v1 import CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment

SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Tells the provisioner of a claim which node the first pod that uses it goes to."""
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"

M = TypeVar("M", "PersistentVolume", "PersistentVolumeClaim")


class Assumable(Generic[M]):
    """Objects by key, with what was assumed of some of them."""

    def __init__(self) -> None:
        self._seen: dict[str, M] = {}
        self._assumed: dict[str, M] = {}

    def get(self, key: str) -> M | None:
        return self._assumed.get(key) or self._seen.get(key)

    def values(self) -> list[M]:
        return [self._assumed.get(key, seen) for key, seen in self._seen.items()]

    def set(self, key: str, obj: M) -> None:
        known = self._seen.get(key)
        if known is None or known.metadata.resourceVersion != obj.metadata.resourceVersion:
            self._assumed.pop(key, None)
        self._seen[key] = obj

    def remove(self, key: str) -> None:
        self._seen.pop(key, None)
        self._assumed.pop(key, None)

    def assume(self, key: str, obj: M) -> None:
        """Take the object to be like this; it must be known."""
        self._assumed[key] = obj

    def restore(self, key: str) -> None:
        """Take back what was assumed; harmless when nothing was."""
        self._assumed.pop(key, None)


class Storage:
    """Claims and capacities are known by "namespace/name", everything else by name.

    `synced` opens the watches when it is first called, and returns when everything is known.
    """

    def __init__(self, clock: Clock, synced: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self.synced = synced
        self.claims: Assumable[PersistentVolumeClaim] = Assumable()
        self.volumes: Assumable[PersistentVolume] = Assumable()
        self.classes: dict[str, StorageClass] = {}
        self.csi_nodes: dict[str, CSINode] = {}
        self.drivers: dict[str, CSIDriver] = {}
        self.capacities: dict[str, CSIStorageCapacity] = {}
        self.attachments: dict[str, VolumeAttachment] = {}
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Something was written down here: those who wait look again."""
        for waiter in self._waiting:
            waiter.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition on what is known here, which may raise; False when it took too long."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        too_long = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            while not condition():
                changed.clear()
                news = asyncio.ensure_future(changed.wait())
                try:
                    await asyncio.wait([news, too_long], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()
                if too_long.done() and not changed.is_set():
                    return condition()
            return True
        finally:
            too_long.cancel()
            self._waiting.discard(changed)


def is_delayed(storage_class: StorageClass | None) -> bool:
    """Whether claims of the class wait for a pod that uses them."""
    return storage_class is not None and storage_class.volumeBindingMode == "WaitForFirstConsumer"


def class_of(claim: PersistentVolumeClaim) -> str:
    """The name of a claim's storage class; empty for none."""
    return (
        claim.metadata.annotations.get("volume.beta.kubernetes.io/storage-class") or claim.spec.storageClassName or ""
    )


def is_fully_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the binder has done all there is to do."""
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations
