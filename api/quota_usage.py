"""What an object uses up of a namespace's quotas, and which quotas it counts for.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from api.core_v1 import Pod, PodAffinity, PodAntiAffinity, ResourceQuota, ScopedResourceSelectorRequirement, Service
from api.quantity import add, format_as, parse, whole
from api.resources import HUGE_PAGES, add_amounts, is_extended, is_native, pod_total, quality_of_service
from api.storage_class import storage_class

Usage = dict[str, str]

PODS, SERVICES, CLAIMS = "pods", "services", "persistentvolumeclaims"
_DEVICE_CLAIMS = "resourceclaims.resource.k8s.io"
_DEVICES = ".deviceclass.resource.k8s.io/devices"
_ALL_DEVICES = 32  # as many as a claim can get
_COUNTED_BY_NAME = {"configmaps", "replicationcontrollers", "resourcequotas", "secrets", PODS, SERVICES, CLAIMS}
_OF_SERVICES = {SERVICES, "services.nodeports", "services.loadbalancers"}
_OF_CLAIMS = (CLAIMS, "requests.storage")
_BY_CLASS = ".storageclass.storage.k8s.io/"
_REQUESTS, _LIMITS = "requests.", "limits."
_MUST_BE_SAID = {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
_OF_PODS = _MUST_BE_SAID | {PODS, "ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage"}


def usage_of(resource: str, obj: Any) -> Usage:
    """What an object of a resource (as in `Resource.group_resource`) uses."""
    used = {f"count/{resource}": "1"}
    if resource == PODS:
        if _is_over(obj):
            return used
        used |= _compute(pod_total(obj.spec), pod_total(obj.spec, "limits"))
        if obj.spec.overhead:
            used = _with_overhead(used, obj)
    elif resource == SERVICES:
        used |= _of_service(obj)
    elif resource == CLAIMS:
        used |= _of_claim(obj)
    elif resource == _DEVICE_CLAIMS:
        used |= _of_device_claim(obj)
    if resource in _COUNTED_BY_NAME:
        used[resource] = "1"
    return used


def is_tracked(resource: str, name: str) -> bool:
    """Whether objects of a resource use up what a quota limits under this name."""
    if name == f"count/{resource}":
        return True
    if resource == PODS:
        huge = name.startswith((HUGE_PAGES, _REQUESTS + HUGE_PAGES))
        return name in _OF_PODS or huge or (name.startswith(_REQUESTS) and not is_native(name))
    if resource == SERVICES:
        return name in _OF_SERVICES
    if resource == CLAIMS:
        return name in _OF_CLAIMS or name.endswith(tuple(_BY_CLASS + each for each in _OF_CLAIMS))
    if resource == _DEVICE_CLAIMS:
        return name.endswith(_DEVICES)
    return name == resource and resource in _COUNTED_BY_NAME


def applies(quota: ResourceQuota, resource: str, obj: Any) -> bool:
    """Whether an object counts for a quota: it limits something of it, and the object is in all its scopes."""
    tracked = any(is_tracked(resource, name) for name in quota.status.hard)
    return tracked and all(in_scope(resource, scope, obj) for scope in scopes_of(quota))


def scopes_of(quota: ResourceQuota) -> list[ScopedResourceSelectorRequirement]:
    """All scopes of a quota, in the form of those of its selector."""
    selector = quota.spec.scopeSelector
    return [
        *(ScopedResourceSelectorRequirement(scopeName=each, operator="Exists") for each in quota.spec.scopes),
        *(selector.matchExpressions if selector is not None else ()),
    ]


def unsaid(pod: Pod, names: Iterable[str]) -> str:
    """What a pod fails to say although a quota limits it, in Kubernetes' words; empty when it says everything."""
    found: dict[str, set[str]] = {}
    own = pod.spec.resources
    said_for_all = set() if own is None else set(_compute(own.requests, own.limits))
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        said = said_for_all | set(_compute(container.resources.requests, container.resources.limits))
        for name in _MUST_BE_SAID.intersection(names) - said:
            found.setdefault(name, set()).add(container.name)
    texts = [f"{name} for: {','.join(sorted(found[name]))}" for name in sorted(found)]
    return f"must specify {'; '.join(texts)}" if texts else ""


def _is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Failed", "Succeeded")


def _compute(requests: Mapping[str, str], limits: Mapping[str, str]) -> Usage:
    """Requests and limits under the names that quotas have for them."""
    used = {}
    for name, amount in requests.items():
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith(HUGE_PAGES):
            used[name] = used[_REQUESTS + name] = amount
        elif is_extended(name):
            used[_REQUESTS + name] = amount
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in limits:
            used[_LIMITS + name] = limits[name]
    return used


def _with_overhead(used: Usage, pod: Pod) -> Usage:
    """The runtime's own needs are requested, and add to the limits there are."""
    limits = {name: amount for name, amount in pod.spec.overhead.items() if _LIMITS + name in used}
    add_amounts(used, _compute(pod.spec.overhead, limits))
    return used


def _of_service(service: Service) -> Usage:
    spec = service.spec
    balanced = spec.type == "LoadBalancer"
    ports = 0
    if spec.type == "NodePort" or (balanced and spec.allocateLoadBalancerNodePorts is not False):
        ports = len(spec.ports)
    elif balanced:
        ports = sum(1 for port in spec.ports if port.nodePort)
    return {"services.nodeports": str(ports), "services.loadbalancers": str(int(balanced))}


def _of_claim(claim: Any) -> Usage:
    used = {}
    name = storage_class(claim.metadata, claim.spec.storageClassName)
    size = claim.spec.resources.requests.get("storage")
    if size is not None:
        # While it shrinks, what is set aside counts (KEP-1790); parts of a byte count as one.
        size = max(size, claim.status.allocatedResources.get("storage", size), key=parse)
        used["requests.storage"] = size if parse(size) % 1 == 0 else str(whole(size))
    if name:
        used |= {name + _BY_CLASS + what: amount for what, amount in used.items()}
        used[name + _BY_CLASS + CLAIMS] = "1"
    return used


def _of_device_claim(claim: Any) -> Usage:
    """Devices by class; of alternatives the most of each class (KEP-4381)."""
    used: Usage = {}
    for request in claim.spec.devices.requests:
        most: dict[str, int] = {}
        for wish in request.firstAvailable or [request.exactly]:
            if wish is not None:
                count = _ALL_DEVICES if wish.allocationMode == "All" else wish.count
                most[wish.deviceClassName] = max(count, most.get(wish.deviceClassName, 0))
        add_amounts(used, {name + _DEVICES: str(count) for name, count in most.items()})
    return used


def in_scope(resource: str, scope: ScopedResourceSelectorRequirement, obj: Any) -> bool:
    """Whether an object of a resource is in a quota's scope."""
    name = scope.scopeName
    if resource == CLAIMS:
        return name == "VolumeAttributesClass" and _selects(scope, _attribute_classes(obj))
    if resource != PODS:
        return False
    if name == "PriorityClass":
        return _selects(scope, {obj.spec.priorityClassName} - {""})
    rule = _POD_SCOPES.get(name)
    return rule is not None and rule(obj)


def _selects(scope: ScopedResourceSelectorRequirement, values: set[str]) -> bool:
    match scope.operator:
        case "In":
            return bool(values & set(scope.values))
        case "NotIn":
            return not values & set(scope.values)
        case "Exists":
            return bool(values)
    return not values


def _attribute_classes(claim: Any) -> set[str]:
    status = claim.status
    target = "" if status.modifyVolumeStatus is None else status.modifyVolumeStatus.targetVolumeAttributesClassName
    return {claim.spec.volumeAttributesClassName, status.currentVolumeAttributesClassName, target} - {None, ""}


def _is_terminating(pod: Pod) -> bool:
    seconds = pod.spec.activeDeadlineSeconds
    return seconds is not None and seconds >= 0


def _looks_elsewhere(pod: Pod) -> bool:
    """Whether it wants to be near, or away from, pods of other namespaces."""
    affinity = pod.spec.affinity
    parts: list[PodAffinity | PodAntiAffinity | None] = (
        [] if affinity is None else [affinity.podAffinity, affinity.podAntiAffinity]
    )
    terms = (term for part in parts if part is not None for term in _terms(part))
    return any(term.namespaces or term.namespaceSelector is not None for term in terms)


def _terms(part: PodAffinity | PodAntiAffinity) -> Iterator[Any]:
    yield from part.requiredDuringSchedulingIgnoredDuringExecution
    yield from (each.podAffinityTerm for each in part.preferredDuringSchedulingIgnoredDuringExecution)


_POD_SCOPES: Mapping[str, Callable[[Pod], bool]] = {
    "BestEffort": lambda pod: quality_of_service(pod.spec) == "BestEffort",
    "NotBestEffort": lambda pod: quality_of_service(pod.spec) != "BestEffort",
    "Terminating": _is_terminating,
    "NotTerminating": lambda pod: not _is_terminating(pod),
    "CrossNamespacePodAffinity": _looks_elsewhere,
}


def increase(now: Mapping[str, str], before: Mapping[str, str]) -> Usage:
    """How much more is used than before, where it is more."""
    grown = {}
    for name, amount in now.items():
        more = parse(amount) - parse(before.get(name, "0"))
        if more > 0:
            grown[name] = amount if name not in before else add(amount, format_as(-parse(before[name])))
    return grown
