"""Defaults of pod specs, the same in pods and in the templates of workloads.

The values are those of https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.

What every pod has is written into the models' own dictionaries: assignment through pydantic takes eight times as
long, and pods are the most written objects of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from api import quantity
from api.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    EphemeralContainer,
    HTTPGetAction,
    Lifecycle,
    ObjectFieldSelector,
    PodSecurityContext,
    PodSpec,
    Probe,
    ResourceRequirements,
    Volume,
    VolumeProjection,
)
from api.resources import HUGE_PAGES, container_total, is_overcommit_allowed, is_pod_level

if TYPE_CHECKING:
    from api.core_v1 import PersistentVolumeSpec

_FILE_MODE = 0o644


def default_pod_spec(spec: PodSpec) -> None:
    """Fill in what every pod spec has, in a pod or a template."""
    values = spec.__dict__
    if not spec.restartPolicy:
        values["restartPolicy"] = "Always"
    if not spec.dnsPolicy:
        values["dnsPolicy"] = "ClusterFirst"
    if spec.terminationGracePeriodSeconds is None:
        values["terminationGracePeriodSeconds"] = 30
    if not spec.schedulerName:
        values["schedulerName"] = "default-scheduler"
    if spec.securityContext is None:
        values["securityContext"] = PodSecurityContext()
    if spec.serviceAccountName:
        spec.serviceAccount = spec.serviceAccountName
    elif spec.serviceAccount:
        spec.serviceAccountName = spec.serviceAccount
    for container in spec.containers:
        _default_container(container)
    for container in spec.initContainers:
        _default_container(container)
    for debugger in spec.ephemeralContainers:
        _default_container(debugger)
    if spec.schedulingGroup is not None:
        spec.schedulingGroup = None  # KEP-4671 is off by default
    for volume in spec.volumes:
        _default_volume(volume)
    if spec.overhead:
        round_up(spec.overhead)
    if spec.resources is not None:
        round_up(spec.resources.limits)
        round_up(spec.resources.requests)


def default_pod(spec: PodSpec) -> None:
    """Fill in what only pods themselves get, not templates: requests from limits, host ports, service links."""
    for container in spec.containers:
        _default_requests(container.resources)
    for container in spec.initContainers:
        _default_requests(container.resources)
    if spec.resources is not None:
        _default_pod_limits(spec.resources, spec)
        _default_pod_requests(spec.resources, spec)
    if spec.hostNetwork:
        _default_host_ports(spec.containers)
        _default_host_ports(spec.initContainers)
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    if spec.terminationGracePeriodSeconds is not None and spec.terminationGracePeriodSeconds < 0:
        spec.terminationGracePeriodSeconds = 1


@lru_cache(maxsize=1024)
def pull_policy(image: str) -> str:
    """What an image's tag says about pulling it: "latest", named or by default, is pulled every time."""
    name, digest, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if digest and not colon:
        return "IfNotPresent"
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _default_container(container: Container | EphemeralContainer) -> None:
    values = container.__dict__
    if not container.terminationMessagePath:
        values["terminationMessagePath"] = "/dev/termination-log"
    if not container.terminationMessagePolicy:
        values["terminationMessagePolicy"] = "File"
    if not container.imagePullPolicy:
        values["imagePullPolicy"] = pull_policy(container.image)
    for port in container.ports:
        if not port.protocol:
            port.__dict__["protocol"] = "TCP"
    for variable in container.env:
        source = variable.valueFrom
        if source is not None:
            _default_field_ref(source.fieldRef)
            if source.resourceFieldRef is not None and source.resourceFieldRef.divisor is None:
                source.resourceFieldRef.divisor = "0"
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe is not None:
            _default_probe(probe)
    lifecycle = container.lifecycle
    if lifecycle is not None:
        for hook in (lifecycle.postStart, lifecycle.preStop):
            if hook is not None:
                _default_http_get(hook.httpGet)
        if lifecycle.stopSignal is not None:  # KEP-4960 is off by default
            kept = Lifecycle(postStart=lifecycle.postStart, preStop=lifecycle.preStop)
            values["lifecycle"] = kept if kept != Lifecycle() else None
    resources = container.resources
    if resources.limits:
        round_up(resources.limits)
    if resources.requests:
        round_up(resources.requests)


def _default_probe(probe: Probe) -> None:
    values = probe.__dict__
    if not probe.timeoutSeconds:
        values["timeoutSeconds"] = 1
    if not probe.periodSeconds:
        values["periodSeconds"] = 10
    if not probe.successThreshold:
        values["successThreshold"] = 1
    if not probe.failureThreshold:
        values["failureThreshold"] = 3
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""
    _default_http_get(probe.httpGet)


def _default_http_get(action: HTTPGetAction | None) -> None:
    if action is not None:
        if not action.path:
            action.__dict__["path"] = "/"
        if not action.scheme:
            action.__dict__["scheme"] = "HTTP"


def _default_field_ref(reference: ObjectFieldSelector | None) -> None:
    if reference is not None and not reference.apiVersion:
        reference.apiVersion = "v1"


def _default_host_ports(containers: Iterable[Container]) -> None:
    for container in containers:
        for port in container.ports:
            if not port.hostPort:
                port.hostPort = port.containerPort


def round_up(resources: dict[str, str]) -> None:
    """Nothing is finer than a thousandth (`RoundUp` to milli in Kubernetes' defaulting of resource lists)."""
    for name, value in resources.items():
        if value[-1] in "nu":
            resources[name] = quantity.format_as(quantity.parse(f"{quantity.milli(value)}m"))


def _default_requests(resources: ResourceRequirements) -> None:
    for name, limit in resources.limits.items():
        resources.requests.setdefault(name, limit)


def _default_pod_limits(resources: ResourceRequirements, spec: PodSpec) -> None:
    """Huge pages cannot be overcommitted: a pod with resources of its own is limited to what its containers are."""
    for name, amount in container_total(spec, "limits").items():
        if name.startswith(HUGE_PAGES):
            resources.limits.setdefault(name, amount)


def _default_pod_requests(resources: ResourceRequirements, spec: PodSpec) -> None:
    """Pod-level requests follow from what the containers request or else from the pod-level limits (KEP-2837)."""
    if not resources.limits:
        return
    for name, amount in container_total(spec).items():
        if is_pod_level(name) and is_overcommit_allowed(name):
            resources.requests.setdefault(name, amount)
    for name, limit in resources.limits.items():
        if is_pod_level(name):
            resources.requests.setdefault(name, limit)


def _default_volume(volume: Volume) -> None:
    if volume.emptyDir is not None:
        return
    if volume.configMap is not None:
        if volume.configMap.defaultMode is None:
            volume.configMap.defaultMode = _FILE_MODE
    elif volume.secret is not None:
        if volume.secret.defaultMode is None:
            volume.secret.defaultMode = _FILE_MODE
    elif volume.projected is not None:
        if volume.projected.defaultMode is None:
            volume.projected.defaultMode = _FILE_MODE
        for source in volume.projected.sources:
            _default_projection(source)
    elif volume.downwardAPI is not None:
        if volume.downwardAPI.defaultMode is None:
            volume.downwardAPI.defaultMode = _FILE_MODE
        for item in volume.downwardAPI.items:
            _default_field_ref(item.fieldRef)
            if item.resourceFieldRef is not None and item.resourceFieldRef.divisor is None:
                item.resourceFieldRef.divisor = "0"
    else:
        _default_other_volume(volume)


def _default_projection(source: VolumeProjection) -> None:
    if source.serviceAccountToken is not None and source.serviceAccountToken.expirationSeconds is None:
        source.serviceAccountToken.expirationSeconds = 3600
    if source.downwardAPI is not None:
        for item in source.downwardAPI.items:
            _default_field_ref(item.fieldRef)
            if item.resourceFieldRef is not None and item.resourceFieldRef.divisor is None:
                item.resourceFieldRef.divisor = "0"
    # KEP-3257 and KEP-4317 are off by default.
    source.clusterTrustBundle = source.podCertificate = None


def _default_other_volume(volume: Volume) -> None:
    if volume.ephemeral is not None:
        template = volume.ephemeral.volumeClaimTemplate
        if template is not None and template.spec.volumeMode is None:
            template.spec.volumeMode = "Filesystem"
    elif volume.image is not None:
        if not volume.image.pullPolicy:
            volume.image.pullPolicy = pull_policy(volume.image.reference)
    elif any(value is not None for field, value in volume if field != "name"):
        default_volume_drivers(volume)
    else:
        volume.emptyDir = EmptyDirVolumeSource()


def default_volume_drivers(volume: Volume | PersistentVolumeSpec) -> None:
    """The defaults of where a volume's data is, the same for pods' own volumes and persistent ones."""
    if volume.hostPath is not None and volume.hostPath.type is None:
        volume.hostPath.type = ""
    if volume.iscsi is not None:
        volume.iscsi.iscsiInterface = volume.iscsi.iscsiInterface or "default"
    if volume.rbd is not None:
        volume.rbd.pool = volume.rbd.pool or "rbd"
        volume.rbd.user = volume.rbd.user or "admin"
        volume.rbd.keyring = volume.rbd.keyring or "/etc/ceph/keyring"
    if volume.scaleIO is not None:
        volume.scaleIO.storageMode = volume.scaleIO.storageMode or "ThinProvisioned"
        volume.scaleIO.fsType = volume.scaleIO.fsType or "xfs"
    disk = volume.azureDisk
    if disk is not None:
        disk.cachingMode = "ReadWrite" if disk.cachingMode is None else disk.cachingMode
        disk.kind = "Shared" if disk.kind is None else disk.kind
        disk.fsType = "ext4" if disk.fsType is None else disk.fsType
        disk.readOnly = bool(disk.readOnly)
