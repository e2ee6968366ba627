"""DELETE of a whole collection: every object a selector matches, one by one, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api.errors import NotFound, StatusError
from api.meta_v1 import DeleteOptions
from apiserver.handlers.delete import delete_object
from apiserver.handlers.write import Write
from apiserver.storage.entry import Entry

_AT_ONCE = 16


async def delete_objects(write: Write, entries: Sequence[Entry], options: DeleteOptions) -> None:
    """Delete each; one that is gone meanwhile is no error.  The first other error ends it and is raised."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def delete_one(entry: Entry) -> None:
        one = Write(
            write.api, write.endpoint, write.user, write.options, entry.namespace, write.warnings, nameless=True,
            audit_annotations=write.audit_annotations,
        )  # fmt: skip
        async with places:
            try:
                await delete_object(one, entry.name, options.copy_deep())
            except NotFound:
                return

    try:
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(delete_one(entry))
    except ExceptionGroup as found:
        raise next((each for each in found.exceptions if isinstance(each, StatusError)), found) from None
