"""Writing changes of slices down."""

from __future__ import annotations

from collections.abc import Mapping

from api.discovery_v1 import EndpointSlice
from api.errors import NotFound
from client.rest import RestClient
from controller_manager.endpoint_slice.changes import Changes
from controller_manager.endpoint_slice.tracker import SliceTracker
from controller_manager.pod_control import namespace_is_ending


async def write_changes(
    client: RestClient,
    tracker: SliceTracker,
    key: str,
    changes: Changes,
    annotation: str = "",
    annotations: Mapping[str, str] | None = None,
) -> bool:
    """New slices first, so that no endpoint is missing in between.  `annotation` is left out of what is written
    unless `annotations` has it.  Returns whether somebody else has written, too, in the meantime: then another look
    is due.  Raises what the server says, Conflict among it."""
    with tracker.early.held(key) as events:
        await _write(client, tracker, key, changes, annotation, annotations or {})
        return any(tracker.is_news(key, meta) for meta in events)


async def _write(
    client: RestClient,
    tracker: SliceTracker,
    key: str,
    changes: Changes,
    annotation: str,
    annotations: Mapping[str, str],
) -> None:
    for slice in (*changes.create, *changes.update):
        slice.metadata.annotations.pop(annotation, None)
        slice.metadata.annotations.update(annotations)
    for slice in changes.create:
        try:
            tracker.wrote(key, await client.create_quietly(slice))
        except Exception as error:
            if namespace_is_ending(error):
                return
            raise
    for slice in changes.update:
        try:
            tracker.wrote(key, await client.update_quietly(slice))
        except NotFound:
            continue  # its deletion is on the way and will bring us back
    for slice in changes.delete:
        meta = slice.metadata
        try:
            await client.delete(EndpointSlice, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            continue
        tracker.deleted(key, slice)
