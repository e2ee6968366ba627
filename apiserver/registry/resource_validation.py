"""The rules of requests and limits, of containers and of whole pods."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from api.core_v1 import ContainerResizePolicy, PodSpec, ResourceClaim, ResourceRequirements
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_found_value, not_supported, required
from api.quantity import parse, whole
from api.resources import (
    HUGE_PAGES,
    STANDARD_FOR_CONTAINERS,
    container_total,
    is_extended,
    is_native,
    is_overcommit_allowed,
    is_pod_level,
)
from apiserver.registry.names import label, qualified

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


def _validate_name(name: str, path: str) -> list[FieldError]:
    return [invalid_value(path, name, complaint) for complaint in container_resource_complaints(name)]


def _validate_pod_level(name: str, path: str) -> list[FieldError]:
    """Pods as a whole have fewer resources than containers."""
    complaints = resource_complaints(name)
    if complaints:
        return [invalid_value(path, name, complaint) for complaint in complaints]
    return [] if is_pod_level(name) else [not_supported(path, name, ("cpu", HUGE_PAGES, "memory"))]


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
    yield from _validate_claims(resources.claims, f"{path}.claims", claims)


def _validate_claims(uses: list[ResourceClaim], path: str, claims: Set[str]) -> Iterator[FieldError]:
    """A container names each claim of the pod once, or each request of it once (KEP-4381)."""
    seen: set[str] = set()
    for index, use in enumerate(uses):
        where = f"{path}[{index}]"
        if not use.name:
            yield required(where)
            continue
        key = f"{use.name}/{use.request}" if use.request else use.name
        if use.name in seen:
            yield duplicate(where, use.name)
        else:
            if use.request:
                for complaint in label(use.request):
                    yield invalid_value(f"{where}.request", use.request, complaint)
            if key in seen:
                yield duplicate(where, key)
            elif not use.request:
                for _ in (former for former in seen if former.startswith(f"{use.name}/")):
                    yield duplicate(where, use.name)
            seen.add(key)
        if use.name not in claims:
            known = " which is empty" if not claims else ": " + ", ".join(sorted(claims))
            yield not_found_value(where, use.name, f"must be one of the names in pod.spec.resourceClaims{known}")


@lru_cache(maxsize=2048)
def _flaws(
    some_limits: tuple[tuple[str, str], ...], some_requests: tuple[tuple[str, str], ...], *, of_pod: bool = False
) -> list[FieldError]:
    """What is wrong with limits and requests, with paths below the resources.  Containers are much alike: the
    answer is remembered."""
    limits, requests = dict(some_limits), dict(some_requests)
    found: list[FieldError] = []
    validate_name = _validate_pod_level if of_pod else _validate_name
    for name in sorted(limits):
        where = f".limits[{name}]"
        found += validate_name(name, where)
        found += [invalid_value(where, limits[name], complaint) for complaint in _amount_complaints(name, limits[name])]
        found += _whole_pages(name, limits[name], where)
    for name in sorted(requests):
        where, amount = f".requests[{name}]", requests[name]
        found += validate_name(name, where)
        found += [invalid_value(where, amount, complaint) for complaint in _amount_complaints(name, amount)]
        limit = limits.get(name)
        if limit is not None:
            found += _within(name, amount, limit, ".requests")
        elif not is_overcommit_allowed(name):
            found.append(required(".limits", "Limit must be set for non overcommitable resources"))
        found += _whole_pages(name, amount, where)
    named = {*limits, *requests}
    if not named & {"cpu", "memory"} and any(name.startswith(HUGE_PAGES) for name in named):
        found.append(forbidden("", "HugePages require cpu or memory"))
    return found


def _whole_pages(name: str, amount: str, path: str) -> Iterator[FieldError]:
    """Memory in huge pages comes in pieces of the page's size."""
    if not name.startswith(HUGE_PAGES):
        return
    try:
        size = parse(name.removeprefix(HUGE_PAGES))
    except ValueError:
        size = Decimal(0)
    if size <= 0 or size != size.to_integral_value() or whole(amount) % int(size):
        yield invalid_value(path, amount, f"{amount} is not positive integer multiple of {name}")


def _within(name: str, amount: str, limit: str, path: str) -> Iterator[FieldError]:
    if amount == limit:
        return
    request, most = parse(amount), parse(limit)
    if request != most and not is_overcommit_allowed(name):
        yield invalid_value(path, amount, f"must be equal to {name} limit of {limit}")
    elif request > most:
        yield invalid_value(path, amount, f"must be less than or equal to {name} limit of {limit}")


def validate_pod_resources(spec: PodSpec, claims: Set[str], path: str) -> Iterator[FieldError]:
    """Complaints about pod-level resources (KEP-2837)."""
    resources = spec.resources
    if resources is None:
        return
    if spec.os is not None and spec.os.name == "windows":
        yield forbidden(path, "may not be set for a windows pod")
        return
    if resources.claims:
        yield forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level")
    for error in _flaws(tuple(resources.limits.items()), tuple(resources.requests.items()), of_pod=True):
        yield replace(error, field=path + error.field)
    yield from _validate_claims(resources.claims, f"{path}.claims", claims)
    needed = container_total(spec)
    for name, amount in sorted(resources.requests.items()):
        if name in needed and parse(needed[name]) > parse(amount):
            detail = f"must be greater than or equal to aggregate container requests of {needed[name]}"
            yield invalid_value(f"{path}.requests[{name}]", amount, detail)
    pages = [name for name in resources.limits if name.startswith(HUGE_PAGES)]
    needed = container_total(spec, "limits") if pages else {}
    for name in sorted(needed.keys() & pages):
        if parse(needed[name]) > parse(resources.limits[name]):
            detail = f"must be greater than or equal to aggregate container limits of {needed[name]}"
            yield invalid_value(f"{path}.limits[{name}]", resources.limits[name], detail)
    for index, container in enumerate(spec.containers):
        for name, limit in sorted(container.resources.limits.items()):
            most = resources.limits.get(name)
            if most is not None and parse(limit) > parse(most):
                where = f"{path}.containers[{index}][{name}].limits"
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
