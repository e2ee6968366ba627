"""The rules of pod specs, the same in pods and in the templates of workloads.

They come in Kubernetes' own order: a client that breaks several sees the same list.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import PodResourceClaim, PodSpec, ResourceRequirements, Volume
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required, too_long
from api.meta_v1 import ObjectMeta
from apiserver.registry.addresses import address
from apiserver.registry.containers import (
    Surroundings,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from apiserver.registry.environment import validate_file_key_volumes
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import label, subdomain, subdomain_with_underscores
from apiserver.registry.pod_annotations import MIRROR, all_containers, validate_pod_annotations
from apiserver.registry.resource_validation import validate_pod_resources, validate_resources
from apiserver.registry.scheduling import (
    validate_affinity,
    validate_gates,
    validate_spread,
    validate_tolerations,
)
from apiserver.registry.security_context import (
    in_range,
    validate_operating_system,
    validate_pod_security_context,
)
from apiserver.registry.volumes import validate_volumes
from apiserver.registry.windows_options import validate_host_process

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")
_WITH_USERS = "when `hostUsers` is false"
_MOST_NAMESERVERS = 3
_MOST_SEARCHES = 32
_LONGEST_SEARCHES = 2048
_LONGEST_HOSTNAME = 64


def validate_pod_spec(spec: PodSpec, path: str, meta: ObjectMeta) -> Iterator[FieldError]:
    """Every broken rule of the spec of a pod, at the path "spec", or of a template, at any other.

    `meta` is the metadata next to the spec, whose annotations some rules are about.
    """
    is_pod = path == "spec"
    if meta.annotations:
        yield from validate_pod_annotations(spec, meta, annotations_path(path))
    volumes: dict[str, Volume] = {}
    if spec.volumes:
        errors, volumes = validate_volumes(spec.volumes, f"{path}.volumes", meta.name if is_pod else "")
        yield from errors
    around = Surroundings.of(spec, volumes)
    if spec.resourceClaims:
        yield from _validate_claims(
            spec.resourceClaims, f"{path}.resourceClaims", is_pod and MIRROR in meta.annotations
        )
    yield from validate_containers(spec, around, f"{path}.containers")
    if spec.initContainers:
        yield from validate_init_containers(spec, around, f"{path}.initContainers")
    if spec.ephemeralContainers:
        yield from validate_ephemeral_containers(spec, around, f"{path}.ephemeralContainers")
    if spec.resources is not None:
        yield from validate_pod_resources(spec, around.claims, f"{path}.resources")
    if spec.hostNetwork:
        yield from _validate_host_ports(spec, path, is_pod)
    if spec.restartPolicy not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", spec.restartPolicy, _RESTART_POLICIES)
    if spec.dnsPolicy not in _DNS_POLICIES:
        yield not_supported(f"{path}.dnsPolicy", spec.dnsPolicy, _DNS_POLICIES)
    if spec.nodeSelector:
        yield from validate_labels(spec.nodeSelector, f"{path}.nodeSelector")
    yield from validate_pod_security_context(spec, path)
    if spec.affinity is not None:
        yield from validate_affinity(spec.affinity, f"{path}.affinity")
    if spec.dnsConfig is not None or spec.dnsPolicy == "None":
        yield from _validate_dns(spec, f"{path}.dnsConfig")
    if spec.readinessGates or spec.schedulingGates:
        yield from validate_gates(spec, path)
    if spec.topologySpreadConstraints:
        yield from validate_spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints")
    yield from validate_host_process(spec, path)
    if spec.hostUsers is False:
        yield from _validate_user_namespace(spec, path)
    if spec.hostnameOverride is not None:
        yield from _validate_hostname_override(spec, spec.hostnameOverride, path)
    for name in ("serviceAccountName", "nodeName"):
        value = getattr(spec, name)
        if value:
            for complaint in subdomain(value):
                yield invalid_value(f"{path}.{name}", value, complaint)
    yield from in_range(spec.activeDeadlineSeconds, f"{path}.activeDeadlineSeconds", least=1)
    for name in ("hostname", "subdomain"):
        value = getattr(spec, name)
        if value:
            for complaint in label(value):
                yield invalid_value(f"{path}.{name}", value, complaint)
    if spec.tolerations:
        yield from validate_tolerations(spec.tolerations, f"{path}.tolerations")
    for index, alias in enumerate(spec.hostAliases):
        where = f"{path}.hostAliases[{index}]"
        for complaint in address(alias.ip):
            yield invalid_value(f"{where}.ip", alias.ip, complaint)
        for position, hostname in enumerate(alias.hostnames):
            for complaint in subdomain(hostname):
                yield invalid_value(f"{where}.hostnames[{position}]", hostname, complaint)
    if spec.priorityClassName:
        for complaint in subdomain(spec.priorityClassName):
            yield invalid_value(f"{path}.priorityClassName", spec.priorityClassName, complaint)
    if spec.runtimeClassName is not None:
        for complaint in subdomain(spec.runtimeClassName):
            yield invalid_value(f"{path}.runtimeClassName", spec.runtimeClassName, complaint)
    if spec.preemptionPolicy == "":
        yield required(f"{path}.preemptionPolicy")
    elif spec.preemptionPolicy is not None and spec.preemptionPolicy not in _PREEMPTION_POLICIES:
        yield not_supported(f"{path}.preemptionPolicy", spec.preemptionPolicy, _PREEMPTION_POLICIES)
    if spec.overhead:
        yield from validate_resources(ResourceRequirements(limits=spec.overhead), f"{path}.overhead", frozenset())
    yield from validate_operating_system(spec, path)
    yield from validate_file_key_volumes(spec, path)


def annotations_path(path: str) -> str:
    """Where the annotations next to the spec at `path` are: errors leave a template's `metadata` out."""
    return "metadata.annotations" if path == "spec" else path.removesuffix("spec") + "annotations"


def _validate_user_namespace(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """KEP-127."""
    for field, name in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if getattr(spec, field):
            yield forbidden(f"{path}.{name}", _WITH_USERS)
    for where, container in all_containers(spec, path):
        if container.volumeDevices:
            yield forbidden(f"{where}.volumeDevices", _WITH_USERS)


def _validate_hostname_override(spec: PodSpec, name: str, path: str) -> Iterator[FieldError]:
    """KEP-4762."""
    where = f"{path}.hostnameOverride"
    if spec.setHostnameAsFQDN:
        yield forbidden(where, "may not be specified when setHostnameAsFQDN is true")
    if spec.hostNetwork:
        yield forbidden(where, "may not be specified when hostNetwork is true")
    if len(name) > _LONGEST_HOSTNAME:
        yield too_long(where, _LONGEST_HOSTNAME)
    for complaint in subdomain(name):
        yield invalid_value(where, name, complaint)


def _validate_claims(claims: list[PodResourceClaim], path: str, is_mirror: bool) -> Iterator[FieldError]:
    """Claims of devices (KEP-4381)."""
    names: set[str] = set()
    for index, claim in enumerate(claims):
        where = f"{path}[{index}]"
        if is_mirror:
            yield forbidden("[]", "static pods do not support resource claims")
            continue
        if not claim.name:
            yield required(f"{where}.name")
        elif claim.name in names:
            yield duplicate(f"{where}.name", claim.name)
        else:
            names.add(claim.name)
            for complaint in label(claim.name):
                yield invalid_value(f"{where}.name", claim.name, complaint)
        if claim.resourceClaimName is not None and claim.resourceClaimTemplateName is not None:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield invalid_value(where, internal(claim), detail)
        elif claim.resourceClaimName is None and claim.resourceClaimTemplateName is None:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield invalid_value(where, internal(claim), detail)
        for field in ("resourceClaimName", "resourceClaimTemplateName"):
            value = getattr(claim, field)
            if value is not None:
                for complaint in subdomain(value):
                    yield invalid_value(f"{where}.{field}", value, complaint)


def _validate_host_ports(spec: PodSpec, path: str, is_pod: bool) -> Iterator[FieldError]:
    for index, container in enumerate(spec.containers):
        for position, port in enumerate(container.ports):
            # In a template the default is not filled in yet.
            if port.hostPort != port.containerPort and (is_pod or port.hostPort):
                where = f"{path}.containers[{index}].ports[{position}].hostPort"
                yield invalid_value(where, port.hostPort, "must match `containerPort` when `hostNetwork` is true")


def _validate_dns(spec: PodSpec, path: str) -> Iterator[FieldError]:
    config = spec.dnsConfig
    if config is None:
        yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if spec.dnsPolicy == "None" and not config.nameservers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.nameservers", detail)
        return
    if len(config.nameservers) > _MOST_NAMESERVERS:
        detail = f"must not have more than {_MOST_NAMESERVERS} nameservers"
        yield invalid_value(f"{path}.nameservers", list(config.nameservers), detail)
    for index, server in enumerate(config.nameservers):
        for complaint in address(server):
            yield invalid_value(f"{path}.nameservers[{index}]", server, complaint)
    if len(config.searches) > _MOST_SEARCHES:
        detail = f"must not have more than {_MOST_SEARCHES} search paths"
        yield invalid_value(f"{path}.searches", list(config.searches), detail)
    if len(" ".join(config.searches)) > _LONGEST_SEARCHES:
        detail = f"must not have more than {_LONGEST_SEARCHES} characters (including spaces) in the search list"
        yield invalid_value(f"{path}.searches", list(config.searches), detail)
    for index, search in enumerate(config.searches):
        if search != ".":
            for complaint in subdomain_with_underscores(search.removesuffix(".")):
                yield invalid_value(f"{path}.searches[{index}]", search, complaint)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(f"{path}.options[{index}]", "must not be empty")
