"""CSIStorageCapacities: how much storage of a class is left where.

https://kubernetes.io/docs/concepts/storage/storage-capacity/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.errors import FieldError, invalid_value
from api.quantity import parse
from api.scheme import resource_of
from api.storage_v1 import CSIStorageCapacity
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import subdomain
from apiserver.registry.pod_warnings import renamed_label
from apiserver.registry.strategy import Strategy
from apiserver.registry.workloads import selector_shown


class CSIStorageCapacities(Strategy[CSIStorageCapacity]):
    resource = resource_of(CSIStorageCapacity)
    unconditional_update = False
    # Kubernetes has columns of their own for them, and does not use them.

    def validate(self, new: CSIStorageCapacity) -> Iterator[FieldError]:
        yield from validate_selector(new.nodeTopology, "nodeTopology")
        for complaint in subdomain(new.storageClassName):
            yield invalid_value("storageClassName", new.storageClassName, complaint)
        if new.capacity is not None and parse(new.capacity) < 0:
            yield invalid_value("capacity", new.capacity, "must be greater than or equal to 0")

    def warnings(self, new: CSIStorageCapacity, old: CSIStorageCapacity | None) -> Iterable[str]:
        topology = new.nodeTopology
        if topology is None:
            return
        for index, requirement in enumerate(topology.matchExpressions):
            if message := renamed_label(requirement.key):
                yield f"nodeTopology.matchExpressions[{index}].key: {requirement.key} is {message}"
        for label in sorted(topology.matchLabels):
            if message := renamed_label(label):
                yield f"nodeTopology.matchLabels.{label}: {message}"

    def validate_update(self, new: CSIStorageCapacity, old: CSIStorageCapacity) -> Iterator[FieldError]:
        if new.nodeTopology != old.nodeTopology:
            yield invalid_value("nodeTopology", selector_shown(new.nodeTopology), "field is immutable")
        if new.storageClassName != old.storageClassName:
            yield invalid_value("storageClassName", new.storageClassName, "field is immutable")
