"""Objects that come and go with another (`Strategy.companions`): the IPAddresses of a Service.

They are there before it and go after it, so that whoever sees it sees them, and nobody else gets what they stand for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.registry.strategy import Finish
from apiserver.storage.protocol import KeyMissing, RevisionMismatch


class Allocated:
    """Around the storing of `new`, for which was allocated what `finish` keeps or gives back.

    Raises AlreadyExists when somebody else has a companion; nothing is stored then.
    """

    def __init__(self, write: Write, new: Any, old: Any | None, finish: Finish | None) -> None:
        self._write, self._finish = write, finish
        self._added: list[Any] = []
        self._dropped: list[Any] = []
        if finish is not None and not write.options.dry_run and not write.alone:
            companions = write.endpoint.strategy.companions
            before = {} if old is None else {c.metadata.name: c for c in companions(old)}
            after = {c.metadata.name: c for c in companions(new)}
            self._added = [after[name] for name in after if name not in before]
            self._dropped = [before[name] for name in before if name not in after]

    async def __aenter__(self) -> None:
        if self._added:
            try:
                await create_companions(self._write, self._added)
            except BaseException:
                if self._finish is not None:
                    self._finish(False)
                raise

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            await delete_companions(self._write, self._added if error else self._dropped)
        finally:
            if self._finish is not None:
                self._finish(error is None and not self._write.options.dry_run)


@contextmanager
def unless_refused(finish: Finish | None) -> Iterator[None]:
    """Around the judging of what was allocated for: a refusal gives it back."""
    try:
        yield
    except BaseException:
        if finish is not None:
            finish(False)
        raise


async def let_go(write: Write, old: Any) -> None:
    """The object is gone; so are its companions, and what was allocated for it is free."""
    strategy = write.endpoint.strategy
    try:
        await delete_companions(write, strategy.companions(old))
    finally:
        strategy.after_delete(old)


async def create_companions(write: Write, objects: Sequence[Any]) -> None:
    """All or none.  Raises AlreadyExists."""
    results = await asyncio.gather(*(_create(write, obj) for obj in objects), return_exceptions=True)
    failures = [result for result in results if result is not None]
    if failures:
        await delete_companions(write, [obj for obj, result in zip(objects, results, strict=True) if result is None])
        raise failures[0]


async def _create(of: Write, obj: Any) -> None:
    api, metadata = of.api, obj.metadata
    write = Write(api, api.endpoint_of(type(obj)), of.user, WriteOptions(manager="kube-apiserver"), "", [])
    metadata.uid = api.new_uid()
    metadata.creationTimestamp = api.clock.now().replace(microsecond=0)
    managers = [each.to_dict() for each in metadata.managedFields]  # given where not all is the API server's own
    metadata.managedFields = []
    document = write.document(obj, managers or write.managers(obj, None))
    await write.store_new(document, obj)


async def delete_companions(write: Write, objects: Sequence[Any]) -> None:
    cache = write.api.cache
    for obj in objects:
        key = write.api.endpoint_of(type(obj)).key(obj.metadata.namespace, obj.metadata.name)
        while (entry := cache.get(key)) is not None:
            with suppress(RevisionMismatch, KeyMissing):  # somebody has changed or deleted it meanwhile
                await cache.delete(key, entry.value, entry.revision)
