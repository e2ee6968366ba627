"""CPU, memory and the rest: names, sums, quality of service.

See https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from api.core_v1 import Container, PodSpec, ResourceRequirements
from api.quantity import add, parse

HUGE_PAGES = "hugepages-"
STANDARD_FOR_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
COUNTS = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
"""Kubernetes' own resources that are numbers of objects."""
_FOR_QUALITY = ("cpu", "memory")
_NOTHING = Decimal(0)
_NATIVE_DOMAIN = "kubernetes.io/"
DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"
"""With a DeviceClass's name: the resource by which its devices can always be asked for (KEP-5004)."""


def is_native(name: str) -> bool:
    """Kubernetes' own resources: those without a domain, and those in its own."""
    return "/" not in name or _NATIVE_DOMAIN in name


def is_extended(name: str) -> bool:
    """A resource that a device plugin or an administrator adds: counted in whole pieces."""
    return not is_native(name) and not name.startswith("requests.")


def is_whole(name: str) -> bool:
    """A resource that comes in whole pieces only."""
    return name in COUNTS or is_extended(name)


def names_devices(name: str) -> bool:
    """Whether a resource may stand for devices of a class, so that nodes need not have it."""
    return is_extended(name) or name.startswith(DEVICE_CLASS)


def is_overcommit_allowed(name: str) -> bool:
    """Whether a request may be below its limit."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_pod_level(name: str) -> bool:
    """Whether `spec.resources` of a pod may name it (KEP-2837)."""
    return name in _FOR_QUALITY or name.startswith(HUGE_PAGES)


def is_sidecar(container: Container) -> bool:
    """An init container that goes on running (KEP-753)."""
    return container.restartPolicy == "Always"


def add_amounts(total: dict[str, str], more: Mapping[str, str]) -> None:
    """Add amounts of resources to a total."""
    for name, amount in more.items():
        total[name] = add(total[name], amount) if name in total else amount


def _raise_to(total: dict[str, str], floor: Mapping[str, str]) -> None:
    for name, amount in floor.items():
        if name not in total or parse(amount) > parse(total[name]):
            total[name] = amount


def container_total(spec: PodSpec, part: str = "requests") -> dict[str, str]:
    """The requests or limits of a pod's containers together: the running ones' sum, or more where an init container
    needs it."""
    total: dict[str, str] = {}
    sidecars: dict[str, str] = {}
    peak: dict[str, str] = {}
    for container in spec.containers:
        add_amounts(total, getattr(container.resources, part))
    for container in spec.initContainers:
        amounts = getattr(container.resources, part)
        if is_sidecar(container):
            add_amounts(total, amounts)
            add_amounts(sidecars, amounts)
            _raise_to(peak, sidecars)
        else:
            at_start = dict(amounts)
            add_amounts(at_start, sidecars)
            _raise_to(peak, at_start)
    _raise_to(total, peak)
    return total


def pod_total(spec: PodSpec, part: str = "requests") -> dict[str, str]:
    """What a pod requests, or its limits: those of its containers, unless it has its own (KEP-2837)."""
    total = container_total(spec, part)
    if spec.resources is not None:
        own: Mapping[str, str] = getattr(spec.resources, part)
        total |= {name: amount for name, amount in own.items() if is_pod_level(name)}
    return total


def quality_of_service(spec: PodSpec) -> str:
    """ "Guaranteed", "Burstable" or "BestEffort", from the pod-level resources or those of all containers."""
    if spec.resources is not None and (spec.resources.requests or spec.resources.limits):
        return _quality([spec.resources])
    return _quality([container.resources for container in (*spec.containers, *spec.initContainers)])


def _quality(all_resources: list[ResourceRequirements]) -> str:
    any_given, guaranteed = False, True
    for name in _FOR_QUALITY:
        requested = limited = Decimal(0)
        for resources in all_resources:
            request, limit = resources.requests.get(name), resources.limits.get(name)
            amount = _NOTHING if limit is None else parse(limit)
            if amount <= 0:
                guaranteed = False  # every container must have limits
            limited += amount
            if request is not None:
                requested += amount if request == limit else parse(request)
        any_given = any_given or requested > 0 or limited > 0
        guaranteed = guaranteed and requested == limited
    if not any_given:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
