"""Writes the objects that every cluster has, and brings those back into shape that are there already.

They are written as JSON, past the handlers: nothing in them needs admission or defaults, and a server that starts has
better things to do than to load the types of kinds that nobody asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson

from api.scheme import Resource
from apiserver.storage.protocol import KeyExists, KeyMissing, RevisionMismatch
from apiserver.storage.watch_cache import WatchCache, key_prefix

Document = dict[str, Any]
Merge = Callable[[Document, Document], bool]
"""Changes an existing object where it must agree with the built-in one; tells whether it did."""
Owned = Callable[[Document], Document]
"""The fields of an object that are set, as FieldsV1, metadata excepted."""


async def ensure(
    cache: WatchCache,
    now: datetime,
    resource: Resource,
    wanted: Iterable[Document],
    owned: Owned,
    merge: Merge,
    manager: str = "kube-apiserver",
) -> None:
    """Create what is missing, merge what is there.  All writes at once, so that they share their syncs to disk."""
    prefix = key_prefix(resource.group_resource)

    async def ensure_one(document: Document) -> None:
        metadata = document["metadata"]
        namespace = metadata.get("namespace", "")
        key = f"{prefix}{namespace}/{metadata['name']}" if namespace else prefix + metadata["name"]
        entry = cache.get(key)
        # Where somebody else writes it at the same time, the next start looks again.
        with contextlib.suppress(KeyExists, KeyMissing, RevisionMismatch):
            if entry is None:
                document = _complete(document, now, resource.api_version, owned, manager)
                await cache.create(key, orjson.dumps(document), document)
                return
            existing = orjson.loads(entry.value)
            if merge(existing, document):
                await cache.update(key, orjson.dumps(existing), entry.revision, existing)

    await asyncio.gather(*map(ensure_one, wanted))


def _complete(wanted: Document, now: datetime, api_version: str, owned: Owned, manager: str) -> Document:
    time = f"{now:%FT%TZ}"
    metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": time, **wanted["metadata"]}
    named: Document = {
        f"f:{part}": {".": {}, **{f"f:{name}": {} for name in metadata[part]}}
        for part in ("annotations", "labels")
        if part in metadata
    }
    metadata["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": named, **owned(wanted)},
        }
    ]
    return {"metadata": metadata, **{name: value for name, value in wanted.items() if name != "metadata"}}
