"""What is to be written so that slices show what they should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from api.discovery_v1 import Endpoint, EndpointHints, EndpointSlice
from api.meta_v1 import OwnerReference


@dataclass
class Changes:
    """Slices of one service and address type.  Those in `create` and `update` are this process's own to change;
    `unchanged` and `delete` are as they are in the cache."""

    create: list[EndpointSlice] = field(default_factory=list)
    update: list[EndpointSlice] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)
    unchanged: list[EndpointSlice] = field(default_factory=list)

    def recycle(self, owner: OwnerReference) -> None:
        """Let slices that would be deleted hold what would be created, where they are the same owner's."""
        for old in [*self.delete]:
            if self.create and any(reference.uid == owner.uid for reference in old.metadata.ownerReferences):
                new = self.create.pop()
                meta = old.metadata.model_copy(
                    update={"labels": new.metadata.labels, "annotations": new.metadata.annotations}
                )
                self.delete.remove(old)
                self.update.append(new.model_copy(update={"metadata": meta}))

    def touch(self, needed: Callable[[EndpointSlice], bool]) -> None:
        """Make unchanged slices for which `needed` holds part of what is updated."""
        for slice in [*self.unchanged]:
            if needed(slice):
                self.unchanged.remove(slice)
                self.update.append(slice.copy_deep())

    def hint(self, hints_of: Callable[[Endpoint], EndpointHints | None]) -> None:
        """Give each endpoint the hints it should have, touching slices only where those it has are wrong."""
        self.touch(lambda slice: any(is_ready(e) and e.hints != hints_of(e) for e in slice.endpoints))
        for slice in (*self.create, *self.update):
            for endpoint in slice.endpoints:
                endpoint.hints = hints_of(endpoint) if is_ready(endpoint) else None

    def without_hints(self) -> None:
        """Take all hints away."""
        self.touch(lambda slice: any(endpoint.hints is not None for endpoint in slice.endpoints))
        self.hint(lambda endpoint: None)


def is_ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions.ready is True
