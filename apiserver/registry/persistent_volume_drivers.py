"""The rules of where a persistent volume's data can be, where they differ from those of a pod's own volumes.

Persistent volumes name secrets of any namespace.  See https://kubernetes.io/docs/concepts/storage/persistent-volumes/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.core_v1 import GlusterfsPersistentVolumeSource, LocalVolumeSource
from api.errors import FieldError, invalid_value, required
from apiserver.registry.file_paths import validate_climbing
from apiserver.registry.names import dns_label, label, subdomain
from apiserver.registry.volume_drivers import SHARED, Rule, needs, validate_csi_driver_name, validate_storageos

_SECRETS = ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand")


def _validate_secret(source: Any, path: str) -> Iterator[FieldError]:
    if source.secretRef is not None:
        yield from needs("name", "namespace")(source.secretRef, f"{path}.secretRef")


def _validate_cinder(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("volumeID")(source, path)
    yield from _validate_secret(source, path)


def _validate_storageos(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_storageos(source, path)
    yield from _validate_secret(source, path)


def _validate_azure_file(source: Any, path: str) -> Iterator[FieldError]:
    yield from needs("secretName", "shareName")(source, path)
    if source.secretNamespace == "":
        yield required(f"{path}.secretNamespace")


def _validate_glusterfs(source: GlusterfsPersistentVolumeSource, path: str) -> Iterator[FieldError]:
    yield from needs("endpoints", "path")(source, path)
    where, namespace = f"{path}.endpointsNamespace", source.endpointsNamespace
    if namespace == "":
        yield invalid_value(where, "", "if the endpointnamespace is set, it must be a valid namespace name")
    elif namespace is not None:
        for complaint in dns_label(namespace):
            yield invalid_value(where, namespace, complaint)


def _validate_local(source: LocalVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.path:
        yield required(f"{path}.path")
    else:
        yield from validate_climbing(source.path, f"{path}.path")


def _validate_csi(source: Any, path: str) -> Iterator[FieldError]:
    yield from validate_csi_driver_name(source.driver, f"{path}.driver")
    yield from needs("volumeHandle")(source, path)
    for use in _SECRETS:
        secret, where = getattr(source, f"{use}SecretRef"), f"{path}.{use}SecretRef"
        for field, rule in (("name", subdomain), ("namespace", label)) if secret is not None else ():
            value = getattr(secret, field)
            if not value:
                yield required(f"{where}.{field}")
            else:
                for complaint in rule(value):
                    yield invalid_value(f"{where}.{field}", value, complaint)


PERSISTENT: dict[str, Rule] = {
    **SHARED,
    "azureFile": _validate_azure_file,
    "cinder": _validate_cinder,
    "csi": _validate_csi,
    "glusterfs": _validate_glusterfs,
    "local": _validate_local,
    "storageos": _validate_storageos,
}
"""The rules of persistent volumes, by the name of the source's field."""
