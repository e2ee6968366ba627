"""CPU, memory and the rest: names, sums, quality of service.

See https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from api.core_v1 import Container, PodSpec, ResourceRequirements
from api.quantity import format_as, parse

HUGE_PAGES = "hugepages-"
STANDARD_FOR_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
_FOR_QUALITY = ("cpu", "memory")
_NOTHING = Decimal(0)
_NATIVE_DOMAIN = "kubernetes.io/"


def is_native(name: str) -> bool:
    """Kubernetes' own resources: those without a domain, and those in its own."""
    return "/" not in name or _NATIVE_DOMAIN in name


def is_extended(name: str) -> bool:
    """A resource that a device plugin or an administrator adds: counted in whole pieces."""
    return not is_native(name) and not name.startswith("requests.")


def is_overcommit_allowed(name: str) -> bool:
    """Whether a request may be below its limit."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_pod_level(name: str) -> bool:
    """Whether `spec.resources` of a pod may name it (KEP-2837)."""
    return name in _FOR_QUALITY or name.startswith(HUGE_PAGES)


def is_sidecar(container: Container) -> bool:
    """An init container that goes on running (KEP-753)."""
    return container.restartPolicy == "Always"


def _add(total: dict[str, Decimal], more: Mapping[str, str]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + parse(amount)


def _family(name: str) -> str:
    return "binary" if name in ("memory", "ephemeral-storage") or name.startswith(HUGE_PAGES) else "decimal"


def container_requests(spec: PodSpec) -> dict[str, str]:
    """What a pod's containers request together: the running ones' sum, or more where an init container needs it."""
    total: dict[str, Decimal] = {}
    for container in spec.containers:
        _add(total, container.resources.requests)
    sidecars: dict[str, Decimal] = {}
    peak: dict[str, Decimal] = {}
    for container in spec.initContainers:
        if is_sidecar(container):
            _add(total, container.resources.requests)
            _add(sidecars, container.resources.requests)
            at_start = dict(sidecars)
        else:
            at_start = dict(sidecars)
            _add(at_start, container.resources.requests)
        for name, amount in at_start.items():
            peak[name] = max(peak.get(name, Decimal(0)), amount)
    for name, amount in peak.items():
        total[name] = max(total.get(name, Decimal(0)), amount)
    return {name: format_as(amount, _family(name)) for name, amount in total.items()}


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
