"""DELETE of a whole collection: every object a selector matches, one by one, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api.errors import NotFound
from api.meta_v1 import DeleteOptions
from apiserver.handlers.delete import delete_object
from apiserver.handlers.write import Write
from apiserver.storage.entry import Entry

_AT_ONCE = 16


async def delete_objects(write: Write, entries: Sequence[Entry], options: DeleteOptions) -> None:
    """Delete each; one that is gone meanwhile is no error.  After the first other error no more are begun, and those
    that are under way come to their end; then it is raised."""
    places = asyncio.Semaphore(_AT_ONCE)
    failures: list[Exception] = []

    async def delete_one(entry: Entry) -> None:
        one = Write(
            write.api, write.endpoint, write.user, write.options, entry.namespace, write.warnings, nameless=True,
            audit_annotations=write.audit_annotations,
        )  # fmt: skip
        async with places:
            if failures:
                return
            try:
                await delete_object(one, entry.name, options.copy_deep())
            except NotFound:
                return
            except Exception as error:
                failures.append(error)

    await asyncio.gather(*map(delete_one, entries))
    if failures:
        raise failures[0]
