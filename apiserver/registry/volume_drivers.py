"""The rules of volumes that a driver inside Kubernetes once provided, and of CSI volumes.

They hold for pods' own volumes and, but for some, for persistent ones, whose secrets can be in any namespace.
See https://kubernetes.io/docs/concepts/storage/volumes/#volume-types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from api.errors import FieldError, invalid_value, not_supported, required, too_long
from apiserver.registry.file_paths import validate_climbing, validate_descending
from apiserver.registry.names import dns_label, label, subdomain

Rule = Callable[[Any, str], Iterator[FieldError]]

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
# Compiled when somebody has such a volume, which few have.
_ISCSI_NAMES = {
    "iqn": r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$",
    "eui": r"^eui.[a-zA-Z0-9]{16}$",
    "naa": r"^naa.[a-zA-Z0-9]{32}$",
}
_HOST_PORT = r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*"


def _required(*fields: str) -> Rule:
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
    yield from _required("repository")(source, path)
    yield from validate_descending(source.directory, f"{path}.directory")


def _disk(name: str) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        yield from _required(name)(source, path)
        if not 0 <= source.partition <= 255:
            yield invalid_value(f"{path}.partition", source.partition, "must be between 1 and 255, inclusive")

    return rule


def _validate_nfs(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("server", "path")(source, path)
    if not source.path.startswith("/"):
        yield invalid_value(f"{path}.path", source.path, "must be an absolute path")


def _validate_iscsi(source: Any, path: str) -> Iterator[FieldError]:
    yield from _iscsi(source, path, "must be valid format starting with iqn, eui, or naa")


def _validate_persistent_iscsi(source: Any, path: str) -> Iterator[FieldError]:
    yield from _iscsi(source, path, "must be valid format", _validate_secret_name)


def _iscsi(source: Any, path: str, unknown: str, validate_secret: Rule | None = None) -> Iterator[FieldError]:
    """`unknown` is the complaint about a name of no format that there is."""
    yield from _required("targetPortal", "iqn")(source, path)
    if source.iqn:
        yield from _validate_iscsi_name(source.iqn, f"{path}.iqn", unknown)
    if not 0 <= source.lun <= 255:
        yield invalid_value(f"{path}.lun", source.lun, "must be between 0 and 255, inclusive")
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        yield required(f"{path}.secretRef")
    if validate_secret is not None:
        yield from validate_secret(source, path)
    if source.initiatorName is not None:
        yield from _validate_iscsi_name(source.initiatorName, f"{path}.initiatorname", unknown)


def _validate_iscsi_name(name: str, path: str, unknown: str) -> Iterator[FieldError]:
    syntax = _ISCSI_NAMES.get(name[:3])
    if syntax is None:
        yield invalid_value(path, name, unknown)
    elif not re.search(syntax, name):
        yield invalid_value(path, name, "must be valid format")


def _validate_flocker(source: Any, path: str) -> Iterator[FieldError]:
    if not source.datasetName and not source.datasetUUID:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        yield invalid_value(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        yield invalid_value(f"{path}.datasetName", source.datasetName, "must not contain '/'")


def _cinder(validate_secret: Rule) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        yield from _required("volumeID")(source, path)
        yield from validate_secret(source, path)

    return rule


def _validate_secret_name(source: Any, path: str) -> Iterator[FieldError]:
    if source.secretRef is not None and not source.secretRef.name:
        yield required(f"{path}.secretRef.name")


def _validate_persistent_secret(source: Any, path: str) -> Iterator[FieldError]:
    if source.secretRef is not None:
        yield from _required("name", "namespace")(source.secretRef, f"{path}.secretRef")


def _validate_quobyte(source: Any, path: str) -> Iterator[FieldError]:
    if not source.registry:
        yield required(f"{path}.registry", _HOST_AND_PORT)
    elif len(source.tenant) >= 65:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not re.fullmatch(_HOST_PORT, pair):
                yield invalid_value(f"{path}.registry", source.registry, _HOST_AND_PORT)
    yield from _required("volume")(source, path)


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
    yield from _required("driver")(source, path)
    for key in sorted(source.options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield invalid_value(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _validate_azure_disk(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("diskName", "diskURI")(source, path)
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


def _storageos(validate_secret: Rule) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        yield from _required("volumeName")(source, path)
        for field in ("volumeName", "volumeNamespace"):
            value = getattr(source, field)
            for complaint in label(value) if value else ():
                yield invalid_value(f"{path}.{field}", value, complaint)
        yield from validate_secret(source, path)

    return rule


def validate_csi_driver(name: str, path: str) -> Iterator[FieldError]:
    """Complaints about the name of a CSI driver."""
    if not name:
        yield required(path)
        return
    if len(name) > _DRIVER_LIMIT:
        yield too_long(path, _DRIVER_LIMIT)
    for complaint in subdomain(name.lower()):
        yield invalid_value(path, name, complaint)


def _validate_csi(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_csi_driver(source.driver, f"{path}.driver")
    secret = source.nodePublishSecretRef
    if secret is not None:
        if not secret.name:
            yield required(f"{path}.nodePublishSecretRef.name")
        else:
            for complaint in subdomain(secret.name):
                yield invalid_value(f"{path}.name", secret.name, complaint)


def _validate_persistent_csi(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_csi_driver(source.driver, f"{path}.driver")
    yield from _required("volumeHandle")(source, path)
    for use in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        secret, where = getattr(source, f"{use}SecretRef"), f"{path}.{use}SecretRef"
        for field, rule in (("name", subdomain), ("namespace", label)) if secret is not None else ():
            value = getattr(secret, field)
            if not value:
                yield required(f"{where}.{field}")
            for complaint in rule(value) if value else ():
                yield invalid_value(f"{where}.{field}", value, complaint)


def _validate_persistent_azure_file(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("secretName", "shareName")(source, path)
    if source.secretNamespace == "":
        yield required(f"{path}.secretNamespace")


def _validate_persistent_glusterfs(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("endpoints", "path")(source, path)
    where, namespace = f"{path}.endpointsNamespace", source.endpointsNamespace
    if namespace == "":
        yield invalid_value(where, "", "if the endpointnamespace is set, it must be a valid namespace name")
    for complaint in dns_label(namespace) if namespace else ():
        yield invalid_value(where, namespace, complaint)


def _validate_local(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("path")(source, path)
    yield from validate_climbing(source.path, f"{path}.path")


DRIVER_RULES: dict[str, Rule] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": _validate_azure_disk,
    "azureFile": _required("secretName", "shareName"),
    "cephfs": _required("monitors"),
    "cinder": _cinder(_validate_secret_name),
    "csi": _validate_csi,
    "fc": _validate_fc,
    "flexVolume": _validate_flex,
    "flocker": _validate_flocker,
    "gcePersistentDisk": _disk("pdName"),
    "gitRepo": _validate_git_repo,
    "glusterfs": _required("endpoints", "path"),
    "hostPath": _validate_host_path,
    "iscsi": _validate_iscsi,
    "nfs": _validate_nfs,
    "persistentVolumeClaim": _required("claimName"),
    "photonPersistentDisk": _required("pdID"),
    "portworxVolume": _required("volumeID"),
    "quobyte": _validate_quobyte,
    "rbd": _required("monitors", "image"),
    "scaleIO": _required("gateway", "system", "volumeName"),
    "storageos": _storageos(_validate_secret_name),
    "vsphereVolume": _required("volumePath"),
}
"""The rules of each, by the name of its field in a volume."""

PERSISTENT_RULES = {
    **DRIVER_RULES,
    "azureFile": _validate_persistent_azure_file,
    "cinder": _cinder(_validate_persistent_secret),
    "csi": _validate_persistent_csi,
    "glusterfs": _validate_persistent_glusterfs,
    "iscsi": _validate_persistent_iscsi,
    "local": _validate_local,
    "storageos": _storageos(_validate_persistent_secret),
}
"""The rules of persistent volumes."""
