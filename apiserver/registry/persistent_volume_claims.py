"""PersistentVolumeClaims: requests for storage.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimStatus
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.quantity import parse, whole
from api.resources import is_native
from api.scheme import resource_of
from api.storage_class import CLASS_ANNOTATION, storage_class
from apiserver.registry.claim_spec import (
    CLASS_ANNOTATION_WARNING,
    claim_spec_warnings,
    default_claim_spec,
    format_access_modes,
    unify_data_sources,
    validate_claim_spec,
)
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import difference
from apiserver.registry.names import qualified
from apiserver.registry.pod_defaults import round_up
from apiserver.registry.strategy import Column, Context, Status, Strategy

_BOUND = "Bound"
_IMMUTABLE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
)
_RESIZING = {
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
}
_SIZE = "spec.resources.requests.storage"


def validate_volume_amount(amount: str, path: str) -> Iterator[FieldError]:
    """What a volume holds cannot be negative; the complaint shows it in bytes."""
    if parse(amount) < 0:
        yield invalid_value(path, whole(amount), "must be a valid resource quantity")


@dataclass(frozen=True)
class ClaimStatus(Status):
    """`/status` of claims: what they have got, and how far a change of it has come (KEP-1790)."""

    def validate_update(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Iterator[FieldError]:
        status = new.status
        if not new.spec.accessModes:
            yield required("Spec.accessModes")
        for name, amount in sorted(status.capacity.items()):
            yield from validate_volume_amount(amount, f"status.capacity[{name}]")
        where = "status.allocatedResourceStatuses"
        for name, state in sorted(status.allocatedResourceStatuses.items()):
            yield from _validate_resource(name, where)
            if state not in _RESIZING:
                yield not_supported(where, name, _RESIZING)
        where = "status.allocatedResources"
        for name, amount in sorted(status.allocatedResources.items()):
            flaws = list(_validate_resource(name, where))
            yield from flaws or validate_volume_amount(amount, f"{where}[{name}]")


def _validate_resource(name: str, path: str) -> Iterator[FieldError]:
    complaints = qualified(name)
    for complaint in complaints:
        yield invalid_value(path, name, complaint)
    if not complaints and is_native(name) and name != "storage":
        yield not_supported(path, name, ("storage",))


class PersistentVolumeClaims(Strategy[PersistentVolumeClaim]):
    resource = resource_of(PersistentVolumeClaim)
    subresources = (ClaimStatus(),)
    returns_deleted = True

    def default(self, obj: PersistentVolumeClaim) -> None:
        if not obj.status.phase:
            obj.status.phase = "Pending"
        default_claim_spec(obj.spec)
        round_up(obj.spec.resources.requests)
        round_up(obj.spec.resources.limits)

    def prepare_for_create(self, new: PersistentVolumeClaim, context: Context) -> None:
        new.status = PersistentVolumeClaimStatus(phase="Pending")
        unify_data_sources(new.spec)

    def prepare_for_update(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim, context: Context) -> None:
        new.status = old.status
        unify_data_sources(new.spec, old.spec)

    def validate(self, new: PersistentVolumeClaim) -> Iterator[FieldError]:
        if not new.metadata.resourceVersion:
            yield from validate_claim_spec(new.spec, "spec")

    def validate_update(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Iterator[FieldError]:
        yield from validate_claim_spec(new.spec, "spec", old.spec)
        before, after = old.copy_deep(), new.copy_deep()
        if not before.spec.volumeName:
            before.spec.volumeName = after.spec.volumeName
        yield from _validate_class(before, after)
        if new.status.phase == _BOUND and after.spec.resources.requests:
            after.spec.resources.requests["storage"] = old.spec.resources.requests.get("storage", "0")
        after.spec.volumeAttributesClassName = before.spec.volumeAttributesClassName
        if after.spec != before.spec:
            yield forbidden("spec", _IMMUTABLE + difference(before.spec, after.spec))
        size, former = _storage(new.spec.resources.requests), _storage(old.spec.resources.requests)
        if size < former and size <= _storage(old.status.capacity):
            yield forbidden(_SIZE, "field can not be less than status.capacity")
        if new.spec.volumeMode != old.spec.volumeMode:
            yield invalid_value("volumeMode", new.spec.volumeMode, "field is immutable")
        if old.spec.volumeAttributesClassName is not None and not new.spec.volumeAttributesClassName:
            what = "nil" if new.spec.volumeAttributesClassName is None else "an empty string"
            yield forbidden("spec.volumeAttributesClassName", f"update from non-nil value to {what} is forbidden")

    def warnings(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> Iterable[str]:
        if CLASS_ANNOTATION in new.metadata.annotations:
            yield CLASS_ANNOTATION_WARNING
        yield from claim_spec_warnings(new.spec, "spec")

    columns = (
        NAME,
        Column(
            "Status",
            lambda c, now: "Terminating" if c.metadata.deletionTimestamp else c.status.phase,
            description="Whether it has a volume.",
        ),
        Column("Volume", lambda c, now: c.spec.volumeName, description="The volume."),
        Column(
            "Capacity",
            lambda c, now: c.status.capacity.get("storage", "0") if c.spec.volumeName else "",
            description="How much the volume holds.",
        ),
        Column(
            "Access Modes",
            lambda c, now: format_access_modes(c.status.accessModes) if c.spec.volumeName else "",
            description="How the volume can be mounted.",
        ),
        Column(
            "StorageClass",
            lambda c, now: storage_class(c.metadata, c.spec.storageClassName),
            description="The storage class.",
        ),
        Column(
            "VolumeAttributesClass",
            lambda c, now: _or_unset(c.spec.volumeAttributesClassName),
            description="The class of attributes that can be changed.",
        ),
        AGE,
        Column(
            "VolumeMode", lambda c, now: _or_unset(c.spec.volumeMode), description="Filesystem or Block.", priority=1
        ),
    )


def _or_unset(value: str | None) -> str:
    return "<unset>" if value is None else value


def _storage(amounts: dict[str, str]) -> Any:
    return parse(amounts.get("storage", "0"))


def _validate_class(before: PersistentVolumeClaim, after: PersistentVolumeClaim) -> Iterator[FieldError]:
    """The storage class stays, but one that was not named can be named later, and one that was named by the older
    annotation can be named by the field.  Evens out in the copies what may differ."""
    annotated, now = before.metadata.annotations.get(CLASS_ANNOTATION), after.metadata.annotations.get(CLASS_ANNOTATION)
    named = after.spec.storageClassName
    settled = before.spec.storageClassName is None and named is not None
    if settled and annotated is not None and named == annotated and now in (None, annotated):
        after.spec.storageClassName = None
        return
    if (now or "") != (annotated or ""):
        yield invalid_value(f"metadata.annotations.{CLASS_ANNOTATION}", now or "", "field is immutable")
    if settled and annotated in (None, named):
        after.spec.storageClassName = before.spec.storageClassName
