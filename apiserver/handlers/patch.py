"""PATCH in its four forms, each a way of making the new object from the old.

https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-update
"""

from __future__ import annotations

from typing import Any

import orjson

from api.model import Model
from apiserver.handlers.update import Transform
from apiserver.handlers.write import Write, unnamed
from apiserver.patch.apply import apply
from apiserver.patch.request import (
    APPLY_PATCH,
    JSON_PATCH,
    ApplyRequest,
    PatchRequest,
    patch_type,
)
from apiserver.stored import StoredObject, shareable

__all__ = ["APPLY_PATCH", "patch_type", "transformer"]


def transformer(write: Write, kind: str, body: bytes) -> Transform:
    """The change a patch makes.  Raises BadRequest when the patch itself is malformed."""
    if kind == APPLY_PATCH:
        return _applying(write, body)
    request = PatchRequest(kind, body, write.options.field_validation, custom=write.endpoint.custom)
    model: type[Model] = write.endpoint.model
    shared = [name for name in shareable(model) if request.leaves_alone(name)]

    def transform(old: Any, stored: StoredObject | None) -> Any:
        assert stored is not None
        # Only a JSON patch changes what is inside of managedFields; the others replace the list.
        document = orjson.loads(orjson.dumps(stored.document)) if kind == JSON_PATCH else stored.copy(shared)
        changed = request.apply(_shown(write, document), write.endpoint.schema)
        new: Any
        new, warnings = write.endpoint.read_patched(request, changed, stored, shared)
        for name in shared:
            setattr(new, name, getattr(old, name))
        write.warnings[:] = dict.fromkeys([*write.warnings, *warnings])
        if not new.metadata.name:
            raise unnamed(old.metadata.name)
        return new

    return transform


def _shown(write: Write, document: dict[str, Any]) -> dict[str, Any]:
    """The stored object as a client sees it, which is what patches are written against."""
    resource = write.endpoint.resource
    return {"kind": resource.kind, "apiVersion": resource.api_version, **document}


def _applying(write: Write, body: bytes) -> Transform:
    resource = write.endpoint.resource
    request = ApplyRequest(body, write.options.field_validation)
    request.check(resource.api_version, resource.kind)

    def transform(old: Any, stored: StoredObject | None) -> Any:
        live = None if stored is None else _shown(write, stored.copy())
        merged = apply(
            write.endpoint.schema,
            live,
            request.applied,
            write.options.manager,
            write.options.force,
            resource.api_version,
            write.api.clock.now(),
            write.subresource,
            ignored=dict(write.unowned or {}),
            versions=write.endpoint.in_version,
        )
        write.applied = merged
        new = write.endpoint.read_applied(merged, stored)
        write.warnings[:] = dict.fromkeys([*write.warnings, *request.warnings])
        return new

    return transform
