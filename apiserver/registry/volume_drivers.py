"""The rules of where a volume's data can be, as far as a driver provides it; most hold for persistent volumes too.

See https://kubernetes.io/docs/concepts/storage/volumes/#volume-types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from api.core_v1 import SecretReference
from api.errors import FieldError, invalid_value, not_supported, required, too_long
from apiserver.registry.file_paths import validate_climbing, validate_descending
from apiserver.registry.names import label, subdomain

Rule = Callable[[Any, str], Iterator[FieldError]]
"""Yields complaints about a source at a path."""

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
_HOST_AND_PORT = "must be a host:port pair or multiple pairs separated by commas"
_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_DRIVER_LIMIT = 63
_ISCSI_NAMES = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$").search,
    "eui": re.compile(r"^eui.[a-zA-Z0-9]{16}$").search,
    "naa": re.compile(r"^naa.[a-zA-Z0-9]{32}$").search,
}
_is_host_and_port = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*").fullmatch


def needs(*fields: str) -> Rule:
    """The rule that these fields must not be empty."""

    def rule(source: Any, path: str) -> Iterator[FieldError]:
        for field in fields:
            if not getattr(source, field):
                yield required(f"{path}.{field}")

    return rule


def _validate_host_path(source: Any, path: str) -> Iterator[FieldError]:
    if not source.path:
        yield required(f"{path}.path")
        return
    yield from validate_climbing(source.path, f"{path}.path")
    if source.type is not None and source.type not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", source.type, _HOST_PATH_TYPES)


def _validate_git_repo(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("repository")(source, path)
    yield from validate_descending(source.directory, f"{path}.directory")


def _disk(name: str) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        yield from needs(name)(source, path)
        if not 0 <= source.partition <= 255:
            yield invalid_value(f"{path}.partition", source.partition, "must be between 1 and 255, inclusive")

    return rule


def _validate_nfs(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("server", "path")(source, path)
    if not source.path.startswith("/"):
        yield invalid_value(f"{path}.path", source.path, "must be an absolute path")


def _validate_iscsi(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("targetPortal", "iqn")(source, path)
    if source.iqn:
        yield from _validate_iscsi_name(source.iqn, f"{path}.iqn")
    if not 0 <= source.lun <= 255:
        yield invalid_value(f"{path}.lun", source.lun, "must be between 0 and 255, inclusive")
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        yield required(f"{path}.secretRef")
    # Whoever names a secret of any namespace, in a persistent volume, has to name one.
    if isinstance(source.secretRef, SecretReference) and not source.secretRef.name:
        yield required(f"{path}.secretRef.name")
    if source.initiatorName is not None:
        yield from _validate_iscsi_name(source.initiatorName, f"{path}.initiatorname")


def _validate_iscsi_name(name: str, path: str) -> Iterator[FieldError]:
    is_valid = _ISCSI_NAMES.get(name[:3])
    if is_valid is None:
        yield invalid_value(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not is_valid(name):
        yield invalid_value(path, name, "must be valid format")


def _validate_flocker(source: Any, path: str) -> Iterator[FieldError]:
    if not source.datasetName and not source.datasetUUID:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        yield invalid_value(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        yield invalid_value(f"{path}.datasetName", source.datasetName, "must not contain '/'")


def _validate_cinder(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("volumeID")(source, path)
    yield from _validate_secret_name(source, path)


def _validate_secret_name(source: Any, path: str) -> Iterator[FieldError]:
    if source.secretRef is not None and not source.secretRef.name:
        yield required(f"{path}.secretRef.name")


def _validate_quobyte(source: Any, path: str) -> Iterator[FieldError]:
    if not source.registry:
        yield required(f"{path}.registry", _HOST_AND_PORT)
    elif len(source.tenant) >= 65:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not _is_host_and_port(pair):
                yield invalid_value(f"{path}.registry", source.registry, _HOST_AND_PORT)
    yield from needs("volume")(source, path)


def _validate_fc(source: Any, path: str) -> Iterator[FieldError]:
    if not source.targetWWNs and not source.wwids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid_value(f"{path}.targetWWNs", list(source.targetWWNs), detail)
    if source.targetWWNs:
        if source.lun is None:
            yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
        elif not 0 <= source.lun <= 255:
            yield invalid_value(f"{path}.lun", source.lun, "must be between 0 and 255, inclusive")


def _validate_flex(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("driver")(source, path)
    for key in sorted(source.options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield invalid_value(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _validate_azure_disk(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("diskName", "diskURI")(source, path)
    for field, choices in (
        ("cachingMode", ("None", "ReadOnly", "ReadWrite")),
        ("kind", ("Dedicated", "Managed", "Shared")),
    ):
        value = getattr(source, field)
        if value is not None and value not in choices:
            yield not_supported(f"{path}.{field}", value, choices)
    managed = source.kind == "Managed"
    if source.kind is not None and not source.diskURI.startswith("/subscriptions/" if managed else "https://"):
        yield not_supported(f"{path}.diskURI", source.diskURI, [_MANAGED_DISK if managed else _BLOB_DISK])


def validate_storageos(source: Any, path: str) -> Iterator[FieldError]:
    """As for all volumes, without the secret."""
    yield from needs("volumeName")(source, path)
    for field in ("volumeName", "volumeNamespace"):
        value = getattr(source, field)
        if value:
            for complaint in label(value):
                yield invalid_value(f"{path}.{field}", value, complaint)


def _validate_storageos(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_storageos(source, path)
    yield from _validate_secret_name(source, path)


def validate_csi_driver_name(name: str, path: str) -> Iterator[FieldError]:
    """Complaints about the name of a CSI driver."""
    if not name:
        yield required(path)
    if len(name) > _DRIVER_LIMIT:
        yield too_long(path, _DRIVER_LIMIT)
    for complaint in subdomain(name.lower()):
        yield invalid_value(path, name, complaint)


def _validate_csi(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_csi_driver_name(source.driver, f"{path}.driver")
    secret = source.nodePublishSecretRef
    if secret is not None:
        if not secret.name:
            yield required(f"{path}.nodePublishSecretRef.name")
        else:
            for complaint in subdomain(secret.name):
                yield invalid_value(f"{path}.name", secret.name, complaint)


SHARED: dict[str, Rule] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": _validate_azure_disk,
    "cephfs": needs("monitors"),
    "fc": _validate_fc,
    "flexVolume": _validate_flex,
    "flocker": _validate_flocker,
    "gcePersistentDisk": _disk("pdName"),
    "hostPath": _validate_host_path,
    "iscsi": _validate_iscsi,
    "nfs": _validate_nfs,
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "quobyte": _validate_quobyte,
    "rbd": needs("monitors", "image"),
    "scaleIO": needs("gateway", "system", "volumeName"),
    "vsphereVolume": needs("volumePath"),
}
"""The rules that hold for all volumes, by the name of the source's field."""

OF_PODS: dict[str, Rule] = {
    **SHARED,
    "azureFile": needs("secretName", "shareName"),
    "cinder": _validate_cinder,
    "csi": _validate_csi,
    "gitRepo": _validate_git_repo,
    "glusterfs": needs("endpoints", "path"),
    "persistentVolumeClaim": needs("claimName"),
    "storageos": _validate_storageos,
}
"""The rules of volumes of pods."""
