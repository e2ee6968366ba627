"""A resource whose objects have members that are kept as the text they came in (`apiserver.raw_extension`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import orjson

from api.model import Model
from api.scheme import Resource
from apiserver.decoding import JSON, PROTOBUF, media_type
from apiserver.endpoint import Endpoint
from apiserver.patch.request import JSON_PATCH, STRATEGIC_MERGE_PATCH, PatchRequest
from apiserver.raw_extension import KINDS, Leads, Raw, compact, leads_of, places, spell, spellings, text_of, texts
from apiserver.registry.table import Registry
from apiserver.storage.entry import Entry
from apiserver.storage.watch_cache import WatchCache
from apiserver.stored import StoredObject, without_managers


def endpoint_of(resource: Resource, registry: Registry, cache: WatchCache) -> Endpoint:
    """How a built-in resource is served."""
    return (RawEndpoint if resource.kind in KINDS else Endpoint)(resource, registry, cache)


class RawEndpoint(Endpoint):
    """Typed objects hold a `Raw` wherever a RawExtension is, so that rules compare them as Kubernetes does; what is
    stored, and shown, has the texts in it."""

    @cached_property
    def leads(self) -> Leads:
        model: type[Model] = self.model
        return leads_of(model)

    def read(self, body: bytes, content_type: str, field_validation: str) -> tuple[Any, list[str]]:
        new, warnings = super().read(body, content_type, field_validation)
        media = media_type(content_type)
        if media == JSON:
            given = texts(self.leads, body.decode())
        else:
            given = self._in_protobuf(body) if media == PROTOBUF else {}
        try:
            spell(self.leads, new, lambda path, value: given.get(path) or text_of(value))
        except orjson.JSONDecodeError:  # there is a NaN, which only a close look refuses
            return super().read(body, content_type, "Warn")
        return new, warnings

    def _in_protobuf(self, body: bytes) -> dict[str, str]:
        from apiserver import protobuf

        return spellings(self.leads, protobuf.read(self.model, protobuf.unwrap(body).raw))

    def read_patched(
        self, request: PatchRequest, document: Any, stored: StoredObject, unread: Sequence[str]
    ) -> tuple[Any, list[str]]:
        new, warnings = super().read_patched(request, document, stored, unread)
        before = {} if request.kind == STRATEGIC_MERGE_PATCH else spellings(self.leads, stored.typed)

        def text(path: str, value: dict[str, Any]) -> str:
            if path in before and orjson.loads(before[path]) == value:
                return compact(before[path])
            return text_of(value, in_order=request.kind != JSON_PATCH)

        spell(self.leads, new, text)
        return new, warnings

    def read_applied(self, document: dict[str, Any], stored: StoredObject | None) -> Any:
        new = super().read_applied(document, stored)
        same = stored is not None and _says_the_same(document, stored.document)
        before = spellings(self.leads, stored.typed) if stored is not None and same else {}
        spell(self.leads, new, lambda path, value: before.get(path) or text_of(value, in_order=True))
        return new

    def read_stored(self, encoded: bytes, entry: Entry) -> Any:
        stored = super().read_stored(encoded, entry)
        self._spell_as_stored(stored, entry)
        return stored

    def document(self, entry: Entry) -> dict[str, Any]:
        document = super().document(entry)
        self._spell_as_stored(document, entry)
        return document

    def _spell_as_stored(self, holder: Any, entry: Entry) -> None:
        stored = texts(self.leads, entry.body.decode())
        spell(self.leads, holder, lambda path, _: stored[path])

    def stored_form(self, document: dict[str, Any], obj: Any) -> dict[str, Any]:
        given = {path: value.text for path, _, _, value in places(self.leads, obj) if isinstance(value, Raw)}
        form: dict[str, Any] = orjson.loads(orjson.dumps(super().stored_form(document, obj)))
        for path, holder, name, _ in places(self.leads, form):
            if path in given:
                holder[name] = orjson.Fragment(given[path])
        return form

    def spelled_alike(self, new: Any, old: Any) -> bool:
        return spellings(self.leads, new) == spellings(self.leads, old)


def _says_the_same(applied: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether applying has changed nothing but who owns what."""
    document = {name: value for name, value in applied.items() if name not in ("apiVersion", "kind")}
    return without_managers(document) == without_managers(stored)
