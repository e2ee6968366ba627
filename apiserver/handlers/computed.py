"""GET and LIST of objects that are not stored but looked up at each request."""

from __future__ import annotations

from api.errors import not_found
from apiserver.endpoint import Endpoint
from apiserver.handlers.list import Page
from apiserver.handlers.list_options import ListOptions
from apiserver.storage.entry import Entry


async def computed_page(endpoint: Endpoint, options: ListOptions) -> Page:
    """All objects of the kind that the selectors match, whatever the limit."""
    return Page([entry for entry in await _entries(endpoint) if options.matches(entry)], 0)


async def computed_object(endpoint: Endpoint, name: str) -> Entry:
    """Raises NotFound."""
    for entry in await _entries(endpoint):
        if entry.name == name:
            return entry
    raise not_found(endpoint.resource.group, endpoint.resource.plural, name)


async def _entries(endpoint: Endpoint) -> list[Entry]:
    entries = []
    for obj in await endpoint.strategy.compute():
        metadata = obj.metadata
        fields = {"metadata.name": metadata.name, "metadata.namespace": metadata.namespace}
        key = endpoint.key(metadata.namespace, metadata.name)
        entries.append(Entry(key, metadata.namespace, metadata.name, 0, obj.encode()[1:], metadata.labels, fields))
    return entries
