"""PATCH in its four forms, each a way of making the new object from the old.

https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-update
"""

from __future__ import annotations

from typing import Any

import orjson

from api.errors import BadRequest, UnsupportedMediaType
from apiserver.decoding import decode_request, parse_document
from apiserver.handlers.update import Transform
from apiserver.handlers.write import Write
from apiserver.patch import json_patch, merge_patch, strategic_merge
from apiserver.patch.apply import apply
from apiserver.storage.entry import Entry

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
SUPPORTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)


def patch_type(content_type: str) -> str:
    """The kind of patch.  Raises UnsupportedMediaType naming those there are."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in SUPPORTED:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join([*SUPPORTED, "application/apply-patch+cbor"])
        )
    return kind


def transformer(write: Write, kind: str, body: bytes) -> Transform:
    """The change a patch makes.  Raises BadRequest when the patch itself is malformed."""
    if kind == APPLY_PATCH:
        return _applying(write, body)
    patch = _parsed(body, kind)

    def transform(old: Any, entry: Entry) -> Any:
        document = current_document(write, entry)
        if kind == JSON_PATCH:
            changed = json_patch.apply(document, patch)
        elif kind == MERGE_PATCH:
            changed = merge_patch.apply(document, patch)
        else:
            changed = strategic_merge.apply(document, patch, write.endpoint.schema)
        return _decoded(write, changed)

    return transform


def current_document(write: Write, entry: Entry) -> dict[str, Any]:
    """The stored object as a client sees it, which is what patches are written against."""
    document: dict[str, Any] = orjson.loads(write.endpoint.body(entry))
    resource = write.endpoint.resource
    return {"kind": resource.kind, "apiVersion": resource.api_version, **document}


def _parsed(body: bytes, kind: str) -> Any:
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"error decoding patch: {error}") from None
    if patch is None:
        return [] if kind == JSON_PATCH else {}
    wanted, name = (list, "list of operations") if kind == JSON_PATCH else (dict, "object")
    if not isinstance(patch, wanted):
        raise BadRequest(f"error decoding patch: {kind} wants a JSON {name}")
    return patch


def _decoded(write: Write, document: Any) -> Any:
    """Read a patched document, with the strictness the client asked for."""
    model, resource = write.endpoint.model, write.endpoint.resource
    new, warnings = decode_request(
        model, orjson.dumps(document), "application/json", write.options.field_validation,
        kind=resource.kind, version=resource.group_version.version,
    )  # fmt: skip
    if new.kind and new.kind != resource.kind:
        raise BadRequest(f"the kind of the patched object ({new.kind}) must stay {resource.kind}")
    write.warnings[:] = list(dict.fromkeys([*write.warnings, *warnings]))
    return new


def _applying(write: Write, body: bytes) -> Transform:
    resource = write.endpoint.resource
    applied = parse_document(body, "application/yaml")
    if not isinstance(applied, dict):
        raise BadRequest("an apply patch must be an object")
    _check_applied(write, applied)

    def transform(old: Any, entry: Entry | None) -> Any:
        live = None if entry is None else current_document(write, entry)
        merged = apply(
            write.endpoint.schema,
            live,
            applied,
            write.options.manager,
            write.options.force,
            resource.api_version,
            write.api.clock.now(),
            write.subresource,
            ignored=dict(write.unowned or {}),
        )
        write.applied = merged
        return _decoded(write, merged)

    return transform


def _check_applied(write: Write, applied: dict[str, Any]) -> None:
    resource = write.endpoint.resource
    kind, version = applied.get("kind"), applied.get("apiVersion")
    if not kind or not version:
        raise BadRequest("invalid object type: /, Kind=" if not kind else "invalid object: apiVersion must be set")
    if kind != resource.kind or version != resource.api_version:
        raise BadRequest(
            f"the applied object is a {version} {kind}, the URL serves {resource.api_version} {resource.kind}"
        )
    metadata = applied.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
