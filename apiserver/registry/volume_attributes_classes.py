"""VolumeAttributesClasses: settings of volumes that can be changed while they are used.

https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/
"""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, forbidden, required
from api.scheme import resource_of
from api.storage_v1 import VolumeAttributesClass
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.storage_classes import validate_parameters, validate_provisioner
from apiserver.registry.strategy import Column, Strategy


class VolumeAttributesClasses(Strategy[VolumeAttributesClass]):
    resource = resource_of(VolumeAttributesClass)
    returns_deleted = True
    columns = (NAME, Column("DriverName", lambda c, now: c.driverName, description="The CSI driver."), AGE)

    def validate(self, new: VolumeAttributesClass) -> Iterator[FieldError]:
        yield from validate_provisioner(new.driverName, "driverName")
        yield from validate_parameters(new.parameters, "parameters")
        if not new.parameters:
            yield required("parameters", "must contain at least one key/value pair")

    def validate_changed(self, new: VolumeAttributesClass, old: VolumeAttributesClass) -> Iterator[FieldError]:
        for field in ("driverName", "parameters"):
            if getattr(new, field) != getattr(old, field):
                yield forbidden(field, f"updates to {field} are forbidden.")
        yield from self.validate(new)
