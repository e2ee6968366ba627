"""Whose a slice is, and what this process last wrote: so that it neither decides by a cache that is behind nor reacts
to itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.discovery_v1 import EndpointSlice
from api.meta_v1 import ObjectMeta
from controller_manager.written import EarlyEvents

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_PATIENCE = 10
"""Tries, with growing delays: some five seconds."""


def service_of(slice: EndpointSlice) -> tuple[str, ...]:
    """The key of the service (or the Endpoints) that a slice belongs to."""
    name = slice.metadata.labels.get(SERVICE_NAME)
    return (f"{slice.metadata.namespace}/{name}",) if name else ()


class SliceTracker:
    """Resource versions by the key of the service and the UID of the slice; 0 for slices that were deleted."""

    def __init__(self, manager: str) -> None:
        """`manager`: what slices of this process are labelled with."""
        self._manager = manager
        self._versions: dict[str, dict[str, int]] = {}
        self.early = EarlyEvents()

    def owns(self, slice: EndpointSlice) -> bool:
        return slice.metadata.labels.get(MANAGED_BY) == self._manager

    def wrote(self, key: str, meta: ObjectMeta) -> None:
        """`meta`: of a slice, as the server answered."""
        self._versions.setdefault(key, {})[meta.uid] = int(meta.resourceVersion)

    def deleted(self, key: str, slice: EndpointSlice) -> None:
        self._versions.setdefault(key, {})[slice.metadata.uid] = 0

    def changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> Iterator[str]:
        """The services whose slices somebody else wrote, took over or deleted, but for those that are being written."""
        before = service_of(old) if old is not None and self.owns(old) else ()
        after = service_of(new) if new is not None and self.owns(new) else ()
        for key in before:
            if key not in after:
                assert old is not None
                if self._versions.get(key, {}).pop(old.metadata.uid, None) != 0:
                    yield key
        for key in after:
            assert new is not None
            if self.is_news(key, new.metadata) and not self.early.hold(key, new.metadata):
                yield key

    def is_news(self, key: str, meta: ObjectMeta) -> bool:
        """Whether a slice that is like this now was written by somebody else after our last write to it."""
        return int(meta.resourceVersion) > self._versions.get(key, {}).get(meta.uid, -1)

    def is_behind(self, key: str, slices: Iterable[EndpointSlice], tries: int = 0) -> bool:
        """Whether these, all that the cache has of the service, lack something that was written.

        After so many `tries` in vain the cache is believed: what is missing was deleted before it was noted.
        """
        present = {slice.metadata.uid: int(slice.metadata.resourceVersion) for slice in slices}
        known = self._versions.get(key, {})
        for uid in [uid for uid, version in known.items() if version == 0 and uid not in present]:
            del known[uid]
        behind = any(version == 0 or present.get(uid, -1) < version for uid, version in known.items())
        if behind and tries >= _PATIENCE:
            self.forget(key)
            return False
        return behind

    def forget(self, key: str) -> None:
        self._versions.pop(key, None)
