"""In which zones the nodes are that a proxy works for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from api.clock import Clock
from api.core_v1 import Node
from api.discovery_v1 import EndpointSlice
from api.meta_v1 import PartialObjectMetadata
from api.scheme import resource_of
from client.informer import Informer
from client.rest import RestClient

ZONE = "topology.kubernetes.io/zone"


class OwnZones:
    """Nodes are watched only once some endpoint is hinted for a zone: most clusters have none.

    `changed` is called when the zones may be others.
    """

    def __init__(self, client: RestClient, nodes: Collection[str], clock: Clock, changed: Callable[[], None]) -> None:
        self._client, self._nodes, self._clock, self._changed = client, nodes, clock, changed
        self._informer: Informer[PartialObjectMetadata] | None = None
        self._task: asyncio.Task[None] | None = None

    def needed_by(self, slices: Iterable[EndpointSlice]) -> set[str]:
        """The zones as they are known; none as long as no slice needs them."""
        if self._informer is None:
            if not any(e.hints is not None and e.hints.forZones for slice in slices for e in slice.endpoints):
                return set()
            self._informer = self._watch()
        labels = (self._informer.store.get(name) for name in self._nodes)
        found = {node.metadata.labels.get(ZONE, "") for node in labels if node is not None}
        return found - {""}

    def _watch(self) -> Informer[PartialObjectMetadata]:
        selector = f"metadata.name={next(iter(self._nodes))}" if len(self._nodes) == 1 else ""
        informer = Informer(
            self._client,
            PartialObjectMetadata,
            field_selector=selector,
            clock=self._clock,
            resource=resource_of(Node),
        )
        informer.on_change(self._on_change)
        self._task = asyncio.create_task(informer.run(), name="informer of the nodes' zones")
        return informer

    def _on_change(self, old: PartialObjectMetadata | None, new: PartialObjectMetadata | None) -> None:
        before, after = (node and node.metadata.labels.get(ZONE) for node in (old, new))
        if before != after:
            self._changed()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
