"""The rules of a custom kind, which are the same for all: what differs is in the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from api.errors import FieldError, Forbidden, invalid, invalid_value
from api.meta_v1 import StatusDetails
from apiserver.custom_resources.columns import columns
from apiserver.custom_resources.definition import Definition, Version
from apiserver.custom_resources.object import CustomObject
from apiserver.custom_resources.validation import dig, validate
from apiserver.patch.json_value import equal
from apiserver.registry.strategy import Context, Scale, Status, Strategy, Subresource


@dataclass(frozen=True)
class CustomStatus(Status):
    """`/status` of a custom resource: nothing but status is written, metadata neither."""

    version: Version | None = None
    depends_on_rest: ClassVar[bool] = True
    """All else is put back at once, by `prepare_for_update`."""

    def unowned(self, model: Any) -> Mapping[str, Any]:
        return {"f:metadata": {}, "f:spec": {}}

    def prepare_for_update(self, new: CustomObject, old: CustomObject) -> None:
        _check_kind(new)
        members = {name: value for name, value in old.members.items() if name != "status"}
        if "status" in new.members:
            members["status"] = new.members["status"]
        new.members = members
        new.metadata = old.metadata.copy_deep()

    def validate_update(self, new: CustomObject, old: CustomObject) -> Iterable[FieldError]:
        return validate(new.version, new, old, status=True)


@dataclass(frozen=True)
class CustomScale(Scale):
    """`/scale` of a custom resource."""

    is_custom: ClassVar[bool] = True


class CustomResources(Strategy[Any]):
    """The strategy of one version of a definition."""

    known_finalizers = False
    unconditional_update = False

    def __init__(self, definition: Definition, version: Version) -> None:
        super().__init__()
        self.resource = version.resource  # type: ignore[misc]
        self.columns = columns(version)  # type: ignore[misc]
        self.subresources = tuple(_subresources(version))  # type: ignore[misc]
        self._definition, self._version = definition, version
        self._selectable = frozenset(field.jsonPath.lstrip(".") for field in version.spec.selectableFields)

    def authorize(self, new: CustomObject, old: CustomObject | None, context: Context) -> None:
        if old is None and self._definition.terminating:
            resource, name = self.resource, new.metadata.name
            why = "create not allowed while custom resource definition is terminating"
            details = StatusDetails(name=name, group=resource.group, kind=resource.plural)
            raise Forbidden(f'{resource.group_resource} "{name}" is forbidden: {why}', details)

    def prepare_for_create(self, new: CustomObject, context: Context) -> None:
        _check_kind(new)
        if self._version.has_status:
            new.members = {name: value for name, value in new.members.items() if name != "status"}
        new.metadata.generation = 1

    def prepare_for_update(self, new: CustomObject, old: CustomObject, context: Context) -> None:
        _check_kind(new)
        if self._version.has_status and (new.members.get("status") is not old.members.get("status")):
            members = {name: value for name, value in new.members.items() if name != "status"}
            if "status" in old.members:
                members["status"] = old.members["status"]
            new.members = members
        if not equal(new.members, old.members):
            new.metadata.generation = old.metadata.generation + 1

    def validate(self, new: CustomObject) -> Iterator[FieldError]:
        yield from validate(self._version, new, None)

    def validate_changed(self, new: CustomObject, old: CustomObject) -> Iterator[FieldError]:
        yield from validate(self._version, new, old)

    def warnings(self, new: CustomObject, old: CustomObject | None) -> Iterator[str]:
        yield from new.forgiven

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {path: _selectable(dig(document, path)) for path in self._definition.selectable}

    def selectable_field_names(self) -> frozenset[str]:
        return self._selectable


def _subresources(version: Version) -> Iterator[Subresource | Scale]:
    if version.has_status:
        yield CustomStatus(version=version)
    if version.scale is not None:
        paths = version.scale
        yield CustomScale(
            paths.specReplicasPath.lstrip("."),
            paths.statusReplicasPath.lstrip("."),
            (paths.labelSelectorPath or "").lstrip("."),
        )


def _check_kind(new: CustomObject) -> None:
    """Raises Invalid for an object that says it is of another kind."""
    kind = new.version.kind
    if new.given_kind not in ("", kind):
        problem = invalid_value("kind", new.given_kind, f"must be {kind}")
        raise invalid(new.version.group_version.group, new.given_kind, new.metadata.name, [problem])


def _selectable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
