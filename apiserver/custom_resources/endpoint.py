"""One version of a custom resource as it is served.

Objects are stored in the storage version of their definition, with that version's name at their end: what has been
stored under the present schema is shown as it is, at the price of a copy.  What is older, or of another version, is
read into the present schema when somebody looks at it, and remembered.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from sys import intern
from typing import TYPE_CHECKING, Any

import orjson

from api.errors import BadRequest, MethodNotAllowed, StatusError, not_found
from api.meta_v1 import StatusDetails
from api.schema import Schema
from api.scheme import Resource
from apiserver.answer import PageNotFound
from apiserver.custom_resources.decoding import decode_applied, decode_patched, decode_request
from apiserver.custom_resources.definition import Definition, Version
from apiserver.custom_resources.strategy import CustomResources
from apiserver.endpoint import API, Endpoint
from apiserver.patch.managed_fields import NotOfVersion
from apiserver.patch.request import PatchRequest
from apiserver.patch.typed import problems
from apiserver.registry.table import Registry
from apiserver.request import RequestInfo
from apiserver.stored import StoredObject

if TYPE_CHECKING:
    from apiserver.storage.entry import Entry
    from apiserver.storage.protocol import Revision

_REMEMBERED = 1000
"""Objects that are kept as they are shown, where that is not as they are stored, before any is forgotten."""


class CustomEndpoint(Endpoint):
    """`fresh_since`: objects written at a later revision were stored under the present schema of their version."""

    custom = True

    def __init__(self, definition: Definition, version: Version, api: API, fresh_since: Revision) -> None:
        super().__init__(version.resource, _NONE, api.cache)
        self._api = api
        self.converts = definition.webhook is not None
        self.definition, self.version = definition, version
        self.owns_storage = False
        self.retired = False
        """Whether another has taken its place: what is still written through it may not be fresh."""
        self.head = b'{"apiVersion":"%s","kind":"%s",' % (version.api_version.encode(), version.kind.encode())
        self._stored_as = intern(version.api_version)
        self._fresh_since = fresh_since
        self._shown: dict[str, tuple[Entry, bytes]] = {}
        self._room = _REMEMBERED

    @cached_property
    def strategy(self) -> CustomResources:
        return CustomResources(self.definition, self.version)

    @cached_property
    def model(self) -> type[Any]:
        return self.version.model

    @property
    def schema(self) -> Schema:
        return self.version.field_schema

    @property
    def discovered(self) -> Resource:
        """The resource as discovery lists it: of what is being deleted nothing can be made or changed."""
        if not self.definition.terminating:
            return self.resource
        verbs = tuple(verb for verb in self.resource.verbs if verb not in ("create", "patch", "update"))
        return replace(self.resource, verbs=verbs)

    # --- who may ask what ------------------------------------------------------------------------

    def check(self, info: RequestInfo) -> None:
        """Raises StatusError for a request that is not about anything here."""
        resource = self.resource
        if not info.namespace and self.namespaced:
            if info.verb not in ("list", "watch"):
                raise PageNotFound()
        elif info.namespace and not self.namespaced:
            raise PageNotFound()
        if not info.subresource:
            if info.verb not in resource.verbs:
                raise self._unsupported(info)
            if info.verb in ("update", "patch") and not info.name:
                raise BadRequest("name must be provided")
        elif info.subresource not in self.subresources:
            raise not_found(resource.group, resource.plural, info.name)
        elif info.verb not in self.subresources[info.subresource].verbs:
            raise self._unsupported(info)
        self.check_name(info.name)

    def _unsupported(self, info: RequestInfo) -> MethodNotAllowed:
        resource = self.resource
        return MethodNotAllowed(
            f'{info.verb} is not supported on resources of kind "{resource.group_resource}"',
            StatusDetails(group=resource.group, kind=resource.plural),
        )

    # --- reading what clients send -----------------------------------------------------------------

    def read(self, body: bytes, content_type: str, field_validation: str) -> tuple[Any, list[str]]:
        return decode_request(self.version, body, content_type, field_validation)

    def read_patched(
        self, request: PatchRequest, document: Any, stored: StoredObject, unread: Sequence[str]
    ) -> tuple[Any, list[str]]:
        return decode_patched(self.version, request, document, stored.managers)

    def read_applied(self, document: dict[str, Any], stored: StoredObject | None) -> Any:
        return decode_applied(self.version, document)

    # --- showing what is stored --------------------------------------------------------------------

    def members(self, entry: Entry) -> bytes:
        fresh = entry.written > self._fresh_since and entry.stored_as == self._stored_as
        return entry.members if fresh else self._converted(entry)

    def items(self, entries: Sequence[Entry]) -> bytes:
        """Lists of custom objects say of each what it is."""
        return self.head + (b"," + self.head).join(self._all_members(entries))

    def _all_members(self, entries: Sequence[Entry]) -> list[bytes]:
        fresh_since, stored_as = self._fresh_since, self._stored_as
        return [
            entry.members if entry.written > fresh_since and entry.stored_as == stored_as else self._converted(entry)
            for entry in entries
        ]

    def _converted(self, entry: Entry) -> bytes:
        shown = self._shown.get(entry.key)
        if shown is not None and shown[0] is entry:
            return shown[1]
        source, metadata, members = self._read_stored(entry)
        if source is not self.version:
            if self.converts:
                raise StatusError(f"{source.api_version}, Kind={source.kind} has not been converted")
            self.version.coerce(members)
        self._forget(1)
        return self._remember(entry, metadata, members)

    def _read_stored(self, entry: Entry) -> tuple[Version, Any, dict[str, Any]]:
        """The version a stored object is in, its metadata and its other members.  Raises StatusError."""
        members = entry.document
        metadata, api_version = members.pop("metadata"), entry.stored_as or members.pop("apiVersion")
        source = self.definition.versions.get(api_version.rpartition("/")[2])
        if source is None:
            raise StatusError(f"request to convert CR from an invalid group/version: {api_version}")
        if not source.fits(members):
            source.coerce(members)
        source.default(members)
        return source, metadata, members

    def _remember(self, entry: Entry, metadata: Any, members: dict[str, Any]) -> bytes:
        shown = orjson.dumps({"metadata": metadata, **members})[1:]
        self._shown[entry.key] = (entry, shown)
        return shown

    def _forget(self, coming: int) -> None:
        """Make room for what will be remembered: objects that have changed or gone are not shown again."""
        if len(self._shown) + coming > self._room:
            current = self.cache.get
            self._shown = {key: shown for key, shown in self._shown.items() if current(key) is shown[0]}
            self._room = max(_REMEMBERED, 2 * (len(self._shown) + coming))

    async def prepare(self, entries: Sequence[Entry]) -> None:
        if not self.converts:
            return
        waiting: dict[Version, list[tuple[Entry, dict[str, Any]]]] = {}
        for entry in entries:
            shown = self._shown.get(entry.key)
            if shown is None or shown[0] is not entry:
                source, metadata, members = self._read_stored(entry)
                if source is not self.version:
                    whole = {"apiVersion": source.api_version, "kind": source.kind, "metadata": metadata, **members}
                    waiting.setdefault(source, []).append((entry, whole))
        for source, found in waiting.items():
            converted = await self._convert([whole for _, whole in found], source, self.version)
            self._forget(len(found))
            for (entry, _), members in zip(found, converted, strict=True):
                metadata = members.pop("metadata")
                self._remember(entry, metadata, members)

    async def in_storage_version(self, document: dict[str, Any]) -> dict[str, Any]:
        storage = self.definition.storage
        if storage is self.version:
            return document
        whole = {**document, "apiVersion": self.version.api_version, "kind": self.version.kind}
        [converted] = await self._convert([whole], self.version, storage)
        return converted

    async def _convert(self, objects: list[dict[str, Any]], source: Version, target: Version) -> list[dict[str, Any]]:
        """Whole objects of one version as those of another, without kind and apiVersion, cut to its schema."""
        from apiserver.custom_resources.conversion import convert  # few definitions have a webhook

        assert self.definition.webhook is not None
        converted = await convert(self.definition.webhook, self._api.webhook_client, objects, source, target)
        for document in converted:
            del document["apiVersion"], document["kind"]
            metadata = document.pop("metadata")
            target.coerce(document)
            document["metadata"] = metadata
        return converted

    def in_version(self, api_version: str, document: dict[str, Any]) -> tuple[Schema, dict[str, Any]] | None:
        other = self.definition.versions.get(api_version.rpartition("/")[2])
        if other is None or other.api_version != api_version or self.converts:
            return None  # what a webhook would have to show is as good as gone here, where nobody can wait for it
        if (problem := next(problems(other.field_schema, document), None)) is not None:
            raise NotOfVersion(problem)
        return other.field_schema, document

    def converted(self, api_version: str, document: dict[str, Any]) -> dict[str, Any] | None:
        other = self.definition.versions.get(api_version.rpartition("/")[2])
        known = other is not None and other.api_version == api_version and not self.converts
        return document if known else None

    async def convert(self, api_version: str, document: dict[str, Any]) -> dict[str, Any] | None:
        other = self.definition.versions.get(api_version.rpartition("/")[2])
        if other is None or other.api_version != api_version or not self.converts:
            return self.converted(api_version, document)
        whole = {**document, "apiVersion": self.version.api_version, "kind": self.version.kind}
        [converted] = await self._convert([whole], self.version, other)
        return converted

    def equivalents(self) -> list[Resource]:
        return [version.resource for version in self.definition.served if version is not self.version]

    def stored_form(self, document: dict[str, Any], obj: Any) -> dict[str, Any]:
        metadata = document["metadata"]
        metadata.pop("resourceVersion", None)
        members = {name: value for name, value in document.items() if name not in ("metadata", "kind", "apiVersion")}
        storage = self.definition.storage
        if storage is not self.version and not self.converts:
            storage.coerce(members)
        storage.default(members)  # also in what was left out of the write, such as status: it is read so anyway
        version = {"apiVersion": storage.api_version}
        if self.retired:
            return {"metadata": metadata, **version, **members}
        return {"metadata": metadata, **members, **version}


_NONE = Registry()
