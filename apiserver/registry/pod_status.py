"""`/status` of pods: what the kubelet reports, and what it may not say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.core_v1 import Container, ContainerStatus, Pod, PodExtendedResourceClaimStatus, PodIP, PodSpec
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.model import Model
from apiserver.registry.addresses import address, family
from apiserver.registry.names import label, qualified, subdomain
from apiserver.registry.pod_update import validate_annotations_of_change
from apiserver.registry.security_context import in_range
from apiserver.registry.strategy import Status

_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
_HEALTH = ("Healthy", "Unhealthy", "Unknown")
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_NOT_NEGATIVE = "must be a non-negative integer"


def synchronise_pod_ips(pod: Pod) -> None:
    """podIP is the older field for the first of podIPs: whoever sets one, sets both; podIP wins."""
    status = pod.status
    if status.podIP:
        if not status.podIPs or status.podIPs[0].ip != status.podIP:
            status.podIPs = [PodIP(ip=status.podIP)]
    elif status.podIPs:
        status.podIP = status.podIPs[0].ip


@dataclass(frozen=True)
class PodStatus(Status):
    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        new.spec = old.spec
        new.metadata.deletionTimestamp = old.metadata.deletionTimestamp
        # Unlike other kinds, a pod's finalizers may change here.
        new.metadata.ownerReferences = old.metadata.ownerReferences
        if not new.status.qosClass:
            new.status.qosClass = old.status.qosClass
        _keep_generations(new, old)

    def validate_update(self, new: Pod, old: Pod) -> Iterable[FieldError]:
        yield from validate_annotations_of_change(new, old)
        status, former, spec = new.status, old.status, new.spec
        for index, condition in enumerate(status.conditions):
            where = f"status.conditions[{index}]"
            if condition.observedGeneration < 0:
                yield invalid_value(f"{where}.observedGeneration", condition.observedGeneration, _NOT_NEGATIVE)
            if condition.type not in _SYSTEM_CONDITIONS:
                for complaint in qualified(condition.type):
                    yield invalid_value(f"{where}.Type", condition.type, complaint)
        if status.nominatedNodeName and status.nominatedNodeName != former.nominatedNodeName:
            for complaint in subdomain(status.nominatedNodeName):
                yield invalid_value("status.nominatedNodeName", status.nominatedNodeName, complaint)
            if spec.nodeName:
                yield forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node")
        if status.observedGeneration < 0:
            yield invalid_value("status.observedGeneration", status.observedGeneration, _NOT_NEGATIVE)
        if status.qosClass != former.qosClass:
            yield invalid_value("status.qosClass", status.qosClass, "field is immutable")
        yield from _validate_transitions(new, old)
        yield from _validate_claims(new)
        if status.extendedResourceClaimStatus is not None:
            where = "status.extendedResourceClaimStatus"
            yield from _validate_extended_claim(status.extendedResourceClaimStatus, spec, where)
        yield from _validate_addresses(new, old, "podIPs")
        if status.hostIPs and status.hostIP != status.hostIPs[0].ip:
            yield invalid_value("status.hostIPs[0].ip", status.hostIPs[0].ip, "must be equal to `hostIP`")
        yield from _validate_addresses(new, old, "hostIPs")
        for name in _STATUSES:
            yield from _validate_users(getattr(status, name), spec, f"status.{name}")
        yield from _validate_devices(status.containerStatuses, spec.containers, "status.containerStatuses")
        yield from _validate_devices(status.initContainerStatuses, spec.initContainers, "status.initContainerStatuses")
        for index, each in enumerate(status.ephemeralContainerStatuses):
            if each.allocatedResourcesStatus:
                where = f"status.ephemeralContainerStatuses[{index}].allocatedResourcesStatus"
                yield forbidden(where, "must not be specified in container status")


def _keep_generations(new: Pod, old: Pod) -> None:
    """A client that does not know observedGeneration does not mean to clear it."""
    if not new.status.observedGeneration:
        new.status.observedGeneration = old.status.observedGeneration
    former: dict[str, list[int]] = {}
    for condition in old.status.conditions:
        if condition.observedGeneration:
            former.setdefault(condition.type, []).append(condition.observedGeneration)
    for condition in new.status.conditions if former else ():
        known = former.get(condition.type)
        if known:
            generation = known.pop(0)
            condition.observedGeneration = condition.observedGeneration or generation


def _validate_transitions(new: Pod, old: Pod) -> Iterator[FieldError]:
    """A container that has ended stays so, unless its restart policy says otherwise."""
    spec = old.spec
    containers = (*spec.containers, *spec.initContainers)
    all_restart = any(r.action == "RestartAllContainers" for c in containers for r in c.restartPolicyRules)
    for name, kind in zip(_STATUSES, ("containers", "initContainers", "ephemeralContainers"), strict=True):
        before, after = getattr(old.status, name), {each.name: each for each in getattr(new.status, name)}
        if all_restart and kind != "ephemeralContainers":
            continue
        for index, former in enumerate(before):
            now = after.get(former.name)
            if former.state.terminated is None or now is None or now.state.terminated is not None:
                continue
            found = None
            if kind != "ephemeralContainers":
                found = next((c for c in getattr(spec, kind) if c.name == former.name), None)
            if found is None or not _restarts(found, spec, former.state.terminated.exitCode):
                yield forbidden(f"status.{name}[{index}].state", "may not be transitioned to non-terminated state")


def _restarts(container: Container, spec: PodSpec, exit_code: int) -> bool:
    """Whether a container that ended in this way is started again."""
    if container.restartPolicy:
        for rule in container.restartPolicyRules:
            codes = rule.exitCodes
            if codes is not None and (exit_code in codes.values) == (codes.operator == "In"):
                return True
    policy = container.restartPolicy or spec.restartPolicy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _validate_claims(pod: Pod) -> Iterator[FieldError]:
    declared = {claim.name for claim in pod.spec.resourceClaims}
    seen: set[str] = set()
    for index, status in enumerate(pod.status.resourceClaimStatuses):
        path = f"status.resourceClaimStatuses[{index}]"
        where = f"{path}.name"
        if status.name not in declared:
            yield invalid_value(where, status.name, "must match the name of an entry in `spec.resourceClaims`")
        if status.name in seen:
            yield duplicate(where, status.name)
        seen.add(status.name)
        if status.resourceClaimName is not None:
            for complaint in subdomain(status.resourceClaimName):
                yield invalid_value(f"{path}.resourceClaimName", status.resourceClaimName, complaint)


def _validate_extended_claim(status: PodExtendedResourceClaimStatus, spec: PodSpec, path: str) -> Iterator[FieldError]:
    """KEP-5004."""
    containers = {container.name: container for container in (*spec.initContainers, *spec.containers)}
    if not status.requestMappings:
        yield required(f"{path}.requestMappings", "at least one request mapping is required")
    seen: set[tuple[str, str, str]] = set()
    either = "spec.initContainers{0} or spec.containers{0}"
    for index, mapping in enumerate(status.requestMappings):
        where = f"{path}.requestMappings[{index}]"
        container = containers.get(mapping.containerName)
        if container is None:
            detail = f"must match the name of an entry in {either.format('.name')}"
            yield invalid_value(f"{where}.containerName", mapping.containerName, detail)
        elif mapping.resourceName not in container.resources.requests:
            detail = f"must match the extended resource name of an entry in {either.format('.resources.requests')}"
            yield invalid_value(f"{where}.resourceName", mapping.resourceName, detail)
        for complaint in label(mapping.requestName):
            yield invalid_value(f"{path}.requestName", mapping.requestName, complaint)
        key = (mapping.containerName, mapping.resourceName, mapping.requestName)
        if key in seen:
            for field in ("containerName", "resourceName", "requestName"):
                yield duplicate(f"{where}.{field}", getattr(mapping, field))
        seen.add(key)
    if not status.resourceClaimName:
        yield required(f"{path}.resourceClaimName")
    else:
        for complaint in subdomain(status.resourceClaimName):
            yield invalid_value(f"{path}.resourceClaimName", status.resourceClaimName, complaint)


def _validate_addresses(pod: Pod, old: Pod, name: str) -> Iterator[FieldError]:
    """One address of each family; those that are there already are not looked at again."""
    entries = getattr(pod.status, name)
    known = {entry.ip for entry in getattr(old.status, name)}
    wrong = False
    for index, entry in enumerate(entries):
        for complaint in address(entry.ip) if entry.ip not in known else ():
            wrong = True
            yield invalid_value(f"status.{name}[{index}]", entry.ip, complaint)
    if wrong or len(entries) < 2:
        return
    families = {family(entry.ip) for entry in entries}
    if len(families) != len(entries):
        detail = "may specify no more than one IP for each IP family"
        yield invalid_value(f"status.{name}", [{"IP": entry.ip} for entry in entries], detail)


def _validate_users(statuses: list[ContainerStatus], spec: PodSpec, path: str) -> Iterator[FieldError]:
    windows = spec.os is not None and spec.os.name == "windows"
    for index, status in enumerate(statuses):
        user = status.user.linux if status.user is not None else None
        if user is None:
            continue
        where = f"{path}[{index}].user.linux"
        if windows:
            yield forbidden(where, "cannot be set for a windows pod")
            continue
        yield from in_range(user.uid, f"{where}.uid")
        yield from in_range(user.gid, f"{where}.gid")
        for position, group in enumerate(user.supplementalGroups):
            yield from in_range(group, f"{where}.supplementalGroups[{position}]")


def _validate_devices(statuses: list[ContainerStatus], containers: list[Container], path: str) -> Iterator[FieldError]:
    """What is reported of devices (KEP-4680) is of those that the container asks for."""
    by_name = {container.name: container for container in containers}
    for index, status in enumerate(statuses):
        container = by_name.get(status.name)
        for position, devices in enumerate(status.allocatedResourcesStatus):
            where = f"{path}[{index}].allocatedResourcesStatus[{position}]"
            if container is not None:
                yield from _validate_device_name(devices.name, container, f"{where}.name")
            seen: set[str] = set()
            for number, device in enumerate(devices.resources):
                place = f"{where}.resources[{number}]"
                if device.health not in _HEALTH:
                    yield not_supported(f"{place}.health", device.health, _HEALTH)
                if device.resourceID in seen:
                    yield duplicate(f"{place}.resourceID", device.resourceID)
                seen.add(device.resourceID)


def _validate_device_name(name: str, container: Container, path: str) -> Iterator[FieldError]:
    if name.startswith("claim:"):
        claims = container.resources.claims
        if name not in {f"claim:{claim.name}" + (f"/{claim.request}" if claim.request else "") for claim in claims}:
            detail = (
                "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' "
                "or 'claim:<claimName>' if request is empty"
            )
            yield invalid_value(path, name, detail)
    elif name not in container.resources.requests:
        yield invalid_value(path, name, "must match one of the container's resource requests")
