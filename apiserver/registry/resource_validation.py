"""The rules of requests and limits, of containers and of whole pods."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from functools import lru_cache

from api.core_v1 import ContainerResizePolicy, PodSpec, ResourceRequirements
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_found_value, not_supported, required
from api.quantity import parse
from apiserver.registry.names import qualified
from apiserver.registry.resources import (
    HUGE_PAGES,
    STANDARD_FOR_CONTAINERS,
    container_total,
    is_extended,
    is_native,
    is_overcommit_allowed,
    is_pod_level,
)

_STANDARD = STANDARD_FOR_CONTAINERS | {
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "requests.storage",
    "pods",
    "resourcequotas",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
}
_POLICIES = ("NotRequired", "RestartContainer")
_RESIZABLE = ("cpu", "memory")


def resource_complaints(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a resource."""
    complaints = qualified(name)
    huge = name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))
    if not complaints and "/" not in name and name not in _STANDARD and not huge:
        return ("must be a standard resource type or fully qualified",)
    return complaints


@lru_cache(maxsize=1024)
def container_resource_complaints(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a resource that containers use."""
    complaints = list(resource_complaints(name))
    if "/" not in name:
        if name not in STANDARD_FOR_CONTAINERS and not name.startswith(HUGE_PAGES):
            complaints.append("must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        complaints.append("doesn't follow extended resource name standard")
    return tuple(complaints)


@lru_cache(maxsize=4096)
def _amount_complaints(name: str, amount: str) -> tuple[str, ...]:
    value = parse(amount)
    complaints = []
    if value < 0:
        complaints.append("must be greater than or equal to 0")
    if is_extended(name) and value != value.to_integral_value():
        complaints.append("must be an integer")
    return tuple(complaints)


def validate_resources(resources: ResourceRequirements, path: str, claims: Set[str]) -> Iterator[FieldError]:
    """Complaints about a container's resources; `claims` are the names in the pod's spec.resourceClaims."""
    for error in _flaws(tuple(resources.limits.items()), tuple(resources.requests.items())):
        yield replace(error, field=path + error.field)
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(resources.claims):
        where = f"{path}.claims[{index}]"
        if not claim.name:
            yield required(where)
            continue
        if (claim.name, claim.request) in seen:
            yield duplicate(where, claim.name)
        seen.add((claim.name, claim.request))
        if claim.name not in claims:
            known = "which is empty" if not claims else ": " + ", ".join(sorted(claims))
            yield not_found_value(where, claim.name, f"must be one of the names in pod.spec.resourceClaims {known}")


@lru_cache(maxsize=2048)
def _flaws(some_limits: tuple[tuple[str, str], ...], some_requests: tuple[tuple[str, str], ...]) -> list[FieldError]:
    """What is wrong with limits and requests, with paths below the resources.  Containers are much alike: the
    answer is remembered."""
    limits, requests = dict(some_limits), dict(some_requests)
    found: list[FieldError] = []
    for name in sorted(limits):
        where = f".limits[{name}]"
        found += [invalid_value(where, name, complaint) for complaint in container_resource_complaints(name)]
        found += [invalid_value(where, limits[name], complaint) for complaint in _amount_complaints(name, limits[name])]
    for name in sorted(requests):
        where, amount = f".requests[{name}]", requests[name]
        found += [invalid_value(where, name, complaint) for complaint in container_resource_complaints(name)]
        found += [invalid_value(where, amount, complaint) for complaint in _amount_complaints(name, amount)]
        limit = limits.get(name)
        if limit is not None:
            found += _within(name, amount, limit, ".requests")
        elif not is_overcommit_allowed(name):
            found.append(required(".limits", "Limit must be set for non overcommitable resources"))
    named = {*limits, *requests}
    if not named & {"cpu", "memory"} and any(name.startswith(HUGE_PAGES) for name in named):
        found.append(forbidden("", "HugePages require cpu or memory"))
    return found


def _within(name: str, amount: str, limit: str, path: str) -> Iterator[FieldError]:
    if amount == limit:
        return
    request, most = parse(amount), parse(limit)
    if request != most and not is_overcommit_allowed(name):
        yield invalid_value(path, amount, f"must be equal to {name} limit of {limit}")
    elif request > most:
        yield invalid_value(path, amount, f"must be less than or equal to {name} limit of {limit}")


def validate_pod_resources(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Complaints about pod-level resources (KEP-2837)."""
    resources = spec.resources
    if resources is None:
        return
    if resources.claims:
        yield forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level")
    for part in ("limits", "requests"):
        for name, amount in sorted(getattr(resources, part).items()):
            where = f"{path}.{part}[{name}]"
            if not is_pod_level(name):
                yield not_supported(where, name, ("cpu", HUGE_PAGES, "memory"))
            for complaint in _amount_complaints(name, amount):
                yield invalid_value(where, amount, complaint)
            if part == "requests" and name in resources.limits:
                yield from _within(name, amount, resources.limits[name], f"{path}.requests")
    needed = container_total(spec)
    for name, amount in sorted(resources.requests.items()):
        if name in needed and parse(needed[name]) > parse(amount):
            detail = f"must be greater than or equal to aggregate container requests of {needed[name]}"
            yield invalid_value(f"{path}.requests[{name}]", amount, detail)
    for index, container in enumerate(spec.containers):
        for name, limit in sorted(container.resources.limits.items()):
            most = resources.limits.get(name)
            if most is not None and parse(limit) > parse(most):
                where = path.removesuffix(".resources") + f".containers[{index}].resources.limits"
                yield invalid_value(where, limit, f"must be less than or equal to pod limits of {most}")


def validate_resize_policies(policies: list[ContainerResizePolicy], restart: str, path: str) -> Iterator[FieldError]:
    """Complaints about what may happen to a container while its resources change (KEP-1287)."""
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resourceName in seen:
            yield duplicate(f"{path}[{index}]", policy.resourceName)
        seen.add(policy.resourceName)
        if not policy.resourceName:
            yield required(path)
        elif policy.resourceName not in _RESIZABLE:
            yield not_supported(path, policy.resourceName, _RESIZABLE)
        if not policy.restartPolicy:
            yield required(path)
        elif policy.restartPolicy not in _POLICIES:
            yield not_supported(path, policy.restartPolicy, _POLICIES)
        if restart == "Never" and policy.restartPolicy != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            yield invalid_value(path, policy.restartPolicy, detail)
