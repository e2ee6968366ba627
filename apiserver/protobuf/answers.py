"""Answers in protobuf: objects, lists and the events of a watch, each in the envelope that says what it is.

https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from api.meta_v1 import ListMeta, ObjectMeta
from api.model import Model
from api.schema import Schema
from api.scheme import GroupVersion
from apiserver.protobuf.envelope import wrap
from apiserver.protobuf.members import Member, Members, members_of
from apiserver.protobuf.wire import BYTES, field
from apiserver.protobuf.writing import write
from apiserver.raw_extension import KINDS, leads_of, spell, texts


def encode(document: Mapping[str, Any]) -> bytes:
    """An object or a list, given as its JSON with `kind` and `apiVersion`.

    Raises LookupError for kinds that have no protobuf form; `encodable` says so before.
    """
    api_version, kind = document["apiVersion"], document["kind"]
    if "items" not in document or not kind.endswith("List"):
        return wrap(api_version, kind, _message(api_version, kind, document))
    metadata = field(1, BYTES, write(ListMeta, document.get("metadata") or {}))
    one = kind.removesuffix("List")
    items = [field(2, BYTES, _message(api_version, one, item)) for item in document["items"]]
    return wrap(api_version, kind, b"".join((metadata, *items)))


def encode_json(text: bytes) -> bytes:
    """The same from JSON as it is stored, in which what is kept as text is spelled as it came."""
    document = orjson.loads(text)
    one = document["kind"].removesuffix("List")
    if one in KINDS:
        leads = leads_of(_model(document["apiVersion"], one))
        if "items" in document:
            leads = {"items": leads}
        given = texts(leads, text.decode())
        spell(leads, document, lambda path, _: given[path])
    return encode(document)


def _message(api_version: str, kind: str, document: Mapping[str, Any]) -> bytes:
    if kind == "PartialObjectMetadata":
        return field(1, BYTES, write(ObjectMeta, document["metadata"]))
    return write(_model(api_version, kind), document)


def encode_event(type: str, document: Mapping[str, Any]) -> bytes:
    """A frame of a watch: its length in four bytes, a `WatchEvent` without an envelope, in it the enveloped object."""
    raw = field(1, BYTES, encode(document))
    event = field(1, BYTES, type.encode()) + field(2, BYTES, raw)
    return len(event).to_bytes(4, "big") + event


def encodable(model: type[Model]) -> bool:
    """Whether all field numbers of a type are written down."""
    try:
        _check(members_of(model), {model})
    except LookupError:
        return False
    return True


def _check(members: Members, seen: set[type[Model]]) -> None:
    for member in members.values():
        if not isinstance(member, Member):
            _check(member, seen)
            continue
        inner: Schema | None = member.schema
        while inner is not None and inner.model is None:
            inner = inner.items or inner.additional
        if inner is not None and inner.model is not None and inner.model not in seen:
            seen.add(inner.model)
            _check(members_of(inner.model), seen)


@cache
def _model(api_version: str, kind: str) -> type[Model]:
    version = GroupVersion.parse(api_version)
    group = "meta" if kind == "Status" else version.group.partition(".")[0] or "core"
    try:
        model: type[Model] = getattr(importlib.import_module(f"api.{group}_{version.version}"), kind)
    except (ImportError, AttributeError):
        raise LookupError(f"{kind} of {api_version} has no protobuf form") from None
    return model
