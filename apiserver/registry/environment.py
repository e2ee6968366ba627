"""Environment variables of containers and the fields of a pod they can show (the downward API)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from api.core_v1 import EnvFromSource, EnvVar, FileKeySelector, ObjectFieldSelector, PodSpec, ResourceFieldSelector
from api.errors import FieldError, invalid_value, not_found_value, not_supported, required
from api.quantity import parse
from apiserver.registry.file_paths import validate_climbing
from apiserver.registry.names import config_key, dns_subdomain, environment_name, label, qualified, subdomain
from apiserver.registry.pod_annotations import all_containers

IN_ENVIRONMENT = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
IN_FILES = frozenset({"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"})
_KNOWN = IN_ENVIRONMENT | IN_FILES | {"spec.restartPolicy", "spec.schedulerName", "status.phase"}
_SUBSCRIPT = re.compile(r"(metadata\.\w+|[\w.]+)\['([^']*)'\]").fullmatch

_RESOURCES = frozenset(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS = frozenset({"1m", "1"})
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_BYTES = "only divisor's values " + ", ".join(_BYTE_DIVISORS) + " are supported with the "
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_environment(variables: list[EnvVar], path: str) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        if not variable.name:
            yield required(f"{path}[{index}].name")
        else:
            for complaint in environment_name(variable.name):
                yield invalid_value(f"{path}[{index}].name", variable.name, complaint)
        if variable.valueFrom is not None:
            yield from _validate_source(variable, f"{path}[{index}].valueFrom")


def _validate_source(variable: EnvVar, path: str) -> Iterator[FieldError]:
    source = variable.valueFrom
    assert source is not None
    count = sum(getattr(source, name) is not None for name in _SOURCES)
    if source.fieldRef is not None:
        yield from validate_field_ref(source.fieldRef, IN_ENVIRONMENT, f"{path}.fieldRef")
    if source.resourceFieldRef is not None:
        yield from validate_resource_ref(source.resourceFieldRef, f"{path}.resourceFieldRef", in_volume=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        reference = getattr(source, name)
        if reference is not None:
            for complaint in subdomain(reference.name):
                yield invalid_value(f"{path}.{name}.name", reference.name, complaint)
            if not reference.key:
                yield required(f"{path}.{name}.key")
            else:
                for complaint in config_key(reference.key):
                    yield invalid_value(f"{path}.{name}.key", reference.key, complaint)
    if source.fileKeyRef is not None:
        yield from _validate_file_key(source.fileKeyRef, f"{path}.fileKeyRef")
    if not count:
        *others, last = (f"`{name}`" for name in _SOURCES)
        yield invalid_value(path, "", f"must specify one of: {', '.join(others)} or {last}")
    elif variable.value:
        yield invalid_value(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid_value(path, "", "may not have more than one field specified at a time")


def _validate_file_key(reference: FileKeySelector, path: str) -> Iterator[FieldError]:
    """A variable in a file that an init container wrote (KEP-3721)."""
    if not reference.key:
        yield required(f"{path}.key")
    else:
        for complaint in environment_name(reference.key):
            yield invalid_value(f"{path}.key", reference.key, complaint)
    if not reference.volumeName:
        yield required(f"{path}.volumeName")
    else:
        for complaint in label(reference.volumeName):
            yield invalid_value(f"{path}.volumeName", reference.volumeName, complaint)
    if not reference.path:
        yield required(f"{path}.path")
    else:
        yield from validate_climbing(reference.path, f"{path}.path")


def validate_file_key_volumes(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Such a file is in an emptyDir."""
    volumes = {volume.name: volume for volume in spec.volumes}
    for where, container in all_containers(spec, path):
        for index, variable in enumerate(container.env):
            reference = variable.valueFrom.fileKeyRef if variable.valueFrom is not None else None
            if reference is None:
                continue
            place = f"{where}.env[{index}].valueFrom.fileKeyRef.volumeName"
            volume = volumes.get(reference.volumeName)
            if volume is None:
                yield not_found_value(place, reference.volumeName)
            elif volume.emptyDir is None:
                yield invalid_value(place, reference.volumeName, "referenced volume must be of type emptyDir")


def validate_field_ref(reference: ObjectFieldSelector, allowed: Set[str], path: str) -> Iterator[FieldError]:
    """Complaints about a path to a field of the pod itself."""
    field = reference.fieldPath
    if not reference.apiVersion:
        yield required(f"{path}.apiVersion")
        return
    if not field:
        yield required(f"{path}.fieldPath")
        return
    if reference.apiVersion != "v1":
        detail = f"error converting fieldPath: unsupported pod version: {reference.apiVersion}"
        yield invalid_value(f"{path}.fieldPath", field, detail)
        return
    found = _SUBSCRIPT(field)
    if found is not None:
        name, key = found[1], found[2]
        if name == "metadata.annotations":
            complaints = qualified(key.lower())
        elif name == "metadata.labels":
            complaints = qualified(key)
        elif name in _KNOWN:
            yield invalid_value(path, name, "does not support subscript")
            return
        else:
            yield _unknown(field, path)
            return
        for complaint in complaints:
            yield invalid_value(path, key, complaint)
        return
    if field == "spec.host":
        field = "spec.nodeName"
    if field not in _KNOWN:
        yield _unknown(field, path)
    elif field not in allowed:
        yield not_supported(f"{path}.fieldPath", field, allowed)


def _unknown(field: str, path: str) -> FieldError:
    detail = f"error converting fieldPath: field label not supported: {field}"
    return invalid_value(f"{path}.fieldPath", field, detail)


def validate_resource_ref(reference: ResourceFieldSelector, path: str, *, in_volume: bool) -> Iterator[FieldError]:
    """Complaints about a reference to a container's requests or limits."""
    name = reference.resource
    if in_volume and not reference.containerName:
        yield required(f"{path}.containerName")
    elif not name:
        yield required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE_PAGES):
        yield not_supported(f"{path}.resource", name, _RESOURCES)
    divisor = reference.divisor
    if divisor is None or parse(divisor) == 0:
        return
    kind = name.partition(".")[2]
    if kind == "cpu":
        if divisor not in _CPU_DIVISORS:
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            yield invalid_value(f"{path}.divisor", name, detail)
    elif divisor not in _BYTE_DIVISORS:
        if kind == "memory":
            yield invalid_value(f"{path}.divisor", name, _BYTES + "memory resource")
        elif kind == "ephemeral-storage":
            yield invalid_value(f"{path}.divisor", name, _BYTES + "local ephemeral storage resource")
        elif kind.startswith("hugepages-"):
            yield invalid_value(f"{path}.divisor", name, _BYTES + "hugepages resource")


def validate_environment_sources(sources: list[EnvFromSource], path: str) -> Iterator[FieldError]:
    for index, source in enumerate(sources):
        if source.prefix:
            for complaint in environment_name(source.prefix):
                yield invalid_value(f"{path}[{index}].prefix", source.prefix, complaint)
        count = 0
        for name in ("configMapRef", "secretRef"):
            reference = getattr(source, name)
            if reference is None:
                continue
            count += 1
            if not reference.name:
                yield required(f"{path}[{index}].{name}.name")
            else:
                for complaint in dns_subdomain(reference.name, prefix=True):
                    yield invalid_value(f"{path}[{index}].{name}.name", reference.name, complaint)
        if not count:
            yield invalid_value(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif count > 1:
            yield invalid_value(path, "", "may not have more than one field specified at a time")
