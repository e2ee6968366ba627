"""The rules of containers: regular ones, init containers, ephemeral ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from api.core_v1 import Container, EphemeralContainer, PodSpec, Volume
from api.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid_value,
    not_found_value,
    not_supported,
    required,
    too_many,
)
from api.resources import is_sidecar
from apiserver.registry.environment import validate_environment, validate_environment_sources
from apiserver.registry.file_paths import climbs, validate_descending
from apiserver.registry.names import label, port_name, port_number
from apiserver.registry.probes import validate_probes
from apiserver.registry.resource_validation import validate_resize_policies, validate_resources
from apiserver.registry.security_context import validate_security_context

AnyContainer = Container | EphemeralContainer

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "IfPossible", "Enabled")
_NOT_WITHOUT_ALWAYS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
# In the order in which Kubernetes declares them.
_REFUSED_OF_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_MOST_RULES = 20


@dataclass(frozen=True)
class Surroundings:
    """What a container's rules depend on outside of it."""

    volumes: Mapping[str, Volume]
    claims: Set[str]
    restart_policy: str
    grace: int
    host_users: bool

    @classmethod
    def of(cls, spec: PodSpec, volumes: Mapping[str, Volume]) -> Surroundings:
        return cls(
            volumes=volumes,
            claims={claim.name for claim in spec.resourceClaims if claim.name},
            restart_policy=spec.restartPolicy,
            grace=spec.terminationGracePeriodSeconds or 0,
            host_users=spec.hostUsers is not False,
        )


def validate_containers(spec: PodSpec, around: Surroundings, path: str) -> Iterator[FieldError]:
    if not spec.containers:
        yield required(path)
        return
    names: set[str] = set()
    for index, container in enumerate(spec.containers):
        where = f"{path}[{index}]"
        yield from _validate_common(container, around, where)
        if container.name in names:
            yield duplicate(f"{where}.name", container.name)
        names.add(container.name)
        yield from validate_probes(container, around.grace, where)
        yield from _validate_restarts(container, where)
    yield from _host_port_conflicts(enumerate(spec.containers), path)


def validate_init_containers(spec: PodSpec, around: Surroundings, path: str) -> Iterator[FieldError]:
    names = {container.name for container in spec.containers}
    for index, container in enumerate(spec.initContainers):
        where = f"{path}[{index}]"
        yield from _validate_common(container, around, where)
        yield from _validate_restarts(container, where)
        if container.name in names:
            yield duplicate(f"{where}.name", container.name)
        elif container.name:
            names.add(container.name)
        yield from _host_port_conflicts([(index, container)], path)
        if is_sidecar(container):
            yield from validate_probes(container, around.grace, where)
        else:
            for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if getattr(container, name) is not None:
                    yield forbidden(f"{where}.{name}", _NOT_WITHOUT_ALWAYS)


def validate_ephemeral_containers(spec: PodSpec, around: Surroundings, path: str) -> Iterator[FieldError]:
    """Ephemeral containers are for looking around in a running pod (KEP-277)."""
    targets = {container.name for container in (*spec.containers, *spec.initContainers)}
    names = set(targets)
    for index, container in enumerate(spec.ephemeralContainers):
        where = f"{path}[{index}]"
        yield from _validate_common(container, around, where)
        yield from _validate_image_spaces(container, where)
        if container.name in names:
            yield duplicate(f"{where}.name", container.name)
        names.add(container.name)
        target = container.targetContainerName
        if target and target not in targets:
            yield not_found_value(f"{where}.targetContainerName", target)
        for name in _REFUSED_OF_EPHEMERAL:
            value = getattr(container, name)
            if value.encode() != b"{}" if name == "resources" else value:
                yield forbidden(f"{where}.{name}", _NOT_EPHEMERAL)
        for position, mount in enumerate(container.volumeMounts):
            for name in ("subPath", "subPathExpr"):
                if getattr(mount, name):
                    yield forbidden(f"{where}.volumeMounts[{position}].{name}", _NOT_EPHEMERAL)


def validate_pod_images(spec: PodSpec) -> Iterator[FieldError]:
    """A rule that pods have and templates, for compatibility, have not."""
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            yield from _validate_image_spaces(container, f"spec.{kind}[{index}]")


def _validate_image_spaces(container: AnyContainer, path: str) -> Iterator[FieldError]:
    if container.image != container.image.strip():
        yield invalid_value(f"{path}.image", container.image, "must not have leading or trailing whitespace")


def _validate_common(container: AnyContainer, around: Surroundings, path: str) -> Iterator[FieldError]:
    if not container.name:
        yield required(f"{path}.name")
    else:
        for complaint in label(container.name):
            yield invalid_value(f"{path}.name", container.name, complaint)
    if not container.image:
        yield required(f"{path}.image")
    if not container.terminationMessagePolicy:
        yield required(f"{path}.terminationMessagePolicy")
    elif container.terminationMessagePolicy not in _MESSAGE_POLICIES:
        where = f"{path}.terminationMessagePolicy"
        yield not_supported(where, container.terminationMessagePolicy, _MESSAGE_POLICIES)
    if container.ports:
        yield from _validate_ports(container, f"{path}.ports")
    if container.env:
        yield from validate_environment(container.env, f"{path}.env")
    if container.envFrom:
        yield from validate_environment_sources(container.envFrom, f"{path}.envFrom")
    if container.volumeMounts:
        yield from _validate_mounts(container, around.volumes, f"{path}.volumeMounts")
    if container.volumeDevices:
        yield from _validate_devices(container, around.volumes, f"{path}.volumeDevices")
    if not container.imagePullPolicy:
        yield required(f"{path}.imagePullPolicy")
    elif container.imagePullPolicy not in _PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", container.imagePullPolicy, _PULL_POLICIES)
    resources = container.resources
    if resources.limits or resources.requests or resources.claims:
        yield from validate_resources(resources, f"{path}.resources", around.claims)
    if container.resizePolicy:
        yield from validate_resize_policies(container.resizePolicy, around.restart_policy, f"{path}.resizePolicy")
    if container.securityContext is not None:
        yield from validate_security_context(container.securityContext, f"{path}.securityContext", around.host_users)


def _validate_restarts(container: Container, path: str) -> Iterator[FieldError]:
    """KEP-753, KEP-5307."""
    rules = container.restartPolicyRules
    if container.restartPolicy is None:
        if not rules:
            return
        yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif container.restartPolicy not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", container.restartPolicy, _RESTART_POLICIES)
    if len(rules) > _MOST_RULES:
        yield too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{index}]"
        if rule.action not in ("Restart", "RestartAllContainers"):
            yield not_supported(f"{where}.action", rule.action, ("Restart", "RestartAllContainers"))
        if rule.exitCodes is None:
            yield required(f"{where}.exitCodes", "must be specified")
        else:
            if rule.exitCodes.operator not in ("In", "NotIn"):
                yield not_supported(f"{where}.exitCodes.operator", rule.exitCodes.operator, ("In", "NotIn"))
            if len(rule.exitCodes.values) > 255:
                yield too_many(f"{where}.exitCodes.values", len(rule.exitCodes.values), 255)


def _validate_ports(container: AnyContainer, path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(container.ports):
        where = f"{path}[{index}]"
        if port.name:
            complaints = port_name(port.name)
            for complaint in complaints:
                yield invalid_value(f"{where}.name", port.name, complaint)
            if not complaints and port.name in names:
                yield duplicate(f"{where}.name", port.name)
            names.add(port.name)
        if not port.containerPort:
            yield required(f"{where}.containerPort")
        else:
            for complaint in port_number(port.containerPort):
                yield invalid_value(f"{where}.containerPort", port.containerPort, complaint)
        if port.hostPort:
            for complaint in port_number(port.hostPort):
                yield invalid_value(f"{where}.hostPort", port.hostPort, complaint)
        if not port.protocol:
            yield required(f"{where}.protocol")
        elif port.protocol not in _PROTOCOLS:
            yield not_supported(f"{where}.protocol", port.protocol, _PROTOCOLS)


def _host_port_conflicts(containers: Iterable[tuple[int, Container]], path: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, container in containers:
        for position, port in enumerate(container.ports):
            if port.hostPort:
                key = f"{port.protocol}/{port.hostIP}/{port.hostPort}"
                if key in taken:
                    yield duplicate(f"{path}[{index}].ports[{position}].hostPort", key)
                taken.add(key)


def _validate_mounts(container: AnyContainer, volumes: Mapping[str, Volume], path: str) -> Iterator[FieldError]:
    points: set[str] = set()
    devices = {device.name for device in container.volumeDevices}
    device_paths = {device.devicePath for device in container.volumeDevices}
    for index, mount in enumerate(container.volumeMounts):
        where = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{where}.name")
        if mount.name not in volumes:
            yield not_found_value(f"{where}.name", mount.name)
        if not mount.mountPath:
            yield required(f"{where}.mountPath")
        if mount.mountPath in points:
            yield invalid_value(f"{where}.mountPath", mount.mountPath, "must be unique")
        points.add(mount.mountPath)
        if mount.name in devices:
            yield invalid_value(f"{where}.name", mount.name, "must not already exist in volumeDevices")
        if mount.mountPath in device_paths:
            detail = "must not already exist as a path in volumeDevices"
            yield invalid_value(f"{where}.mountPath", mount.mountPath, detail)
        if mount.subPath:
            yield from validate_descending(mount.subPath, f"{path}.subPath")
        if mount.subPathExpr:
            if mount.subPath:
                detail = "subPathExpr and subPath are mutually exclusive"
                yield invalid_value(f"{where}.subPathExpr", mount.subPathExpr, detail)
            yield from validate_descending(mount.subPathExpr, f"{path}.subPathExpr")
        propagation = mount.mountPropagation
        if propagation is not None:
            if propagation not in _PROPAGATIONS:
                yield not_supported(f"{path}.mountPropagation", propagation, _PROPAGATIONS)
            security = container.securityContext
            if propagation == "Bidirectional" and (security is None or not security.privileged):
                detail = "Bidirectional mount propagation is available only to privileged containers"
                yield forbidden(f"{path}.mountPropagation", detail)
        if mount.recursiveReadOnly in ("Enabled", "IfPossible"):
            if not mount.readOnly:
                yield forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")
            if propagation not in (None, "None"):
                detail = "may only be specified when mountPropagation is None or not specified"
                yield forbidden(f"{path}.recursiveReadOnly", detail)
        elif mount.recursiveReadOnly not in (None, "Disabled"):
            yield not_supported(f"{path}.recursiveReadOnly", mount.recursiveReadOnly, _READ_ONLY)


def _validate_devices(container: AnyContainer, volumes: Mapping[str, Volume], path: str) -> Iterator[FieldError]:
    paths: set[str] = set()
    names: set[str] = set()
    mounts = {mount.name for mount in container.volumeMounts}
    mount_paths = {mount.mountPath for mount in container.volumeMounts}
    for index, device in enumerate(container.volumeDevices):
        where = f"{path}[{index}]"
        if not device.name:
            yield required(f"{where}.name")
        elif device.name in names:
            yield invalid_value(f"{where}.name", device.name, "must be unique")
        volume = volumes.get(device.name)
        if volume is None:
            yield not_found_value(f"{where}.name", device.name)
        elif volume.persistentVolumeClaim is None and volume.ephemeral is None:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield invalid_value(f"{where}.name", device.name, detail)
        if not device.devicePath:
            yield required(f"{where}.devicePath")
        if device.devicePath in paths:
            yield invalid_value(f"{where}.devicePath", device.devicePath, "must be unique")
        if climbs(device.devicePath):
            yield invalid_value(f"{where}.devicePath", device.devicePath, "can not contain backsteps ('..')")
        else:
            paths.add(device.devicePath)
        if device.name in mounts:
            yield invalid_value(f"{where}.name", device.name, "must not already exist in volumeMounts")
        if device.devicePath in mount_paths:
            detail = "must not already exist as a path in volumeMounts"
            yield invalid_value(f"{where}.devicePath", device.devicePath, detail)
        names.add(device.name)
