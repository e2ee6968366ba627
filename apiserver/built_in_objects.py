"""Writes the objects that every cluster has, and brings those back into shape that are there already.

They are written as JSON, past the handlers: nothing in them needs admission or defaults, and a server that starts has
better things to do than to load the types of kinds that nobody asks for.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson

from api.scheme import Resource
from apiserver.storage.protocol import KeyExists, RevisionMismatch
from apiserver.storage.watch_cache import WatchCache, key_prefix

Document = dict[str, Any]
Merge = Callable[[Document, Document], bool]
"""Changes an existing object where it must agree with the built-in one; tells whether it did."""
Owned = Callable[[Document], Document]
"""The fields of an object that are set, as FieldsV1, metadata excepted."""


async def ensure(
    cache: WatchCache, now: datetime, resource: Resource, wanted: Iterable[Document], owned: Owned, merge: Merge
) -> None:
    """Create what is missing, merge what is there.  All writes at once, so that they share their syncs to disk."""
    prefix = key_prefix(resource.group_resource)
    await asyncio.gather(*(_ensure_one(cache, now, resource, prefix, each, owned, merge) for each in wanted))


async def _ensure_one(
    cache: WatchCache, now: datetime, resource: Resource, prefix: str, wanted: Document, owned: Owned, merge: Merge
) -> None:
    metadata = wanted["metadata"]
    namespace = metadata.get("namespace", "")
    key = f"{prefix}{namespace}/{metadata['name']}" if namespace else prefix + metadata["name"]
    entry = cache.get(key)
    try:
        if entry is None:
            document = _complete(wanted, now, resource.api_version, owned)
            await cache.create(key, orjson.dumps(document), document)
            return
        document = orjson.loads(entry.value)
        if merge(document, wanted):
            await cache.update(key, orjson.dumps(document), entry.revision, document)
    except (KeyExists, RevisionMismatch):
        pass  # another server writes the same, or a user something else: the next start looks again


def _complete(wanted: Document, now: datetime, api_version: str, owned: Owned) -> Document:
    time = f"{now:%FT%TZ}"
    metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": time, **wanted["metadata"]}
    named: Document = {
        f"f:{part}": {".": {}, **{f"f:{name}": {} for name in metadata[part]}}
        for part in ("annotations", "labels")
        if part in metadata
    }
    metadata["managedFields"] = [
        {
            "manager": "kube-apiserver",
            "operation": "Update",
            "apiVersion": api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": named, **owned(wanted)},
        }
    ]
    return {"metadata": metadata, **{name: value for name, value in wanted.items() if name != "metadata"}}
