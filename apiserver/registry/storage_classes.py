"""StorageClasses: the kinds of storage there are.  https://kubernetes.io/docs/concepts/storage/storage-classes/"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from api.core_v1 import TopologySelectorTerm
from api.errors import FieldError, duplicate, invalid_value, not_supported, required, too_long
from api.scheme import resource_of
from api.storage_v1 import StorageClass
from apiserver.registry.columns import AGE
from apiserver.registry.names import qualified
from apiserver.registry.pod_warnings import renamed_label
from apiserver.registry.strategy import Column, Strategy

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_BETA_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
_RECLAIM_POLICIES = ("Delete", "Retain")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_MOST_PARAMETERS = 512
_PARAMETERS_SIZE = 256 * 1024


def is_default(storage_class: StorageClass) -> bool:
    """Whether claims that name no class get this one."""
    annotations = storage_class.metadata.annotations
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(_BETA_DEFAULT_CLASS))


def validate_provisioner(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    for complaint in qualified(name.lower()):
        yield invalid_value(path, name.lower(), complaint)


def validate_parameters(parameters: Mapping[str, str], path: str) -> Iterator[FieldError]:
    """Complaints about settings for a driver."""
    if len(parameters) > _MOST_PARAMETERS:
        yield too_long(path, _MOST_PARAMETERS)
        return
    if "" in parameters:
        yield invalid_value(path, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > _PARAMETERS_SIZE:
        yield too_long(path, _PARAMETERS_SIZE)


class StorageClasses(Strategy[StorageClass]):
    resource = resource_of(StorageClass)
    returns_deleted = True
    columns = (
        Column(
            "Name",
            lambda c, now: f"{c.metadata.name} (default)" if is_default(c) else c.metadata.name,
            format="name",
            description="The class's name, and whether claims that name none get it.",
        ),
        Column("Provisioner", lambda c, now: c.provisioner, description="Who makes the volumes."),
        Column(
            "ReclaimPolicy",
            lambda c, now: c.reclaimPolicy or "Delete",
            description="What becomes of a volume when its claim goes.",
        ),
        Column(
            "VolumeBindingMode",
            lambda c, now: c.volumeBindingMode or "Immediate",
            description="When volumes are made and bound.",
        ),
        Column(
            "AllowVolumeExpansion", lambda c, now: bool(c.allowVolumeExpansion), description="Whether volumes can grow."
        ),
        AGE,
    )

    def default(self, obj: StorageClass) -> None:
        if obj.reclaimPolicy is None:
            obj.reclaimPolicy = "Delete"
        if obj.volumeBindingMode is None:
            obj.volumeBindingMode = "Immediate"

    def validate(self, new: StorageClass) -> Iterator[FieldError]:
        yield from validate_provisioner(new.provisioner, "provisioner")
        yield from validate_parameters(new.parameters, "parameters")
        if new.reclaimPolicy and new.reclaimPolicy not in _RECLAIM_POLICIES:
            yield not_supported("reclaimPolicy", new.reclaimPolicy, _RECLAIM_POLICIES)
        if new.volumeBindingMode not in _BINDING_MODES:
            yield not_supported("volumeBindingMode", new.volumeBindingMode, _BINDING_MODES)
        yield from _validate_topologies(new.allowedTopologies, "allowedTopologies")

    def warnings(self, new: StorageClass, old: StorageClass | None) -> Iterable[str]:
        for index, term in enumerate(new.allowedTopologies):
            for position, requirement in enumerate(term.matchLabelExpressions):
                if message := renamed_label(requirement.key):
                    yield f"allowedTopologies[{index}].matchLabelExpressions[{position}].key: {message}"

    def validate_update(self, new: StorageClass, old: StorageClass) -> Iterator[FieldError]:
        for field in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
            if getattr(new, field) != getattr(old, field):
                yield invalid_value(field, getattr(new, field) or None, "field is immutable")


def _validate_topologies(terms: list[TopologySelectorTerm], path: str) -> Iterator[FieldError]:
    # Kubernetes compares each with as many empty ones as there are, besides those before it.
    seen: list[dict[str, set[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        labels: dict[str, set[str]] = {}
        for position, requirement in enumerate(term.matchLabelExpressions):
            where = f"{path}[{index}].matchLabelExpressions[{position}]"
            values: set[str] = set()
            if not requirement.values:
                yield required(f"{where}.values")
            for number, value in enumerate(requirement.values):
                if value in values:
                    yield duplicate(f"{where}.values[{number}]", value)
                values.add(value)
            for complaint in qualified(requirement.key):
                yield invalid_value(f"{where}.key", requirement.key, complaint)
            if requirement.key in labels:
                yield duplicate(f"{where}.key", requirement.key)
            labels[requirement.key] = values
        for _ in range(seen.count(labels)):
            yield duplicate(f"{path}[{index}].matchLabelExpressions", "")
        seen.append(labels)
