"""CSINodes: the CSI drivers on each node."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, duplicate, invalid_value, required
from api.scheme import resource_of
from api.storage_v1 import CSINode, CSINodeDriver
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.names import qualified
from apiserver.registry.strategy import Column, Strategy
from apiserver.registry.volume_drivers import validate_csi_driver

_LONGEST_ID = 192


class CSINodes(Strategy[CSINode]):
    resource = resource_of(CSINode)
    unconditional_update = False
    returns_deleted = True
    columns = (
        NAME,
        Column("Drivers", lambda n, now: len(n.spec.drivers), type="integer", description="How many it has."),
        AGE,
    )

    def validate(self, new: CSINode) -> Iterator[FieldError]:
        names: set[str] = set()
        for index, driver in enumerate(new.spec.drivers):
            yield from _validate_driver(driver, f"spec.drivers[{index}]", names)

    def validate_update(self, new: CSINode, old: CSINode) -> Iterator[FieldError]:
        yield from self.validate(new)  # as Kubernetes does, once more: clients see every cause twice
        for before in old.spec.drivers:
            for after in new.spec.drivers:
                # How many volumes a driver can have may change (KEP-4876).
                shown = after.model_copy(update={"allocatable": None})
                if after.name == before.name and shown != before.model_copy(update={"allocatable": None}):
                    yield invalid_value("spec.drivers", internal(shown), "field is immutable")


def _validate_driver(driver: CSINodeDriver, path: str, names: set[str]) -> Iterator[FieldError]:
    yield from validate_csi_driver(driver.name, f"{path}.name")
    if not driver.nodeID:
        yield required(f"{path}.nodeID")
    if len(driver.nodeID) > _LONGEST_ID:
        yield invalid_value(f"{path}.nodeID", driver.nodeID, f"must be {_LONGEST_ID} characters or less")
    count = None if driver.allocatable is None else driver.allocatable.count
    if count is not None and count < 0:
        yield invalid_value(f"{path}.allocatable.count", count, "must be greater than or equal to 0")
    if driver.name in names:
        yield duplicate(f"{path}.name", driver.name)
    names.add(driver.name)
    keys: set[str] = set()
    for key in driver.topologyKeys:
        if not key:
            yield required(path)
        if key in keys:
            yield duplicate(path, key)
        keys.add(key)
        for complaint in qualified(key):
            yield invalid_value(path, key, complaint)
