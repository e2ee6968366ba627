"""Validation of metadata, the same for every kind.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from api.errors import FieldError, forbidden, invalid_value, required, too_long
from api.meta_v1 import ObjectMeta, OwnerReference
from api.rfc3339 import to_second
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import dns_label, path_segment, qualified

ValidateName = Callable[[str, bool], Iterable[str]]

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes that all keys and values of the annotations may have together."""

_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_NAME_LIMIT = 63
_RANDOM = 5
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # neither vowels nor look-alikes: no words by accident


def generate_name(prefix: str) -> str:
    """A name that begins with a generateName: five random letters after at most 58 characters of it."""
    return prefix[: _NAME_LIMIT - _RANDOM] + "".join(random.choices(_ALPHABET, k=_RANDOM))


def validate_create(
    meta: ObjectMeta, namespaced: bool, validate_name: ValidateName, *, known_finalizers: bool = True
) -> Iterator[FieldError]:
    """Complaints about the metadata of a new object whose name is already generated.

    `known_finalizers`: whether those that are not anybody's own must be Kubernetes' own.
    """
    yield from validate(meta, namespaced, validate_name)
    if known_finalizers:
        yield from _finalizers_are_known(meta)


def validate_update(
    new: ObjectMeta,
    old: ObjectMeta,
    namespaced: bool,
    validate_name: ValidateName | None = None,
    *,
    known_finalizers: bool = True,
) -> Iterator[FieldError]:
    """Complaints about changed metadata.  The object keeps a name it has, however odd.

    Kubernetes looks twice, once for all kinds and once for the kind itself, and clients see every cause as often
    as it was found.  `validate_name` is given where the kind looks at all of its metadata once more.
    """
    yield from validate(new, namespaced, path_segment)
    change = list(_validate_change(new, old))
    yield from change
    yield from change
    if validate_name is not None:
        yield from validate(new, namespaced, validate_name)
    if known_finalizers:
        yield from _finalizers_are_known(new)


def validate(
    meta: ObjectMeta, namespaced: bool, validate_name: ValidateName, path: str = "metadata"
) -> Iterator[FieldError]:
    """The rules that hold for any object at any time."""
    if meta.generateName:
        for complaint in validate_name(meta.generateName, True):
            yield invalid_value(f"{path}.generateName", meta.generateName, complaint)
    if not meta.name:
        yield required(f"{path}.name", "name or generateName is required")
    else:
        for complaint in validate_name(meta.name, False):
            yield invalid_value(f"{path}.name", meta.name, complaint)
    if not namespaced:
        if meta.namespace:
            yield forbidden(f"{path}.namespace", "not allowed on this type")
    elif not meta.namespace:
        yield required(f"{path}.namespace")
    else:
        for complaint in dns_label(meta.namespace):
            yield invalid_value(f"{path}.namespace", meta.namespace, complaint)
    if meta.generation < 0:
        yield invalid_value(f"{path}.generation", meta.generation, "must be greater than or equal to 0")
    if meta.labels:
        yield from validate_labels(meta.labels, f"{path}.labels")
    if meta.annotations:
        yield from validate_annotations(meta.annotations, f"{path}.annotations")
    if meta.ownerReferences:
        yield from _validate_owners(meta.ownerReferences, f"{path}.ownerReferences")
    if meta.finalizers:
        yield from _validate_finalizers(meta.finalizers, f"{path}.finalizers")


def validate_template(meta: ObjectMeta, path: str) -> Iterator[FieldError]:
    """The metadata of a template may hold labels and annotations only."""
    yield from validate_annotations(meta.annotations, f"{path}.annotations")
    yield from validate_labels(meta.labels, f"{path}.labels")
    for name in ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "ownerReferences",
                 "finalizers", "managedFields"):  # fmt: skip
        if getattr(meta, name):
            yield forbidden(f"{path}.{'UID' if name == 'uid' else name[0].upper() + name[1:]}", "cannot be set")


def deduplicate_owners(meta: ObjectMeta) -> str:
    """Leave each owner once.  Returns the warning the client gets when one was there twice."""
    if len(meta.ownerReferences) < 2:
        return ""
    kept: list[OwnerReference] = []
    doubled: set[str] = set()
    for owner in meta.ownerReferences:
        if owner in kept:
            doubled.add(owner.uid)
        else:
            kept.append(owner)
    if not doubled:
        return ""
    meta.ownerReferences = kept
    return (
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may "
        "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        + ", ".join(sorted(doubled))
    )


def validate_annotations(annotations: Mapping[str, str], path: str) -> Iterator[FieldError]:
    size = 0
    for key in sorted(annotations):
        for complaint in qualified(key.lower()):
            yield invalid_value(path, key, complaint)
        size += len(key.encode()) + len(annotations[key].encode())
    if size > ANNOTATIONS_LIMIT:
        yield too_long(path, ANNOTATIONS_LIMIT)


def _validate_change(new: ObjectMeta, old: ObjectMeta) -> Iterator[FieldError]:
    if old.deletionTimestamp is not None:
        extra = [finalizer for finalizer in new.finalizers if finalizer not in old.finalizers]
        if extra:
            shown = ", ".join(f'"{finalizer}"' for finalizer in sorted(extra))
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield forbidden("metadata.finalizers", detail + "[]string{" + shown + "}")
    if not new.resourceVersion:
        yield invalid_value("metadata.resourceVersion", "", "must be specified for an update")
    if new.generation < old.generation:
        yield invalid_value("metadata.generation", new.generation, "must not be decremented")
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        value = getattr(new, name)
        if value != getattr(old, name):
            yield invalid_value(f"metadata.{name}", _shown(value), "field is immutable")
    if new.labels and new.labels != old.labels:
        yield from validate_labels(new.labels, "metadata.labels")
    if new.annotations and new.annotations != old.annotations:
        yield from validate_annotations(new.annotations, "metadata.annotations")
    if new.ownerReferences and new.ownerReferences != old.ownerReferences:
        yield from _validate_owners(new.ownerReferences, "metadata.ownerReferences")


def _shown(value: Any) -> Any:
    return to_second(value) if isinstance(value, datetime) else value


def _owner_shown(owner: OwnerReference) -> dict[str, Any]:
    shown: dict[str, Any] = {"apiVersion": owner.apiVersion, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
    if owner.controller is not None:
        shown["controller"] = owner.controller
    if owner.blockOwnerDeletion is not None:
        shown["blockOwnerDeletion"] = owner.blockOwnerDeletion
    return shown


def _validate_owners(owners: list[OwnerReference], path: str) -> Iterator[FieldError]:
    controller = ""
    for owner in owners:
        if not owner.apiVersion or owner.apiVersion.count("/") > 1 or owner.apiVersion.endswith("/"):
            yield invalid_value(f"{path}.apiVersion", owner.apiVersion, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not getattr(owner, field):
                yield invalid_value(f"{path}.{field}", "", "must not be empty")
        if owner.apiVersion == "v1" and owner.kind == "Event":
            yield invalid_value(path, _owner_shown(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.controller:
            name = f"{owner.kind}/{owner.name}"
            if controller:
                yield invalid_value(
                    path,
                    [_owner_shown(each) for each in owners],
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {name}',
                )
            else:
                controller = name


def _validate_finalizers(finalizers: list[str], path: str) -> Iterator[FieldError]:
    for finalizer in finalizers:
        for complaint in qualified(finalizer):
            yield invalid_value(path, finalizer, complaint)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        yield invalid_value(path, list(finalizers), "finalizer orphan and foregroundDeletion cannot be both set")


def _finalizers_are_known(meta: ObjectMeta) -> Iterator[FieldError]:
    for index, finalizer in enumerate(meta.finalizers):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{index}]", finalizer, detail)
