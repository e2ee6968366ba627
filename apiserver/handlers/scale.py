"""`/scale`: the replica count of anything that has one, as an autoscaling/v1 Scale.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling-resources/scale-v1/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import orjson

from api.autoscaling_v1 import Scale as ScaleObject
from api.autoscaling_v1 import ScaleSpec, ScaleStatus
from api.errors import BadRequest, InternalError, StatusError, conflict, invalid, invalid_value
from api.meta_v1 import LabelSelector, ObjectMeta, StatusCause, StatusDetails
from api.schema import schema_of
from api.scheme import GroupVersion, Resource
from api.selectors import LabelMatcher
from apiserver import tables
from apiserver.answer import Answer
from apiserver.decoding import parse_document
from apiserver.endpoint import Endpoint
from apiserver.handlers.update import update_object
from apiserver.handlers.write import Write, check_names, unnamed
from apiserver.negotiation import MediaType
from apiserver.patch.apply import apply
from apiserver.patch.json_value import copied
from apiserver.patch.managed_fields import managers_of, update_managers
from apiserver.patch.request import APPLY_PATCH, ApplyRequest, PatchRequest, decode_document
from apiserver.patch.scale_managers import SCALE_VERSION, object_managers, scale_managers
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Scale, Strategy
from apiserver.request import Request
from apiserver.storage.entry import Entry
from apiserver.stored import StoredObject

HEAD = {"kind": "Scale", "apiVersion": "autoscaling/v1"}


class Scales(Strategy[ScaleObject]):
    """How a Scale is shown in a table."""

    custom: ClassVar[bool] = False
    resource = Resource(GroupVersion("autoscaling", "v1"), "scales", "autoscaling_v1.Scale")
    columns = (
        NAME,
        Column("Desired", lambda scale, now: scale.spec.replicas, "integer", description="How many there should be."),
        Column("Available", lambda scale, now: scale.status.replicas, "integer", description="How many there are."),
        AGE,
    )

    def __init__(self, custom: bool = False) -> None:
        super().__init__()
        if custom:  # their tables have another way to show an age
            self.columns = (*self.columns[:-1], replace(AGE, type="date"))  # type: ignore[misc]

    @property
    def strategy(self) -> Scales:
        return self

    def body(self, entry: Entry) -> bytes:
        return entry.body

    def decode(self, entry: Entry) -> ScaleObject:
        return ScaleObject.decode(entry.body)


def scale_answer(
    endpoint: Endpoint, part: Scale, entry: Entry, media: MediaType, request: Request, now: datetime
) -> Answer:
    """An object's scale as a client reads it.  Raises InternalError for a custom object that has none."""
    document = orjson.loads(endpoint.body(entry)) if part.is_custom else entry.document
    if part.is_custom and _dig(document, part.replicas) is None:
        missing = f'the spec replicas field ".{part.replicas}" does not exist'
        details = StatusDetails(causes=[StatusCause(message=missing)])
        raise InternalError(f"Internal error occurred: {missing}", details)
    scale = scale_of(part, document)
    if not media.transform:
        return Answer(document={**HEAD, **scale.to_dict()})
    shown = Entry(entry.key, entry.namespace, entry.name, entry.revision, scale.encode()[1:], {}, {})
    return Answer(document=tables.transformed_object(Scales(part.is_custom), shown, media, request, now))


def scale_of(part: Scale, document: dict[str, Any]) -> ScaleObject:
    metadata = document["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return ScaleObject(
        metadata=ObjectMeta.from_dict({k: metadata[k] for k in kept if k in metadata}),
        spec=ScaleSpec(replicas=_dig(document, part.replicas) or 0),
        status=ScaleStatus(
            replicas=_dig(document, part.status_replicas) or 0,
            selector=_selector_text(_dig(document, part.selector)),
        ),
    )


def _dig(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _selector_text(selector: Any) -> str:
    if not selector:
        return ""
    if isinstance(selector, str):
        return selector
    if "matchLabels" in selector or "matchExpressions" in selector:
        return str(LabelMatcher.from_model(LabelSelector.from_dict(selector)))
    return ",".join(f"{k}={v}" for k, v in sorted(selector.items()))


Make = Callable[[dict[str, Any]], tuple[ScaleObject, list[dict[str, Any]]]]
"""Makes the new Scale of the present one; each has managedFields, the new one's apart."""


async def write_scale(write: Write, part: Scale, name: str, make: Make) -> Entry:
    """Change the replica count.

    The object's own optimistic concurrency holds: a Scale with a resourceVersion conflicts when the object
    has changed since.
    """
    resource = write.endpoint.resource

    def transform(old: Any, stored: StoredObject | None) -> Any:
        assert stored is not None
        document = orjson.loads(stored.plain)
        present = {**HEAD, **scale_of(part, document).to_dict()}
        if owners := scale_managers(stored.managers, part.replicas):
            present["metadata"]["managedFields"] = owners
        changed, managers = make(present)
        _check(write, name, changed, old.metadata.uid, counts=not part.is_custom)
        managers = object_managers(stored.managers, managers, part.replicas, resource.api_version)
        write.applied = {"metadata": {"managedFields": managers}}
        holder: Any = document
        *path, last = part.replicas.split(".")
        for step in path:
            holder = holder.setdefault(step, {})
        holder[last] = changed.spec.replicas
        new = write.endpoint.model.from_dict(document)
        new.metadata.resourceVersion = changed.metadata.resourceVersion
        if part.is_custom and not new.metadata.resourceVersion:
            new.metadata.resourceVersion = old.metadata.resourceVersion  # it is no unconditional update of the object
        return new

    entry, _ = await update_object(write, name, transform)
    return entry


def _check(write: Write, name: str, scale: ScaleObject, uid: str, *, counts: bool) -> None:
    """`counts`: whether the count is looked at here and not with the object.  Raises BadRequest, Invalid, Conflict."""
    check_names(scale, write.namespace, name, write.endpoint.namespaced)
    if not scale.metadata.name:
        raise unnamed(name)
    if counts and scale.spec.replicas < 0:
        problem = invalid_value("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0")
        raise invalid("autoscaling", "Scale", name, [problem])
    if scale.metadata.uid and scale.metadata.uid != uid:
        resource = write.endpoint.resource
        why = f"Precondition failed: UID in precondition: {scale.metadata.uid}, UID in object meta: {uid}"
        raise conflict(resource.group, f"{resource.plural}/scale", name, why)


def check_kind(body: bytes, content_type: str) -> None:
    """Whether what replaces the Scale of a custom object is one.  Raises BadRequest, UnsupportedMediaType."""
    document = parse_document(body, content_type)
    if isinstance(document, dict) and {name: document.get(name) for name in HEAD} != HEAD:
        raise BadRequest(
            "no kind is registered for the type v1.Scale in scheme "
            '"k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go:781"'
        )


def replacing(write: Write, scale: ScaleObject) -> Make:
    """PUT."""
    return lambda present: (scale.copy_deep(), _managers_after(write, present, scale))


def patching(write: Write, kind: str, body: bytes) -> Make:
    """PATCH in any of its forms.  Raises BadRequest when the patch itself is malformed."""
    schema = schema_of(ScaleObject)
    if kind == APPLY_PATCH:
        configuration = ApplyRequest(body, write.options.field_validation)
        configuration.check(SCALE_VERSION, "Scale")
        if write.endpoint.custom:  # so it is in Kubernetes, whose conversion of custom objects does not know the kind
            metadata = configuration.applied.get("metadata") or {}
            name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
            raise StatusError(
                f"failed to convert new object ({name}; {SCALE_VERSION}, Kind=Scale) to proper version: "
                f"request to convert CR to an invalid group/version: {SCALE_VERSION}"
            )

        def applied(present: dict[str, Any]) -> tuple[ScaleObject, list[dict[str, Any]]]:
            options, now = write.options, write.api.clock.now()
            merged = apply(
                schema, present, configuration.applied, options.manager, options.force, SCALE_VERSION, now, "scale"
            )
            _warn(write, configuration.warnings)
            return decode_document(ScaleObject, merged), managers_of(merged)

        return applied
    request = PatchRequest(kind, body, write.options.field_validation)

    def patched(present: dict[str, Any]) -> tuple[ScaleObject, list[dict[str, Any]]]:
        scale, warnings = request.decode(ScaleObject, request.apply(copied(present), schema))
        _warn(write, warnings)
        return scale, _managers_after(write, present, scale)

    return patched


def _warn(write: Write, warnings: list[str]) -> None:
    write.warnings[:] = dict.fromkeys([*write.warnings, *warnings])


def _managers_after(write: Write, present: dict[str, Any], changed: ScaleObject) -> list[dict[str, Any]]:
    """The managedFields of a Scale after any write but an apply."""
    document = changed.to_dict()
    document["metadata"].pop("managedFields", None)
    now = write.api.clock.now()
    return update_managers(
        schema_of(ScaleObject), present, document, write.options.manager, SCALE_VERSION, now, "scale"
    )
