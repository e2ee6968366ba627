"""PersistentVolumes: storage of the cluster.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from api.core_v1 import PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from api.scheme import resource_of
from api.storage_class import CLASS_ANNOTATION, storage_class
from apiserver.registry.claim_spec import (
    CLASS_ANNOTATION_WARNING,
    VOLUME_MODES,
    format_access_modes,
    validate_access_modes,
    validate_class_name,
)
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import difference, internal
from apiserver.registry.persistent_volume_claims import validate_volume_amount
from apiserver.registry.pod_defaults import default_volume_drivers, round_up
from apiserver.registry.pod_warnings import RETIRED_VOLUMES, node_selector_warnings
from apiserver.registry.scheduling import validate_node_selector
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.volume_drivers import PERSISTENT_RULES

_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
"""Where the data can be, in the order in which Kubernetes looks for them: all but the first are refused."""
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_WITH_MOUNT_OPTIONS = (
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
)
_INLINE = "may not be specified in the context of inline volumes"


@dataclass(frozen=True)
class VolumeStatus(Status):
    """`/status` of volumes."""

    def stamp(self, new: PersistentVolume, old: PersistentVolume, now: datetime) -> None:
        stated = new.status.lastPhaseTransitionTime
        if new.status.phase != old.status.phase and stated in (None, old.status.lastPhaseTransitionTime):
            new.status.lastPhaseTransitionTime = now


class PersistentVolumes(Strategy[PersistentVolume]):
    resource = resource_of(PersistentVolume)
    subresources = (VolumeStatus(),)
    returns_deleted = True

    def default(self, obj: PersistentVolume) -> None:
        spec = obj.spec
        if not obj.status.phase:
            obj.status.phase = "Pending"
        if not spec.persistentVolumeReclaimPolicy:
            spec.persistentVolumeReclaimPolicy = "Retain"
        if spec.volumeMode is None:
            spec.volumeMode = "Filesystem"
        default_volume_drivers(spec)
        round_up(spec.capacity)

    def prepare_for_create(self, new: PersistentVolume, context: Context) -> None:
        new.status = PersistentVolumeStatus(phase="Pending", lastPhaseTransitionTime=context.now.replace(microsecond=0))

    def prepare_for_update(self, new: PersistentVolume, old: PersistentVolume, context: Context) -> None:
        new.status = old.status

    def validate(self, new: PersistentVolume) -> Iterator[FieldError]:
        yield from validate_volume_spec(new.spec, "spec", new.metadata.name)
        supported = any(getattr(new.spec, source) is not None for source in _WITH_MOUNT_OPTIONS)
        if _MOUNT_OPTIONS in new.metadata.annotations and not supported:
            detail = "may not specify mount options for this volume type"
            yield forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", detail)

    def validate_update(self, new: PersistentVolume, old: PersistentVolume) -> Iterator[FieldError]:
        # As Kubernetes does, the volume is looked at once more: clients see every cause twice.
        yield from validate_volume_spec(new.spec, "spec", new.metadata.name)
        before, after = old.spec, new.spec
        if before.csi is not None and before.csi.controllerExpandSecretRef is None and after.csi is not None:
            # That secret alone can be named later.
            after = after.copy_deep()
            assert after.csi is not None
            after.csi.controllerExpandSecretRef = None
        if any(getattr(before, source) != getattr(after, source) for source in _SOURCES):
            detail = "spec.persistentvolumesource is immutable after creation\n"
            yield forbidden("spec.persistentvolumesource", detail + difference(before, after, "PersistentVolumeSource"))
        if after.volumeMode != before.volumeMode:
            yield invalid_value("volumeMode", after.volumeMode, "field is immutable")
        if before.nodeAffinity is not None and not _same_nodes(after, before):
            detail = "field is immutable, except for updating from beta label to GA"
            yield invalid_value("nodeAffinity", internal(after.nodeAffinity), detail)
        if before.volumeAttributesClassName is not None and after.volumeAttributesClassName is None:
            yield forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")

    def warnings(self, new: PersistentVolume, old: PersistentVolume | None) -> Iterable[str]:
        spec = new.spec
        if CLASS_ANNOTATION in new.metadata.annotations:
            yield CLASS_ANNOTATION_WARNING
        if _MOUNT_OPTIONS in new.metadata.annotations:
            detail = 'deprecated since v1.31; use "mountOptions" attribute instead'
            yield f"metadata.annotations[{_MOUNT_OPTIONS}]: {detail}"
        if spec.persistentVolumeReclaimPolicy == "Recycle":
            yield (
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
                "recommended approach is to use dynamic provisioning."
            )
        if spec.nodeAffinity is not None and spec.nodeAffinity.required is not None:
            yield from node_selector_warnings(spec.nodeAffinity.required, "spec.nodeAffinity.required")
        for source in ("cephfs", "photonPersistentDisk", "rbd", "scaleIO", "storageos", "glusterfs"):
            if getattr(spec, source) is not None:
                shown = "storageOS" if source == "storageos" else source
                yield f"spec.{shown}: {RETIRED_VOLUMES[source]}"

    columns = (
        NAME,
        Column("Capacity", lambda v, now: v.spec.capacity.get("storage", "0"), description="How much it holds."),
        Column(
            "Access Modes", lambda v, now: format_access_modes(v.spec.accessModes), description="How it can be mounted."
        ),
        Column(
            "Reclaim Policy",
            lambda v, now: v.spec.persistentVolumeReclaimPolicy,
            description="What becomes of it when the claim goes.",
        ),
        Column(
            "Status",
            lambda v, now: "Terminating" if v.metadata.deletionTimestamp else v.status.phase,
            description="Whether it is free, bound or given back.",
        ),
        Column("Claim", lambda v, now: _claim(v.spec), description="The claim that has it."),
        Column(
            "StorageClass",
            lambda v, now: storage_class(v.metadata, v.spec.storageClassName),
            description="Its storage class.",
        ),
        Column(
            "VolumeAttributesClass",
            lambda v, now: _or_unset(v.spec.volumeAttributesClassName),
            description="The class of its attributes that can be changed.",
        ),
        Column("Reason", lambda v, now: v.status.reason, description="Why it is in its phase."),
        AGE,
        Column(
            "VolumeMode", lambda v, now: _or_unset(v.spec.volumeMode), description="Filesystem or Block.", priority=1
        ),
    )


def _or_unset(value: str | None) -> str:
    return "<unset>" if value is None else value


def _claim(spec: PersistentVolumeSpec) -> str:
    return "" if spec.claimRef is None else f"{spec.claimRef.namespace}/{spec.claimRef.name}"


def validate_volume_spec(
    spec: PersistentVolumeSpec, path: str, name: str = "", *, inline: bool = False
) -> Iterator[FieldError]:
    """Complaints about a volume called `name`, or about one that is spelled out in a VolumeAttachment (`inline`)."""
    if inline:
        for field in ("claimRef", "capacity"):
            if getattr(spec, field):
                yield forbidden(f"{path}.{field}", _INLINE)
        if spec.csi is None:
            yield required(f"{path}.csi", "has to be specified in the context of inline volumes")
    if not spec.accessModes:
        yield required(f"{path}.accessModes")
    yield from validate_access_modes(spec.accessModes, f"{path}.accessModes")
    if not inline:
        yield from _validate_capacity(spec, f"{path}.capacity")
    policy = spec.persistentVolumeReclaimPolicy
    if inline and policy not in ("", "Retain"):
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", "may only be Retain in the context of inline volumes")
    elif policy and policy not in _RECLAIM_POLICIES:
        yield not_supported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    if spec.nodeAffinity is not None:
        if inline:
            yield forbidden(f"{path}.nodeAffinity", _INLINE)
        elif spec.nodeAffinity.required is None:
            yield required(f"{path}.nodeAffinity.required", "must specify required node constraints")
        else:
            yield from validate_node_selector(spec.nodeAffinity.required, f"{path}.nodeAffinity.required")
    yield from _validate_sources(spec, path, name)
    if spec.hostPath is not None and policy == "Recycle" and posixpath.normpath(spec.hostPath.path) == "/":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", detail)
    if inline and spec.storageClassName:
        yield forbidden(f"{path}.storageClassName", _INLINE)
    else:
        yield from validate_class_name(spec.storageClassName, f"{path}.storageClassName")
    if spec.volumeMode is not None and inline and spec.volumeMode != "Filesystem":
        detail = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        yield forbidden(f"{path}.volumeMode", detail)
    elif spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)
    attributes, where = spec.volumeAttributesClassName, f"{path}.volumeAttributesClassName"
    if attributes is not None and not inline:
        if not attributes:
            yield required(where, "an empty string is disallowed")
        yield from validate_class_name(attributes, where)
        if spec.csi is None:
            yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def _validate_capacity(spec: PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    if not spec.capacity:
        yield required(path)
    if list(spec.capacity) != ["storage"]:
        unset = "capacity" not in spec.model_fields_set
        yield not_supported(path, None if unset else dict(sorted(spec.capacity.items())), ("storage",))
    for name, amount in sorted(spec.capacity.items()):
        yield from validate_volume_amount(amount, f"{path}[{name}]")
        if parse(amount) <= 0:
            yield invalid_value(f"{path}[{name}]", amount, "must be greater than zero")


def _validate_sources(spec: PersistentVolumeSpec, path: str, name: str) -> Iterator[FieldError]:
    found = False
    for kind in _SOURCES:
        source = getattr(spec, kind)
        if source is None:
            continue
        if found and kind != "flexVolume":  # which Kubernetes lets through beside another
            yield forbidden(f"{path}.{_REFUSED_AS.get(kind, kind)}", "may not specify more than 1 volume type")
            continue
        found = True
        if kind == "iscsi" and source.initiatorName is not None and len(f"{name}:{source.targetPortal}") > 64:
            detail = (
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
                "iscsi.initiatorName is specified."
            )
            yield invalid_value(f"{path}.iscsi.targetportal", source.targetPortal, detail)
        yield from PERSISTENT_RULES[kind](source, f"{path}.{_CHECKED_AS.get(kind, kind)}")
        if kind == "local" and spec.nodeAffinity is None:
            yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if not found:
        yield required(path, "must specify a volume type")


# Kubernetes does not always call them by their own names.
_REFUSED_AS = {"cephfs": "cephFS"}
_CHECKED_AS = {"gcePersistentDisk": "persistentDisk"}

_GA_LABELS = {
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def _same_nodes(new: PersistentVolumeSpec, old: PersistentVolumeSpec) -> bool:
    """Whether nothing changed but that labels of nodes are called by their present names."""
    if new.nodeAffinity == old.nodeAffinity:
        return True
    if new.nodeAffinity is None or old.nodeAffinity is None:
        return False
    renamed, former = new.nodeAffinity.required, old.nodeAffinity.copy_deep().required
    if renamed is None or former is None or len(renamed.nodeSelectorTerms) != len(former.nodeSelectorTerms):
        return False
    for new_term, old_term in zip(renamed.nodeSelectorTerms, former.nodeSelectorTerms, strict=True):
        if len(new_term.matchExpressions) != len(old_term.matchExpressions):
            return False
        for after, before in zip(new_term.matchExpressions, old_term.matchExpressions, strict=True):
            if _GA_LABELS.get(before.key) == after.key:
                before.key = after.key
    return renamed == former
