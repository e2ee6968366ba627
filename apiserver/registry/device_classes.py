"""DeviceClasses: kinds of devices that claims ask for."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, invalid_value
from api.resource_v1 import DeviceClass
from api.resources import is_extended
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.device_validation import MOST, validate_configuration, validate_list, validate_selectors
from apiserver.registry.names import qualified
from apiserver.registry.strategy import Context, Strategy


class DeviceClasses(Strategy[DeviceClass]):
    resource = resource_of(DeviceClass)
    returns_deleted = True
    columns = (NAME, AGE)

    def prepare_for_create(self, new: DeviceClass, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: DeviceClass, old: DeviceClass, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: DeviceClass) -> Iterator[FieldError]:
        spec = new.spec
        yield from validate_selectors(spec.selectors, "spec.selectors")
        yield from validate_list(
            spec.config, "spec.config", MOST, lambda item, path: validate_configuration(item.opaque, path)
        )
        name = spec.extendedResourceName
        # Quotas count requests as "requests.NAME": that must be a qualified name, too.
        if name is not None and (not is_extended(name) or qualified(f"requests.{name}")):
            yield invalid_value("spec.extendedResourceName", name, "must be a valid extended resource name")
