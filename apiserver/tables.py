"""Objects as clients that only show them ask for them: as rows of a table, or only their metadata.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import orjson

from api.errors import NotAcceptable, invalid, not_supported
from apiserver.negotiation import MediaType
from apiserver.registry.columns import NAME
from apiserver.registry.strategy import Column, Strategy

if TYPE_CHECKING:
    from api.scheme import Resource
    from apiserver.request import Request
    from apiserver.storage.entry import Entry

_INCLUDE = ("None", "Metadata", "Object")

_CREATED_AT: Column[Any] = Column(
    "Created At",
    lambda obj, now: "" if obj.metadata.creationTimestamp is None else f"{obj.metadata.creationTimestamp:%FT%TZ}",
    type="date",
    description="When the server created the object.",
)
_DEFAULT_COLUMNS = (NAME, _CREATED_AT)


class Tabled(Protocol):
    """What is shown: the objects of an endpoint, or of a subresource that has a kind of its own."""

    custom: ClassVar[bool]

    @property
    def resource(self) -> Resource: ...
    @property
    def strategy(self) -> Strategy[Any]: ...
    def body(self, entry: Entry) -> bytes: ...
    def decode(self, entry: Entry) -> Any: ...


def transformed_object(
    endpoint: Tabled, entry: Entry, media: MediaType, request: Request, now: datetime, *, headers: bool = True
) -> dict[str, Any]:
    """One object in the form that `media` names: a table of one row, or its metadata.

    Without `headers` a table has no column definitions: in a watch only the first event carries them.
    Raises NotAcceptable when a list is asked for, Invalid for an unknown `includeObject`.
    """
    version = media.transform_version
    if media.transform == "PartialObjectMetadataList":
        shown = _go_type(endpoint, endpoint.resource.kind)
        raise NotAcceptable(f"you requested {media.transform}, but the requested object is not a list ({shown})")
    if media.transform == "PartialObjectMetadata":
        return _partial(endpoint, entry, version)
    metadata = {"resourceVersion": str(entry.revision)} if entry.revision else {}
    return _table(endpoint, [entry], metadata, version, request, now, headers)


def transformed_list(
    endpoint: Tabled,
    entries: Iterable[Entry],
    metadata: Mapping[str, Any],
    media: MediaType,
    request: Request,
    now: datetime,
) -> dict[str, Any]:
    """A list in the form that `media` names; `metadata` is the list's own.

    Raises NotAcceptable when a single object's metadata is asked for, Invalid for an unknown `includeObject`.
    """
    version = media.transform_version
    if media.transform == "PartialObjectMetadata":
        shown = _go_type(endpoint, endpoint.resource.list_kind)
        raise NotAcceptable(f"you requested {media.transform}, but the requested object is a list ({shown})")
    if media.transform == "PartialObjectMetadataList":
        items = [_partial(endpoint, entry, version) for entry in entries]
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": dict(metadata),
            "items": items,
        }
    return _table(endpoint, entries, metadata, version, request, now, headers=True)


def _go_type(endpoint: Tabled, kind: str) -> str:
    """What Kubernetes' own type of a kind is called, which it tells clients: "*apps.DeploymentList"."""
    if endpoint.custom:
        return "*unstructured.UnstructuredList" if kind == endpoint.resource.list_kind else "*unstructured.Unstructured"
    group = endpoint.resource.group_version.group
    # Both groups of events have one internal type.
    package = "core" if group == "events.k8s.io" else group.partition(".")[0] or "core"
    return f"*{package}.{kind}"


def included(request: Request) -> str:
    """What the rows of a table carry besides their cells.  Raises Invalid for an unknown `includeObject`."""
    include = request.query.get("includeObject") or "Metadata"
    if include not in _INCLUDE:
        raise invalid("meta.k8s.io", "TableOptions", "", [not_supported("includeObject", include, set(_INCLUDE))])
    return include


def column_definitions(strategy: Strategy[Any]) -> list[dict[str, Any]]:
    """What a kind's columns are called and how a client may show them."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in strategy.columns or _DEFAULT_COLUMNS
    ]


def _partial(endpoint: Tabled, entry: Entry, version: str) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": orjson.loads(endpoint.body(entry))["metadata"],
    }


def _table(
    endpoint: Tabled,
    entries: Iterable[Entry],
    metadata: Mapping[str, Any],
    version: str,
    request: Request,
    now: datetime,
    headers: bool,
) -> dict[str, Any]:
    include = included(request)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(metadata),
        "columnDefinitions": column_definitions(endpoint.strategy) if headers else None,
        "rows": [_row(endpoint, entry, include, version, now) for entry in entries],
    }


def _row(endpoint: Tabled, entry: Entry, include: str, version: str, now: datetime) -> dict[str, Any]:
    strategy = endpoint.strategy
    obj = endpoint.decode(entry)
    if strategy.columns:
        cells = strategy.cells(obj, now)
    else:
        cells = [column.value(obj, now) for column in _DEFAULT_COLUMNS]
    row: dict[str, Any] = {"cells": cells}
    conditions = strategy.row_conditions(obj)
    if conditions:
        row["conditions"] = conditions
    if include == "Metadata":
        row["object"] = _partial(endpoint, entry, version)
    elif include == "Object":
        resource = endpoint.resource
        row["object"] = {"kind": resource.kind, "apiVersion": resource.api_version, **obj.to_dict()}
    else:
        row["object"] = None
    return row
