"""The parts of a pod's spec that change through URLs of their own: ephemeral containers, resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.core_v1 import Container, Pod, ResourceRequirements
from api.errors import FieldError, forbidden, invalid_value
from api.resources import is_sidecar, quality_of_service
from apiserver.registry.containers import validate_pod_images
from apiserver.registry.internal_form import difference
from apiserver.registry.pod_annotations import MIRROR
from apiserver.registry.pod_spec import validate_pod_spec
from apiserver.registry.pod_update import validate_annotations_of_change
from apiserver.registry.strategy import Subresource

_RESIZABLE = ("cpu", "memory")
_KINDS = ("containers", "initContainers")


def _keep_metadata(new: Pod, old: Pod) -> None:
    resource_version, managed = new.metadata.resourceVersion, new.metadata.managedFields
    new.metadata = old.metadata.model_copy(update={"resourceVersion": resource_version, "managedFields": managed})


def _validate_whole(new: Pod) -> Iterator[FieldError]:
    yield from validate_pod_spec(new.spec, "spec", new.metadata)
    yield from validate_pod_images(new.spec)


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
        if MIRROR in old.metadata.annotations:
            yield forbidden("[]", "static pods do not support ephemeral containers")
            return
        yield from _validate_whole(new)
        yield from validate_annotations_of_change(new, old)
        now = {container.name: container for container in new.spec.ephemeralContainers}
        for container in old.spec.ephemeralContainers:
            path, found = "spec.ephemeralContainers", now.get(container.name)
            what = f'existing ephemeral containers "{container.name}" may not be'
            if found is None:
                yield forbidden(path, f"{what} removed\n")
            elif found != container:
                yield forbidden(path, f"{what} changed\n{difference(container, found)}")


@dataclass(frozen=True)
class Resize(Subresource):
    """`/resize`: changes the CPU and memory of containers (KEP-1287)."""

    name: str = "resize"

    def prepare_for_update(self, new: Pod, old: Pod) -> None:
        if any(len(getattr(new.spec, kind)) != len(getattr(old.spec, kind)) for kind in _KINDS):
            return  # refused by validation
        changes = {kind: _with_resources(getattr(new.spec, kind), getattr(old.spec, kind)) for kind in _KINDS}
        new.spec = old.spec.model_copy(update={**changes, "resources": new.spec.resources})
        new.status = old.status
        _keep_metadata(new, old)
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate_update(self, new: Pod, old: Pod) -> Iterable[FieldError]:
        if MIRROR in old.metadata.annotations:
            yield forbidden("[]", "static pods cannot be resized")
            return
        if old.spec.os is not None and old.spec.os.name == "windows":
            yield forbidden("[]", "windows pods cannot be resized")
            return
        errors = [*_validate_whole(new), *_validate_resize(new, old)]
        yield from errors
        if not errors and new.spec.model_copy(update=_masked(new, old)) != old.spec:
            yield forbidden("spec", "only cpu and memory resources are mutable")


def _with_resources(new: list[Container], old: list[Container]) -> list[Container]:
    """The old containers with the resources and resize policies of the new ones; these, where one is another."""
    if any(container.name != former.name for container, former in zip(new, old, strict=True)):
        return new
    return [
        former.model_copy(update={"resources": container.resources, "resizePolicy": container.resizePolicy})
        for container, former in zip(new, old, strict=True)
    ]


def _validate_resize(new: Pod, old: Pod) -> Iterator[FieldError]:
    if quality_of_service(new.spec) != (old.status.qosClass or quality_of_service(old.spec)):
        yield invalid_value("spec", new.status.qosClass, "Pod QOS Class may not change as a result of resizing")
    running = next((s for s in old.status.containerStatuses if s.state.running is not None), None)
    if running is not None and running.resources is None:
        yield forbidden("spec", "Pod running on node without support for resize")
    yield from _validate_pod_level(new.spec.resources, old.spec.resources)
    order = list(_validate_order(new, old))
    yield from order
    if order:
        return
    for kind in reversed(_KINDS):
        pairs = zip(getattr(new.spec, kind), getattr(old.spec, kind), strict=True)
        for index, (container, former) in enumerate(pairs):
            for part in ("requests", "limits"):
                if set(getattr(former.resources, part)) - set(getattr(container.resources, part)):
                    yield forbidden(f"spec.{kind}[{index}].resources.{part}", f"resource {part} cannot be removed")
    for container, former in zip(new.spec.containers, old.spec.containers, strict=True):
        if _mask(container, former) != former:
            yield forbidden("spec", "only cpu and memory resources are mutable")
    for container, former in zip(new.spec.initContainers, old.spec.initContainers, strict=True):
        if _mask(container, former) != former:
            of = " for sidecar containers" if is_sidecar(container) else ""
            yield forbidden("spec", f"only cpu and memory resources{of} are mutable")


def _validate_pod_level(new: ResourceRequirements | None, old: ResourceRequirements | None) -> Iterator[FieldError]:
    """KEP-5419."""
    if new is None:
        if old is not None:
            yield forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    if old is not None:
        for part in ("requests", "limits"):
            if set(getattr(old, part)) - set(getattr(new, part)):
                yield forbidden(f"spec.resources.{part}", f"pod-level resource {part} cannot be removed")
    if _mask_resources(new, old or ResourceRequirements()) != (old or ResourceRequirements()):
        yield forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _validate_order(new: Pod, old: Pod) -> Iterator[FieldError]:
    for kind in _KINDS:
        now, before = getattr(new.spec, kind), getattr(old.spec, kind)
        if len(now) != len(before):
            yield forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for index, (container, former) in enumerate(zip(now, before, strict=True)):
            if container.name != former.name:
                yield forbidden(f"spec.{kind}[{index}].name", f"{kind} may not be renamed or reordered on resize")


def _masked(new: Pod, old: Pod) -> dict[str, object]:
    """The members of the new spec with every change undone that is allowed."""
    pairs = zip(new.spec.containers, old.spec.containers, strict=True)
    sidecars = zip(new.spec.initContainers, old.spec.initContainers, strict=True)
    return {
        "containers": [_mask(container, former) for container, former in pairs],
        "initContainers": [_mask(container, former) for container, former in sidecars],
        "resources": old.spec.resources,
    }


def _mask(container: Container, former: Container) -> Container:
    return container.model_copy(update={"resources": _mask_resources(container.resources, former.resources)})


def _mask_resources(new: ResourceRequirements, old: ResourceRequirements) -> ResourceRequirements:
    """The new resources with the old amounts of CPU and memory."""
    parts = {}
    for part in ("limits", "requests"):
        now, before = getattr(new, part), getattr(old, part)
        kept = {name: amount for name, amount in before.items() if name in _RESIZABLE}
        parts[part] = {name: amount for name, amount in now.items() if name not in _RESIZABLE} | kept
    return new.model_copy(update=parts)
