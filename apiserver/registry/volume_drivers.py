"""The rules of where a volume's data can be, for pods' own volumes and for persistent ones.

Persistent volumes name secrets of any namespace, and some rules are theirs alone.
https://kubernetes.io/docs/concepts/storage/volumes/#volume-types
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from api.core_v1 import AzureDiskVolumeSource, FCVolumeSource, FlockerVolumeSource, NFSVolumeSource, QuobyteVolumeSource
from api.errors import FieldError, invalid_value, not_supported, required, too_long
from apiserver.registry.names import dns_label, label, subdomain

Rule = Callable[[Any, str], Iterator[FieldError]]

_PARTITION = "must be between 0 and 255, inclusive"
_HOSTS = "must be a host:port pair or multiple pairs separated by commas"
# Compiled when somebody has such a volume, which few have.
_ISCSI = {
    "iqn": r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9\-.]+)(:[^,;*&$|\s]+)$",
    "eui": r"^eui.[a-zA-Z0-9]{16}$",
    "naa": r"^naa.[a-zA-Z0-9]{32}$",
}
_HOST_PORT = r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*"
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def validate_csi_driver_name(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if len(name) > 63:
        yield too_long(path, 63)
    for complaint in subdomain(name.lower()):
        yield invalid_value(path, name, complaint)


def _required(*fields: str) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        for field in fields:
            if not getattr(source, field):
                yield required(f"{path}.{field}")

    return rule


def _disk(name: str) -> Rule:
    def rule(source: Any, path: str) -> Iterator[FieldError]:
        if not getattr(source, name):
            yield required(f"{path}.{name}")
        if not 0 <= source.partition <= 255:
            yield invalid_value(f"{path}.partition", source.partition, _PARTITION)

    return rule


def _nfs(source: NFSVolumeSource, path: str) -> Iterator[FieldError]:
    yield from _required("server", "path")(source, path)
    if not source.path.startswith("/"):
        yield invalid_value(f"{path}.path", source.path, "must be an absolute path")


def _quobyte(source: QuobyteVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.registry:
        yield required(f"{path}.registry", _HOSTS)
    elif len(source.tenant) >= 65:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not re.fullmatch(_HOST_PORT, pair):
                yield invalid_value(f"{path}.registry", source.registry, _HOSTS)
    if not source.volume:
        yield required(f"{path}.volume")


def _flocker(source: FlockerVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.datasetName and not source.datasetUUID:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        yield invalid_value(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        yield invalid_value(f"{path}.datasetName", source.datasetName, "must not contain '/'")


def _fibre_channel(source: FCVolumeSource, path: str) -> Iterator[FieldError]:
    names = f"{path}.targetWWNs"
    if not source.targetWWNs and not source.wwids:
        yield required(names, "must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid_value(names, list(source.targetWWNs), detail)
    if source.targetWWNs and source.lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif source.targetWWNs and source.lun is not None and not 0 <= source.lun <= 255:
        yield invalid_value(f"{path}.lun", source.lun, _PARTITION)


def _azure_disk(source: AzureDiskVolumeSource, path: str) -> Iterator[FieldError]:
    yield from _required("diskName", "diskURI")(source, path)
    if source.cachingMode is not None and source.cachingMode not in _CACHING:
        yield not_supported(f"{path}.cachingMode", source.cachingMode, _CACHING)
    if source.kind is None:
        return
    if source.kind not in _DISK_KINDS:
        yield not_supported(f"{path}.kind", source.kind, _DISK_KINDS)
    if source.kind == "Managed" and not source.diskURI.startswith("/subscriptions/"):
        yield not_supported(f"{path}.diskURI", source.diskURI, (_MANAGED,))
    if source.kind != "Managed" and not source.diskURI.startswith("https://"):
        yield not_supported(f"{path}.diskURI", source.diskURI, (_BLOB,))


def _flex(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("driver")(source, path)
    for key in sorted(source.options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield invalid_value(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _iscsi_name(name: str, path: str) -> Iterator[FieldError]:
    syntax = _ISCSI.get(name[:3])
    if syntax is None:
        yield invalid_value(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not re.search(syntax, name):
        yield invalid_value(path, name, "must be valid format")


def _iscsi(source: Any, path: str) -> Iterator[FieldError]:
    if not source.targetPortal:
        yield required(f"{path}.targetPortal")
    if not source.iqn:
        yield required(f"{path}.iqn")
    else:
        yield from _iscsi_name(source.iqn, f"{path}.iqn")
    if not 0 <= source.lun <= 255:
        yield invalid_value(f"{path}.lun", source.lun, _PARTITION)
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        yield required(f"{path}.secretRef")
    if source.secretRef is not None and not source.secretRef.name:
        yield required(f"{path}.secretRef.name")
    if source.initiatorName is not None:
        yield from _iscsi_name(source.initiatorName, f"{path}.initiatorname")


def _secret(source: Any, path: str) -> Iterator[FieldError]:
    """The secret of a persistent volume, which can be in any namespace."""
    for field in ("name", "namespace") if source.secretRef is not None else ():
        if not getattr(source.secretRef, field):
            yield required(f"{path}.secretRef.{field}")


def _cinder(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("volumeID")(source, path)
    yield from _secret(source, path)


def _storage_os(source: Any, path: str) -> Iterator[FieldError]:
    if not source.volumeName:
        yield required(f"{path}.volumeName")
    for field in ("volumeName", "volumeNamespace"):
        value = getattr(source, field)
        for complaint in label(value) if value else ():
            yield invalid_value(f"{path}.{field}", value, complaint)
    yield from _secret(source, path)


def _azure_file(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("secretName", "shareName")(source, path)
    if source.secretNamespace == "":
        yield required(f"{path}.secretNamespace")


def _glusterfs(source: Any, path: str) -> Iterator[FieldError]:
    yield from _required("endpoints", "path")(source, path)
    where, namespace = f"{path}.endpointsNamespace", source.endpointsNamespace
    if namespace == "":
        yield invalid_value(where, "", "if the endpointnamespace is set, it must be a valid namespace name")
    elif namespace is not None:
        for complaint in dns_label(namespace):
            yield invalid_value(where, namespace, complaint)


def _local(source: Any, path: str) -> Iterator[FieldError]:
    if not source.path:
        yield required(f"{path}.path")
    elif ".." in source.path.split("/"):
        yield invalid_value(f"{path}.path", source.path, "must not contain '..'")


def _csi(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_csi_driver_name(source.driver, f"{path}.driver")
    if not source.volumeHandle:
        yield required(f"{path}.volumeHandle")
    for use in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        secret, where = getattr(source, f"{use}SecretRef"), f"{path}.{use}SecretRef"
        for field, rule in (("name", subdomain), ("namespace", label)) if secret is not None else ():
            value = getattr(secret, field)
            if not value:
                yield required(f"{where}.{field}")
            else:
                for complaint in rule(value):
                    yield invalid_value(f"{where}.{field}", value, complaint)


SHARED: dict[str, Rule] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": _azure_disk,
    "cephfs": _required("monitors"),
    "fc": _fibre_channel,
    "flexVolume": _flex,
    "flocker": _flocker,
    "gcePersistentDisk": _disk("pdName"),
    "iscsi": _iscsi,
    "nfs": _nfs,
    "photonPersistentDisk": _required("pdID"),
    "portworxVolume": _required("volumeID"),
    "quobyte": _quobyte,
    "rbd": _required("monitors", "image"),
    "scaleIO": _required("gateway", "system", "volumeName"),
    "vsphereVolume": _required("volumePath"),
}
"""Rules that hold for both."""

PERSISTENT: dict[str, Rule] = {
    **SHARED,
    "azureFile": _azure_file,
    "cinder": _cinder,
    "csi": _csi,
    "glusterfs": _glusterfs,
    "local": _local,
    "storageos": _storage_os,
}
"""Rules of persistent volumes."""
