"""The rules of pod specs, the same in pods and in the templates of workloads.

They come in Kubernetes' own order: a client that breaks several sees the same list.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import PodResourceClaim, PodSpec
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.meta_v1 import ObjectMeta
from apiserver.registry.addresses import address
from apiserver.registry.containers import (
    Surroundings,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import label, subdomain, subdomain_with_underscores
from apiserver.registry.resource_validation import validate_pod_resources
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

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")
_MOST_NAMESERVERS = 3
_MOST_SEARCHES = 32
_LONGEST_SEARCHES = 2048
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"


def validate_pod_spec(spec: PodSpec, path: str, meta: ObjectMeta) -> Iterator[FieldError]:
    """Every broken rule; `meta` is the metadata next to the spec, whose annotations some rules are about."""
    if meta.annotations:
        # In a template Kubernetes leaves "metadata" out of the path.
        where = "metadata.annotations" if path == "spec" else path.removesuffix("spec") + "annotations"
        yield from _validate_annotations(spec, meta, where)
    around = Surroundings.of(spec)
    if spec.volumes:
        yield from validate_volumes(spec.volumes, f"{path}.volumes")
    if spec.resourceClaims:
        yield from _validate_claims(spec.resourceClaims, f"{path}.resourceClaims")
    yield from validate_containers(spec, around, f"{path}.containers")
    if spec.initContainers:
        yield from validate_init_containers(spec, around, f"{path}.initContainers")
    if spec.ephemeralContainers:
        yield from validate_ephemeral_containers(spec, around, f"{path}.ephemeralContainers")
    if spec.resources is not None:
        yield from validate_pod_resources(spec, f"{path}.resources")
    if spec.hostNetwork:
        yield from _validate_host_ports(spec, path)
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
    if spec.hostUsers is False:
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if getattr(spec, name):
                yield forbidden(f"{path}.{name}", "when `hostUsers` is false")
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
    if spec.preemptionPolicy is not None and spec.preemptionPolicy not in _PREEMPTION_POLICIES:
        yield not_supported(f"{path}.preemptionPolicy", spec.preemptionPolicy, _PREEMPTION_POLICIES)
    yield from validate_operating_system(spec, path)


def _validate_annotations(spec: PodSpec, meta: ObjectMeta, path: str) -> Iterator[FieldError]:
    mirror = meta.annotations.get(MIRROR)
    if mirror is not None and not spec.nodeName:
        yield invalid_value(f"{path}[{MIRROR}]", mirror, "must set spec.nodeName if mirror pod annotation is set")
    cost = meta.annotations.get(DELETION_COST)
    if cost is not None and not _is_cost(cost):
        yield invalid_value(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer")


def _is_cost(text: str) -> bool:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
    return plain and -(2**31) <= int(text) < 2**31


def _validate_claims(claims: list[PodResourceClaim], path: str) -> Iterator[FieldError]:
    """Claims of devices (KEP-4381)."""
    names: set[str] = set()
    for index, claim in enumerate(claims):
        where = f"{path}[{index}]"
        if not claim.name:
            yield required(f"{where}.name")
        else:
            if claim.name in names:
                yield duplicate(f"{where}.name", claim.name)
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


def _validate_host_ports(spec: PodSpec, path: str) -> Iterator[FieldError]:
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            for position, port in enumerate(container.ports):
                if port.hostPort != port.containerPort:
                    where = f"{path}.{kind}[{index}].ports[{position}].hostPort"
                    detail = "must match `containerPort` when `hostNetwork` is true"
                    yield invalid_value(where, port.hostPort, detail)


def _validate_dns(spec: PodSpec, path: str) -> Iterator[FieldError]:
    config = spec.dnsConfig
    if config is None:
        yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if spec.dnsPolicy == "None" and not config.nameservers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.nameservers", detail)
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
