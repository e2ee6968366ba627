"""A write as those see it who judge it from outside: its objects as JSON, in the version that they ask for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pydantic

from api.errors import RequestEntityTooLarge, StatusError, internal_error
from api.model import Model
from api.schema import ANY, Schema, schema_of
from api.scheme import GroupVersion, Resource
from apiserver.admission.plugin import AdmissionRequest
from apiserver.go_errors import type_error
from apiserver.patch.managed_fields import decode as decode_managers
from apiserver.registry.object_meta import deduplicate_owners
from apiserver.registry.strategy import Scale

if TYPE_CHECKING:
    from apiserver.endpoint import API, Endpoint

Object = dict[str, Any]
_UNKNOWN_TO_WEBHOOKS = ("uid", "creationTimestamp")
"""Metadata that the server gives to a new object after everybody has changed it."""


class Kind(NamedTuple):
    group_version: GroupVersion
    kind: str

    @property
    def head(self) -> Object:
        """As an object says it."""
        return {"kind": self.kind, "apiVersion": str(self.group_version)}


class Attributes:
    """One write.  `final`: whether nobody changes its object any more."""

    def __init__(self, api: API, request: AdmissionRequest, *, final: bool) -> None:
        self.api, self.request, self.final = api, request, final
        self._shown: dict[Kind, Object] = {}
        self._old_shown: dict[Kind, Object] = {}

    @property
    def operation(self) -> str:
        return self.request.operation

    @property
    def resource(self) -> Resource:
        return self.request.resource

    @cached_property
    def kind(self) -> Kind:
        """That of the object which is sent, as in Scale for a deployment's scale."""
        return self.kind_for(self.resource)

    def kind_for(self, resource: Resource) -> Kind:
        """The same where the objects are shown by another resource."""
        part = next((part for part in resource.parts if part.name == self.request.subresource), None)
        if part is None or not part.kind:
            return Kind(resource.group_version, resource.kind)
        return Kind(part.group_version or resource.group_version, part.kind)

    @property
    def name(self) -> str:
        """The object's, empty where the client names none."""
        return "" if self.request.nameless else self.request.name

    @property
    def namespace(self) -> str:
        """The object's.  A namespace is in itself."""
        is_namespace = self.resource.group_resource == "namespaces"
        return self.request.namespace or (self.request.name if is_namespace else "")

    @cached_property
    def _endpoint(self) -> Endpoint | None:
        return self._endpoint_of(self.resource.group_version)

    def _endpoint_of(self, version: GroupVersion) -> Endpoint | None:
        return self.api.endpoint(version.group, version.version, self.resource.plural)

    @cached_property
    def equivalents(self) -> list[Resource]:
        """Other resources that show the same objects."""
        return [] if self._endpoint is None else self._endpoint.equivalents()

    @property
    def _scale(self) -> Scale | None:
        if self.request.subresource != "scale" or self._endpoint is None:
            return None
        part = self._endpoint.subresources.get("scale")
        return part if isinstance(part, Scale) else None

    # --- objects -----------------------------------------------------------------------------------

    def object(self, kind: Kind | None = None) -> Object | None:
        """The new state in one of its kinds, with kind and apiVersion; None when deleting.  Nobody changes it."""
        if self.request.object is None:
            return None
        kind = kind or self.kind
        if kind not in self._shown:
            self._shown[kind] = self._in_kind(kind, self._present())
        return self._shown[kind]

    def old_object(self, kind: Kind | None = None) -> Object | None:
        """The present state; None when there is none.  Nobody changes it."""
        if self.request.old_document is None:
            return None
        kind = kind or self.kind
        if kind not in self._old_shown:
            self._old_shown[kind] = self._in_kind(kind, self._past(self.request.old_document))
        return self._old_shown[kind]

    async def show(self, kind: Kind) -> None:
        """Have both states ready in a kind that a webhook may have to convert them to.  Raises InternalError."""
        endpoint = self._endpoint
        if kind == self.kind or endpoint is None or not endpoint.converts or self._scale is not None:
            return
        if self.request.object is not None and kind not in self._shown:
            self._shown[kind] = await _convert(endpoint, kind, self._present())
        if self.request.old_document is not None and kind not in self._old_shown:
            self._old_shown[kind] = await _convert(endpoint, kind, self._past(self.request.old_document))

    def _past(self, document: Object) -> Object:
        return document if (scale := self._scale) is None else _scale_of(scale, document)

    def _present(self) -> Object:
        """The new state in the request's kind, without kind and apiVersion."""
        obj = self.request.object
        document: Object = dict(obj) if isinstance(obj, dict) else obj.to_dict()
        if self.request.managers:
            document["metadata"]["managedFields"] = self.request.managers
        if (scale := self._scale) is not None:
            return _scale_of(scale, document)
        if self._is_new:
            hidden = (*_UNKNOWN_TO_WEBHOOKS, "name") if self.request.nameless else _UNKNOWN_TO_WEBHOOKS
            document["metadata"] = {k: v for k, v in document["metadata"].items() if k not in hidden}
        return document

    @property
    def _is_new(self) -> bool:
        """Whether the server has not yet given the object what it gives to new ones."""
        return self.operation == "CREATE" and not self.request.subresource and not self.final

    def _in_kind(self, kind: Kind, document: Object) -> Object:
        version = kind.group_version
        if kind == self.kind or self._scale is not None or self._endpoint is None:
            return {**kind.head, **document}
        shown = self._endpoint.converted(str(version), document)
        if shown is None:
            raise internal_error(f"unable to convert to {version}, Kind={kind.kind}")
        return {**shown, **kind.head}

    def look_again(self) -> None:
        """The object has been changed by somebody else."""
        self._shown.clear()

    def schema(self, kind: Kind) -> Schema:
        """Of the new state in that kind."""
        obj = self.request.object
        if kind != self.kind and (other := self._endpoint_of(kind.group_version)) is not None:
            return other.schema
        if self._scale is not None:
            from api.autoscaling_v1 import Scale as ScaleObject

            return schema_of(ScaleObject)
        if isinstance(obj, Model):
            return schema_of(type(obj))
        return ANY if self._endpoint is None or isinstance(obj, dict) else self._endpoint.schema

    # --- changes -----------------------------------------------------------------------------------

    async def replace_shown(self, document: Any, kind: Kind) -> bool:
        """As `replace`, for a kind that was shown by `show`."""
        other = self._endpoint_of(kind.group_version)
        if kind == self.kind or other is None or not other.converts or self._scale is not None:
            return self.replace(document, kind)
        return self.replace(await _convert(other, self.kind, document), self.kind)

    def replace(self, document: Any, kind: Kind) -> bool:
        """Make the new state what somebody has made of `object(kind)`.  Returns whether it is another.

        Raises InternalError when it is no object of the kind, RequestEntityTooLarge when no client could send it.
        """
        custom = not isinstance(self.request.object, Model)  # others say themselves what is wrong with their metadata
        if not isinstance(document, dict) or (custom and not isinstance(document.get("metadata", {}), dict)):
            raise internal_error("json: cannot unmarshal array into Go value of type map[string]interface {}")
        limit = self.api.max_request_bytes
        if len(orjson.dumps(document)) > limit:
            raise RequestEntityTooLarge(f"Request entity too large: limit is {limit}")
        shown = self.object(kind)
        assert shown is not None, "asked for only where there is an object"
        before, after = self._read(shown, kind), self._read(document, kind)
        self.look_again()
        obj = self.request.object
        if isinstance(obj, dict):
            self.request.object = after
            return after != before
        if (scale := self._scale) is not None:
            return self._rescale(scale, before, after)
        former, managers = (each["metadata"].pop("managedFields", []) for each in (before, after))
        if managers != former:
            self._manage(managers)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        self._put(obj, after, changed)
        return bool(changed)

    def _read(self, document: Object, kind: Kind) -> Object:
        """The document in the request's kind, with defaults, without kind and apiVersion."""
        if kind != self.kind and self._scale is None and self._endpoint is not None:
            other = self._endpoint_of(kind.group_version)
            shown = None if other is None else other.converted(self.resource.api_version, document)
            if shown is None:
                raise internal_error(f"unable to convert from {kind.group_version}, Kind={kind.kind}")
            document = shown
        if isinstance(self.request.object, dict):
            return {name: value for name, value in document.items() if name not in ("kind", "apiVersion")}
        if self._scale is not None:
            from api.autoscaling_v1 import Scale as ScaleObject

            scale: Object = _decoded(ScaleObject, document).to_dict()
            return scale
        obj = _decoded(type(self.request.object), document)
        obj.kind = obj.apiVersion = ""
        after: Object = obj.to_dict()
        return after

    def _put(self, obj: Any, after: Object, changed: list[str]) -> None:
        """Put in what has changed; what has not stays the stored object's own (`StoredObject`)."""
        metadata = obj.metadata
        take_over(obj, type(obj).from_dict(after), changed)
        new = obj.metadata
        if "metadata" in changed:
            kept = ("resourceVersion", "generation", *(_UNKNOWN_TO_WEBHOOKS if self._is_new else ()))
            for name in kept:
                setattr(new, name, getattr(metadata, name))
            if self.request.nameless:
                new.name = new.name or metadata.name
            if doubled := deduplicate_owners(new):
                self.request.warnings.append(doubled.replace(";", " after mutating admission happens;", 1))
        if self._endpoint is not None and type(obj) is self._endpoint.model:
            self._endpoint.strategy.default(obj)

    def _rescale(self, scale: Scale, before: Object, after: Object) -> bool:
        wanted = after["spec"].get("replicas", 0)
        if wanted == before["spec"].get("replicas", 0):
            return False
        document = self.request.object.to_dict()
        holder = document
        *path, last = scale.replicas.split(".")
        for step in path:
            holder = holder.setdefault(step, {})
        holder[last] = wanted
        self._put(self.request.object, document, [path[0] if path else last])
        return True

    def _manage(self, managers: list[Object]) -> None:
        """Take over managedFields that somebody has changed, if they can be read."""
        try:
            decode_managers(managers)
        except (ValueError, AttributeError) as error:
            self.request.warnings.append(
                ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated "
                f"mutating admission controller; please fix your requests: {error}"
            )
        else:
            self.request.managers = managers


async def _convert(endpoint: Endpoint, kind: Kind, document: Object) -> Object:
    """Raises InternalError."""
    try:
        shown = await endpoint.convert(str(kind.group_version), document)
    except StatusError as error:
        raise internal_error(error.message) from None
    if shown is None:
        raise internal_error(f"unable to convert to {kind.group_version}, Kind={kind.kind}")
    return {**shown, **kind.head}


def _decoded(model: type[Any], document: Object) -> Any:
    """Raises InternalError."""
    try:
        return model.from_dict(document)
    except (pydantic.ValidationError, ValueError, TypeError) as error:
        problem = type_error(schema_of(model), document) if issubclass(model, Model) else None
        raise internal_error(problem or str(error)) from None


def take_over(obj: Any, other: Any, names: list[str]) -> None:
    """Put members of another object of its kind into one."""
    if isinstance(obj, Model):
        for name in names:
            setattr(obj, name, getattr(other, name))
        return
    # A custom object, whose members have no declarations.
    if "metadata" in names:
        obj.metadata = other.metadata
    obj.members = {name: value if name in names else obj.members[name] for name, value in other.members.items()}


def _scale_of(scale: Scale, document: Object) -> Object:
    from apiserver.handlers.scale import scale_of

    return scale_of(scale, orjson.loads(orjson.dumps(document))).to_dict()
