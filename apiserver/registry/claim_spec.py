"""What a claim may ask for, by itself and as the template of a pod's or a StatefulSet's claims.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from api.storage_class import CLASS_ANNOTATION
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import dns_label, subdomain

ONE_POD = "ReadWriteOncePod"
ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", ONE_POD: "RWOP"}
"""The ways to mount a volume and how tables call them, in the order tables have."""
VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION_WARNING = (
    f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
)
_CLAIM = "PersistentVolumeClaim"


def default_claim_spec(spec: PersistentVolumeClaimSpec) -> None:
    if spec.volumeMode is None:
        spec.volumeMode = "Filesystem"


def format_access_modes(modes: Iterable[str]) -> str:
    present = set(modes)
    return ",".join(short for mode, short in ACCESS_MODES.items() if mode in present)


def validate_access_modes(modes: list[str], path: str) -> Iterator[FieldError]:
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, set(ACCESS_MODES))
    if ONE_POD in modes and any(mode in ACCESS_MODES and mode != ONE_POD for mode in modes):
        yield forbidden(path, f"may not use {ONE_POD} with other access modes")


def validate_class_name(name: str | None, path: str) -> Iterator[FieldError]:
    for complaint in subdomain(name) if name else ():
        yield invalid_value(path, name, complaint)


def validate_claim_spec(
    spec: PersistentVolumeClaimSpec, path: str, old: PersistentVolumeClaimSpec | None = None
) -> Iterator[FieldError]:
    """Complaints about what a claim asks for; `old` is what it asked for, which may go on asking for it."""
    if not spec.accessModes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    bad_before = old is not None and any(validate_selector(old.selector, ""))
    yield from validate_selector(spec.selector, f"{path}.selector", allow_bad_values=bad_before)
    yield from validate_access_modes(spec.accessModes, f"{path}.accessModes")
    size = spec.resources.requests.get("storage")
    if size is None:
        yield required(f"{path}.resources[storage]")
    elif parse(size) <= 0:
        yield invalid_value(f"{path}.resources[storage]", size, "must be greater than zero")
    yield from validate_class_name(spec.storageClassName, f"{path}.storageClassName")
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)
    any_group = old is not None and any(
        source is not None and source.apiGroup is not None for source in (old.dataSource, old.dataSourceRef)
    )
    source, reference = spec.dataSource, spec.dataSourceRef
    if source is not None:
        yield from _validate_source(source, f"{path}.dataSource", any_group)
    if reference is not None:
        yield from _validate_source(reference, f"{path}.dataSourceRef", any_group)
        for complaint in dns_label(reference.namespace) if reference.namespace else ():
            yield invalid_value(f"{path}.dataSourceRef.namespace", reference.namespace, complaint)
    if source is not None and reference is not None:
        # What is quoted as the bad value is a path, of which nothing can be seen.
        if reference.namespace:
            yield invalid_value(path, {}, "may not be specified when dataSourceRef.namespace is specified")
        elif (source.apiGroup, source.kind, source.name) != (reference.apiGroup, reference.kind, reference.name):
            yield invalid_value(path, {}, "must match dataSourceRef")
    yield from validate_class_name(spec.volumeAttributesClassName, f"{path}.volumeAttributesClassName")


def _validate_source(
    source: TypedLocalObjectReference | TypedObjectReference, path: str, any_group: bool
) -> Iterator[FieldError]:
    if not source.name:
        yield required(f"{path}.name")
    if not source.kind:
        yield required(f"{path}.kind")
    if not source.apiGroup:
        if source.kind != _CLAIM:
            yield invalid_value(path, source.kind, f"must be '{_CLAIM}' when referencing the default apiGroup")
    elif not any_group:
        for complaint in subdomain(source.apiGroup):
            yield invalid_value(f"{path}.apiGroup", source.apiGroup, complaint)


def unify_data_sources(spec: PersistentVolumeClaimSpec, old: PersistentVolumeClaimSpec | None = None) -> None:
    """Let dataSource and dataSourceRef say the same; dataSource drops what it never allowed (KEP-1495)."""
    referred = spec.dataSourceRef
    if referred is not None and referred.namespace and (old is None or old.dataSourceRef is None):
        spec.dataSourceRef = None  # references to other namespaces (KEP-3294) are off by default
    if (old is None or old.dataSource is None) and not _is_claim_or_snapshot(spec.dataSource):
        spec.dataSource = None
    source, reference = spec.dataSource, spec.dataSourceRef
    if source is not None and reference is None:
        spec.dataSourceRef = TypedObjectReference(apiGroup=source.apiGroup, kind=source.kind, name=source.name)
    elif reference is not None and source is None and not reference.namespace:
        spec.dataSource = TypedLocalObjectReference(
            apiGroup=reference.apiGroup, kind=reference.kind, name=reference.name
        )


def _is_claim_or_snapshot(source: TypedLocalObjectReference | None) -> bool:
    if source is None:
        return True
    kind = (source.apiGroup or "", source.kind)
    return kind in (("", _CLAIM), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def claim_spec_warnings(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[str]:
    for part in ("requests", "limits"):
        amount = getattr(spec.resources, part).get("storage", "0")
        if parse(amount) % 1:
            where = f"{path}.resources.{part}[storage]"
            yield f'{where}: fractional byte value "{amount}" is invalid, must be an integer'
