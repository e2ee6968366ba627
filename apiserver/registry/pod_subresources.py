"""The parts of a pod with rules of their own: status, ephemeral containers, resize."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.core_v1 import Container, Pod, PodIP
from api.errors import FieldError, forbidden, invalid_value
from api.model import Model
from apiserver.registry.addresses import address, family
from apiserver.registry.internal_form import difference
from apiserver.registry.names import subdomain
from apiserver.registry.pod_spec import validate_pod_spec
from apiserver.registry.resources import quality_of_service
from apiserver.registry.strategy import Status, Subresource

_RESIZABLE = ("cpu", "memory")


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
    """`/status` of pods: what the kubelet reports."""

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        new.spec = old.spec
        new.metadata.deletionTimestamp = old.metadata.deletionTimestamp
        # Unlike other kinds, a pod's finalizers may change here.
        new.metadata.ownerReferences = old.metadata.ownerReferences
        if not new.status.qosClass:
            new.status.qosClass = old.status.qosClass

    def validate_update(self, new: Pod, old: Pod) -> Iterable[FieldError]:
        status = new.status
        if status.qosClass and status.qosClass != quality_of_service(new.spec):
            yield invalid_value("status.qosClass", status.qosClass, "field is immutable")
        if status.nominatedNodeName:
            for complaint in subdomain(status.nominatedNodeName):
                yield invalid_value("status.nominatedNodeName", status.nominatedNodeName, complaint)
            if new.spec.nodeName and status.nominatedNodeName != old.status.nominatedNodeName:
                yield forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node")
        if status.observedGeneration < 0:
            detail = "must be a non-negative integer"
            yield invalid_value("status.observedGeneration", status.observedGeneration, detail)
        for index, condition in enumerate(status.conditions):
            if condition.observedGeneration < 0:
                where = f"status.conditions[{index}].observedGeneration"
                yield invalid_value(where, condition.observedGeneration, "must be a non-negative integer")
        yield from _validate_addresses(new, "podIPs")
        yield from _validate_addresses(new, "hostIPs")


def _validate_addresses(pod: Pod, name: str) -> Iterator[FieldError]:
    entries = getattr(pod.status, name)
    wrong = False
    for index, entry in enumerate(entries):
        for complaint in address(entry.ip):
            wrong = True
            yield invalid_value(f"status.{name}[{index}]", entry.ip, complaint)
    if wrong or len(entries) < 2:
        return
    families = {family(entry.ip) for entry in entries}
    if len(families) != len(entries):
        detail = "may specify no more than one IP for each IP family"
        yield invalid_value(f"status.{name}", [{"IP": entry.ip} for entry in entries], detail)


@dataclass(frozen=True)
class EphemeralContainers(Subresource):
    """`/ephemeralcontainers`: adds containers for debugging; they can be neither changed nor removed (KEP-277)."""

    name: str = "ephemeralcontainers"

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        added = new.spec.ephemeralContainers
        new.spec = old.spec.model_copy(update={"ephemeralContainers": added})
        new.status = old.status
        _keep_metadata(new, old)
        new.metadata.generation = old.metadata.generation + (added != old.spec.ephemeralContainers)

    def validate_update(self, new: Pod, old: Pod) -> Iterable[FieldError]:
        yield from validate_pod_spec(new.spec, "spec", new.metadata)
        now = {container.name: container for container in new.spec.ephemeralContainers}
        for container in old.spec.ephemeralContainers:
            path, found = "spec.ephemeralContainers", now.get(container.name)
            what = f'existing ephemeral containers "{container.name}" may not be'
            if found is None:
                yield forbidden(path, f"{what} removed\n")
            elif found != container:
                yield forbidden(path, f"{what} changed\n{difference(container, found)}")


def _keep_metadata(new: Pod, old: Pod) -> None:
    resource_version, managed = new.metadata.resourceVersion, new.metadata.managedFields
    new.metadata = old.metadata.model_copy(update={"resourceVersion": resource_version, "managedFields": managed})


@dataclass(frozen=True)
class Resize(Subresource):
    """`/resize`: changes the CPU and memory of containers (KEP-1287)."""

    name: str = "resize"

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        changes = {
            kind: _with_resources(getattr(new.spec, kind), getattr(old.spec, kind))
            for kind in ("containers", "initContainers")
        }
        new.spec = old.spec.model_copy(update={**changes, "resources": new.spec.resources})
        new.status = old.status
        _keep_metadata(new, old)
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate_update(self, new: Pod, old: Pod) -> Iterable[FieldError]:
        if old.spec.os is not None and old.spec.os.name == "windows":
            yield forbidden("[]", "windows pods cannot be resized")
            return
        yield from validate_pod_spec(new.spec, "spec", new.metadata)
        if new.spec == old.spec:
            return
        quality = quality_of_service(new.spec)
        if quality != old.status.qosClass:
            detail = "Pod QOS Class may not change as a result of resizing"
            yield invalid_value("spec", old.status.qosClass, detail)
        for kind in ("containers", "initContainers"):
            for index, (container, former) in enumerate(
                zip(getattr(new.spec, kind), getattr(old.spec, kind), strict=True)
            ):
                yield from _validate_removals(container, former, f"spec.{kind}[{index}].resources")
        if not _only_resizable(new, old):
            yield forbidden("spec", "only cpu and memory resources are mutable")


def _with_resources(new: list[Container], old: list[Container]) -> list[Container]:
    """The old containers with the resources and resize policies of the new ones."""
    wanted = {container.name: container for container in new}
    result = []
    for container in old:
        changed = wanted.get(container.name)
        if changed is not None:
            update = {"resources": changed.resources, "resizePolicy": changed.resizePolicy}
            container = container.model_copy(update=update)
        result.append(container)
    return result


def _validate_removals(new: Container, old: Container, path: str) -> Iterator[FieldError]:
    for part in ("requests", "limits"):
        if set(getattr(old.resources, part)) - set(getattr(new.resources, part)):
            yield forbidden(f"{path}.{part}", f"resource {part} cannot be removed")


def _only_resizable(new: Pod, old: Pod) -> bool:
    for kind in ("containers", "initContainers"):
        for container, former in zip(getattr(new.spec, kind), getattr(old.spec, kind), strict=True):
            if container.resizePolicy != former.resizePolicy or container.resources.claims != former.resources.claims:
                return False
            for part in ("limits", "requests"):
                now, before = getattr(container.resources, part), getattr(former.resources, part)
                if any(now.get(name) != before.get(name) for name in (now | before) if name not in _RESIZABLE):
                    return False
    return True
