"""The rules of volumes.  https://kubernetes.io/docs/concepts/storage/volumes/"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from api.core_v1 import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    ProjectedVolumeSource,
    SecretVolumeSource,
    Volume,
    VolumeProjection,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from apiserver.registry.environment import IN_FILES, validate_field_ref, validate_resource_ref
from apiserver.registry.names import config_key, label, subdomain

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
# What must not be empty in the kinds of volumes that need no further rules.
_REQUIRED_FIELDS: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "csi": ("driver",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "vsphereVolume": ("volumePath",),
}


# The order in which Kubernetes looks for them: all but the first are refused.
_KINDS = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)


def validate_volumes(volumes: list[Volume], path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        errors = list(_validate_source(volume, where))
        if not volume.name:
            errors.append(required(f"{where}.name"))
        else:
            errors += [invalid_value(f"{where}.name", volume.name, complaint) for complaint in label(volume.name)]
        if volume.name in names:
            errors.append(duplicate(f"{where}.name", volume.name))
        names.add(volume.name)
        yield from errors


def _validate_source(volume: Volume, path: str) -> Iterator[FieldError]:
    found = False
    for kind in _KINDS:
        source = getattr(volume, kind)
        if source is None:
            continue
        where = f"{path}.{kind}"
        if found:
            yield forbidden(where, "may not specify more than 1 volume type")
            continue
        found = True
        rules = _RULES.get(kind)
        if rules is not None:
            yield from rules(source, where)
        for field in _REQUIRED_FIELDS.get(kind, ()):
            if not getattr(source, field):
                yield required(f"{where}.{field}")
    if not found:
        yield required(path, "must specify a volume type")


def _validate_mode(mode: int | None, path: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid_value(path, mode, _BAD_MODE)


def _validate_file_path(target: str, path: str) -> Iterator[FieldError]:
    """A relative path that neither leaves the volume nor collides with how it is updated (`..data`)."""
    if not target:
        yield required(path)
        return
    if target.startswith("/"):
        yield invalid_value(path, target, "must be a relative path")
    if ".." in target.replace("\\", "/").split("/"):
        yield invalid_value(path, target, "must not contain '..'")
    if target.startswith("..") and not target.startswith("../"):
        yield invalid_value(path, target, "must not start with '..'")


def _validate_items(items: list[KeyToPath], path: str) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        where = f"{path}.items[{index}]"
        if not item.key:
            yield required(f"{where}.key")
        else:
            for complaint in config_key(item.key):
                yield invalid_value(f"{where}.key", item.key, complaint)
        yield from _validate_file_path(item.path, f"{where}.path")
        yield from _validate_mode(item.mode, f"{where}.mode")


def _validate_config_map(source: ConfigMapVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.name:
        yield required(f"{path}.name")
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_items(source.items, path)


def _validate_secret(source: SecretVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.secretName:
        yield required(f"{path}.secretName")
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_items(source.items, path)


def _validate_downward(source: Any, path: str) -> Iterator[FieldError]:
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    yield from _validate_downward_items(source.items, path)


def _validate_downward_items(items: list[DownwardAPIVolumeFile], path: str) -> Iterator[FieldError]:
    for item in items:
        yield from _validate_file_path(item.path, f"{path}.path")
        if item.fieldRef is not None:
            yield from validate_field_ref(item.fieldRef, IN_FILES, f"{path}.fieldRef")
            if item.resourceFieldRef is not None:
                yield invalid_value(
                    path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif item.resourceFieldRef is not None:
            yield from validate_resource_ref(item.resourceFieldRef, f"{path}.resourceFieldRef", in_volume=True)
        else:
            yield required(path, "one of fieldRef and resourceFieldRef is required")
        yield from _validate_mode(item.mode, f"{path}.mode")


def _validate_host_path(source: HostPathVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.path:
        yield required(f"{path}.path")
    elif ".." in source.path.split("/"):
        yield invalid_value(f"{path}.path", source.path, "must not contain '..'")
    if source.type is not None and source.type not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", source.type, _HOST_PATH_TYPES)


def _validate_empty_dir(source: EmptyDirVolumeSource, path: str) -> Iterator[FieldError]:
    if source.sizeLimit is not None and parse(source.sizeLimit) < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _validate_claim_template(source: EphemeralVolumeSource, path: str) -> Iterator[FieldError]:
    if source.volumeClaimTemplate is None:
        yield required(f"{path}.volumeClaimTemplate")
        return
    # Few pods have one: the rules of claims are loaded when one does.
    from apiserver.registry.claim_spec import validate_claim_spec

    yield from validate_claim_spec(source.volumeClaimTemplate.spec, f"{path}.volumeClaimTemplate.spec")


def _validate_image(source: Any, path: str) -> Iterator[FieldError]:
    if not source.reference:
        yield required(f"{path}.reference")
    if source.pullPolicy and source.pullPolicy not in _PULL_POLICIES:
        yield not_supported(f"{path}.pullPolicy", source.pullPolicy, _PULL_POLICIES)


def _validate_projected(source: ProjectedVolumeSource, path: str) -> Iterator[FieldError]:
    yield from _validate_mode(source.defaultMode, f"{path}.defaultMode")
    taken: set[str] = set()
    for index, projection in enumerate(source.sources):
        yield from _validate_projection(projection, f"{path}.sources[{index}]", taken)


def _validate_projection(projection: VolumeProjection, path: str, taken: set[str]) -> Iterator[FieldError]:
    found = False
    for kind in _PROJECTIONS:
        source = getattr(projection, kind)
        if source is None:
            continue
        where = f"{path}.{kind}"
        if found:
            yield forbidden(path, "may not specify more than 1 volume type per source")
        found = True
        if kind in ("secret", "configMap"):
            if not source.name:
                yield required(f"{where}.name")
            yield from _validate_items(source.items, where)
            yield from _conflicts([item.path for item in source.items], path, taken)
        elif kind == "downwardAPI":
            yield from _validate_downward_items(source.items, where)
            yield from _conflicts([item.path for item in source.items], path, taken)
        elif kind == "serviceAccountToken":
            seconds = source.expirationSeconds
            if seconds is not None and seconds < 600:
                yield invalid_value(
                    f"{where}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
                )
            elif seconds is not None and seconds > 1 << 32:
                yield invalid_value(
                    f"{where}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
                )
            yield from _validate_file_path(source.path, f"{where}.path")
            yield from _conflicts([source.path], path, taken)
        elif kind == "clusterTrustBundle":
            if (source.name is None) == (source.signerName is None):
                yield required(where, "exactly one of name and signerName must be specified")
            elif source.name is not None:
                for complaint in subdomain(source.name.replace(":", ".")):
                    yield invalid_value(f"{where}.name", source.name, complaint)
            yield from _validate_file_path(source.path, f"{where}.path")
            yield from _conflicts([source.path], path, taken)
    if not found:
        yield required(path, "must specify a volume type")


def _conflicts(paths: list[str], where: str, taken: set[str]) -> Iterator[FieldError]:
    for target in paths:
        if target and target in taken:
            yield invalid_value(where, target, "conflicting duplicate paths")
        taken.add(target)


_RULES: dict[str, Callable[[Any, str], Iterator[FieldError]]] = {
    "configMap": _validate_config_map,
    "secret": _validate_secret,
    "downwardAPI": _validate_downward,
    "hostPath": _validate_host_path,
    "emptyDir": _validate_empty_dir,
    "ephemeral": _validate_claim_template,
    "image": _validate_image,
    "projected": _validate_projected,
}
