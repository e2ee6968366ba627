"""What creating and updating have in common: admission, validation, field ownership, the bytes to store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import orjson

from api.errors import (
    MODIFIED,
    BadRequest,
    FieldError,
    already_exists,
    conflict,
    invalid,
    not_found,
)
from apiserver.admission import chain
from apiserver.admission.plugin import AdmissionRequest
from apiserver.endpoint import API, Endpoint
from apiserver.filters.authorization import forbidden
from apiserver.handlers.options import WriteOptions
from apiserver.new_object import NewObject
from apiserver.patch.managed_fields import NotOfVersion, managers_of, problems, update_managers
from apiserver.registry.strategy import Context, Scale, Status, Subresource
from apiserver.request import RequestInfo, User
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import KeyExists, KeyMissing, RevisionMismatch
from apiserver.stored import StoredObject

_WRITTEN_WITH_STATUS = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass(slots=True)
class Write:
    """One write on its way through the server."""

    api: API
    endpoint: Endpoint
    user: User
    options: WriteOptions
    namespace: str
    warnings: list[str]
    subresource: str = ""
    part: Subresource | None = None
    """The rules of an action of the server's own, whose changes belong to nobody; else those of `subresource` hold."""
    applied: dict[str, Any] | None = None
    """For server-side apply and for a Scale: an object whose managedFields stand."""
    alone: bool = False
    """Whether the server writes it by itself, as when it starts: the object's companions (`Strategy.companions`) are
    left to later, and no webhook or policy is asked, which would have to be there before the server is."""
    nameless: bool = False
    """Whether it is one of many: the client deletes a collection and names no object."""
    audit_annotations: dict[str, str] = field(default_factory=dict)
    """What admission tells the audit log."""
    _names_managers: bool = field(default=False, init=False)
    """Whether the client has written managedFields itself."""
    _new: NewObject | None = field(default=None, init=False)
    """What is created, as JSON."""
    _encoded: tuple[bytes, dict[str, Any]] = field(default=(b"", {}), init=False)
    """The updated object when ownership was asked for, as JSON and parsed: often what is stored in the end."""

    def context(self) -> Context:
        return self.api.context(self.user)

    def admission_request(
        self,
        operation: str,
        obj: Any,
        old: Any,
        name: str,
        stored: StoredObject | None = None,
        context: Context | None = None,
    ) -> AdmissionRequest:
        """`stored` is what `old` was read from; `context` that of the write, where there is one already."""
        return AdmissionRequest(
            operation=operation,
            resource=self.endpoint.resource,
            subresource=self.subresource,
            namespace=self.namespace,
            name=name,
            object=obj,
            old_object=old,
            user=self.user.name,
            groups=self.user.groups,
            dry_run=self.options.dry_run,
            context=context or self.context(),
            warnings=self.warnings,
            audit_annotations=self.audit_annotations,
            options=self.options,
            old_document=None if stored is None else stored.document,
            nameless=self.nameless,
        )

    def may_create(self, name: str) -> None:
        """Refuse those who may update an object but not make it.  Raises Forbidden."""
        resource, namespace = self.endpoint.resource, self.namespace
        if not self.context().may("create", resource.group, resource.plural, namespace, name):
            info = RequestInfo(
                "", "create", is_resource=True, group=resource.group, namespace=namespace, resource=resource.plural,
                name=name,
            )  # fmt: skip
            raise forbidden(self.user, info)

    async def mutate(self, request: AdmissionRequest) -> bool:
        """Let everybody change the object who may, and refuse the write: plugins, then webhooks.  Returns whether
        a webhook has changed it.  What follows from an action was admitted as that."""
        return self.part is None and await chain.mutate(self.api, request, webhooks=not self.alone)

    async def admit(self, request: AdmissionRequest) -> None:
        """Let everybody refuse the write who may: plugins, then webhooks."""
        if self.part is None:
            await chain.admit(self.api, request, webhooks=not self.alone)

    async def admit_action(self, obj: Any, name: str) -> None:
        """What is done to an object by POST of another, such as a Binding, is admitted as such.  Raises StatusError."""
        request = self.admission_request("CREATE", obj, None, name)
        await self.mutate(request)
        await self.admit(request)

    def refuse(self, name: str, errors: list[FieldError]) -> None:
        """Raises Invalid when there are errors."""
        if errors:
            raise invalid(self.endpoint.group, self.endpoint.resource.kind, name, errors)

    @property
    def target(self) -> Subresource | Scale | None:
        """The part of the object that is written, None for the object itself."""
        return self.part or self.endpoint.subresources.get(self.subresource)

    def put_back(self, stored: StoredObject, new: Any) -> None:
        """Put in what stays as it is in the store, whatever the client says: in a write of status, all but that and
        metadata."""
        if isinstance(self.target, Status) and not self.target.depends_on_rest:
            for name in self.endpoint.model.model_fields:
                if name not in _WRITTEN_WITH_STATUS:
                    setattr(new, name, getattr(stored.typed, name))

    @property
    def unowned(self) -> Mapping[str, Any] | None:
        """The fields this write is no claim to; see `Subresource.unowned`."""
        target = self.target
        if isinstance(target, Subresource):
            return target.unowned(self.endpoint.model)
        return self.endpoint.strategy.unowned

    def managers(self, new: Any, stored: StoredObject | None) -> list[dict[str, Any]]:
        """The ownership of fields after this write.

        To be asked before admission, preparation and allocation: what those fill in is nobody's
        (https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers).
        """
        if not self.endpoint.strategy.tracks_owners:
            new.metadata.managedFields = []
            return []
        if self.applied:
            return managers_of(self.applied)
        if self.part is not None and stored is not None:
            return stored.managers
        apart: Mapping[str, bytes] = {}
        if stored is None:
            document, apart = self.new.as_given(new)
        else:
            encoded = self._encode(new, stored, as_given=True)
            document = self._parse(new, encoded, stored)
        if "managedFields" in new.metadata.model_fields_set:
            self._names_managers = True
            if not new.metadata.managedFields:
                document["metadata"]["managedFields"] = []  # sent as an empty list: forget all managers
            new.metadata.managedFields = []  # what was sent has had its effect; the answer is what is stored
        elif stored is not None:
            self._encoded = (encoded, document)
        try:
            return update_managers(
                self.endpoint.schema,
                None if stored is None else stored.document,
                document,
                self.options.manager,
                self.endpoint.resource.api_version,
                self.api.clock.now(),
                self.subresource,
                ignored=dict(self.unowned or {}),
                versions=self.endpoint.in_version,
                apart=apart,
                changeable=self.endpoint.custom,
            )
        except NotOfVersion:
            return []  # as in Kubernetes: where ownership cannot be told, nobody owns anything

    def manager_problems(self, managers: list[dict[str, Any]]) -> list[FieldError]:
        """What is wrong with managers that come from the client."""
        return list(problems(managers)) if self._names_managers else []

    @property
    def new(self) -> NewObject:
        if self._new is None:
            self._new = NewObject(self.endpoint.model, shares=self.endpoint.owns_storage)
        return self._new

    @staticmethod
    def _encode(obj: Any, stored: StoredObject, *, as_given: bool = False) -> bytes:
        """The object as JSON, without what it shares with the stored one."""
        encoded: bytes = obj.encode(stored.changed(obj) | {"metadata"}, as_given=as_given)
        return encoded

    @staticmethod
    def _parse(obj: Any, encoded: bytes, stored: StoredObject) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(encoded)
        changed = stored.changed(obj) | {"metadata"}
        stored.share_with(document)
        kept = {name: document.get(name, value) for name, value in stored.document.items()
                if name in document or name not in changed}  # fmt: skip
        return kept | document

    def document(self, obj: Any, managers: list[dict[str, Any]], stored: StoredObject | None = None) -> dict[str, Any]:
        """The object with its managedFields, as JSON; `stored` is what an update started from."""
        if stored is None:
            document = self.new.document(obj)
            self._new = None  # used up
        else:
            encoded = self._encode(obj, stored)
            before, document = self._encoded
            self._encoded = (b"", {})  # used up
            if encoded != before:  # admission, preparation or allocation have changed something
                document = self._parse(obj, encoded, stored)
        if managers:
            document["metadata"]["managedFields"] = managers
        else:
            document["metadata"].pop("managedFields", None)
        return document

    async def _stored_form(self, document: dict[str, Any], obj: Any) -> dict[str, Any]:
        if self.endpoint.converts:
            document = await self.endpoint.in_storage_version(document)
        return self.endpoint.stored_form(document, obj)

    async def store_new(self, document: dict[str, Any], obj: Any) -> Entry:
        """`document` is what `document()` made of `obj`.  Raises AlreadyExists."""
        namespace, name = obj.metadata.namespace, obj.metadata.name
        resource, key = self.endpoint.resource, self.endpoint.key(namespace, name)
        form = await self._stored_form(document, obj)
        value = _encoded(form)
        if self.options.dry_run:
            if self.api.cache.get(key) is not None:
                raise already_exists(resource.group, resource.plural, name)
            return Entry.detached(key, namespace, name, value, 0)
        try:
            return await self.api.cache.create(key, value, form)
        except KeyExists:
            raise already_exists(resource.group, resource.plural, name) from None

    async def store_changed(self, document: dict[str, Any], obj: Any, current: Entry) -> Entry:
        """`document` as in `store_new`.  Raises RevisionMismatch when the object has changed or gone meanwhile."""
        form = await self._stored_form(document, obj)
        value = _encoded(form)
        if self.options.dry_run:
            return Entry.from_value(current.key, value, current.revision, None)
        try:
            return await self.api.cache.update(current.key, value, current.revision, form)
        except KeyMissing:
            raise RevisionMismatch(current.key, 0) from None

    async def remove(self, document: dict[str, Any], obj: Any, current: Entry) -> Entry:
        """Take the object from the store; `obj` is its last state, `document` as in `store_new`.

        Raises KeyMissing, RevisionMismatch.
        """
        form = await self._stored_form(document, obj)
        return await self.api.cache.delete(current.key, orjson.dumps(form), current.revision, form)

    def conflict(self, name: str, why: str = MODIFIED) -> Exception:
        resource = self.endpoint.resource
        return conflict(resource.group, resource.plural, name, why)

    def missing(self, name: str) -> Exception:
        if not name:
            return BadRequest("Name parameter required.")
        resource = self.endpoint.resource
        return not_found(resource.group, resource.plural, name)


_DEEPEST = 128
"""Levels of nesting an object may have: as many as every later work on it can bear."""
_STEPS = bytes({"{": 1, "[": 1, "}": 255, "]": 255}.get(chr(code), 0) for code in range(256))
_NO_BRACKETS = bytes(code for code in range(256) if not _STEPS[code])
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _encoded(form: dict[str, Any]) -> bytes:
    """An object as it is stored.  Raises BadRequest for one that is nested too deeply."""
    value = orjson.dumps(form)
    brackets = value.translate(None, _NO_BRACKETS)
    # Most that open are those of empty objects, as in managedFields, which nothing is nested in.
    holding = brackets.count(b"{") + brackets.count(b"[") - value.count(b"{}")
    if holding >= _DEEPEST and _depth(value) > _DEEPEST:
        raise BadRequest("exceeded max depth")
    return value


def _depth(text: bytes) -> int:
    """The most brackets that are open at once in a JSON text."""
    outside = _STRING.sub(b"", text) if b"\\" in text else b"".join(text.split(b'"')[::2])
    steps = outside.translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")))


def unnamed(name: str) -> BadRequest:
    """The refusal of a write whose object has no name; `name` is that of the URL."""
    return BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")


def check_names(new: Any, namespace: str, name: str, namespaced: bool) -> None:
    """An object must not contradict the URL it is sent to.  Fills in the namespace.  Raises BadRequest."""
    metadata = new.metadata
    if not namespaced:
        metadata.namespace = ""
    elif not metadata.namespace:
        metadata.namespace = namespace
    elif metadata.namespace != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    if name and metadata.name and metadata.name != name:
        raise BadRequest(f"the name of the object ({metadata.name}) does not match the name on the URL ({name})")
