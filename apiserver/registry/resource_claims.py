"""ResourceClaims, which ask for devices, and the templates they are made from (KEP-4381)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.core_v1 import Namespace
from api.errors import FieldError, duplicate, forbidden, invalid, invalid_value, not_supported, required, too_long
from api.errors import too_many as too_many_items
from api.resource_v1 import (
    AllocatedDeviceStatus,
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceClaim,
    DeviceRequestAllocationResult,
    NetworkDeviceData,
    ResourceClaim,
    ResourceClaimConsumerReference,
    ResourceClaimStatus,
    ResourceClaimTemplate,
)
from api.scheme import resource_of
from apiserver.registry.addresses import interface_address
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.conditions import validate_conditions
from apiserver.registry.device_validation import (
    ADMIN_LABEL,
    MOST,
    default_device_claim,
    default_tolerations,
    forbidden_admin_access,
    itself,
    request_names,
    validate_binding_conditions,
    validate_configuration,
    validate_device_claim,
    validate_driver,
    validate_label,
    validate_list,
    validate_object,
    validate_pool,
    validate_request_name,
    validate_request_names,
    validate_set,
    validate_toleration,
)
from apiserver.registry.internal_form import internal, metadata_form
from apiserver.registry.object_meta import validate_template
from apiserver.registry.scheduling import validate_node_selector
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.uids import validate_uid

_MOST_CONSUMERS = 256
_MOST_CONDITIONS = 8
_MOST_ADDRESSES = 16
_LONGEST_DATA = 10 * 1024
_LONGEST_INTERFACE_NAME = 256
_LONGEST_HARDWARE_ADDRESS = 128
_SOURCES = ("FromClaim", "FromClass")

DeviceID = tuple[str, str, str, str]


@dataclass(frozen=True)
class ClaimStatusUpdate(Status):
    """`/status` of ResourceClaims: what a scheduler gave and what drivers report of it."""

    writes_metadata = False

    def prepare_for_update(self, new: ResourceClaim, old: ResourceClaim) -> None:
        super().prepare_for_update(new, old)
        gone = {device[:3] for device in _allocated(old.status)} - {device[:3] for device in _allocated(new.status)}
        kept = [device for device in new.status.devices if (device.driver, device.pool, device.device) not in gone]
        if len(kept) != len(new.status.devices):
            new.status.devices = kept

    def validate_update(self, new: ResourceClaim, old: ResourceClaim) -> Iterable[FieldError]:
        return _validate_status(new, old.status)


class ResourceClaims(Strategy[ResourceClaim]):
    resource = resource_of(ResourceClaim)
    returns_deleted = True
    subresources = (ClaimStatusUpdate(),)
    columns = (NAME, Column("State", lambda c, now: _state(c), description="How far it has come."), AGE)

    def default(self, obj: ResourceClaim) -> None:
        default_device_claim(obj.spec.devices)
        if obj.status.allocation is not None:
            for result in obj.status.allocation.devices.results:
                default_tolerations(result.tolerations)

    def prepare_for_create(self, new: ResourceClaim, context: Context) -> None:
        new.status = ResourceClaimStatus()
        _check_admin_access(self, new, new.spec.devices, context)

    def prepare_for_update(self, new: ResourceClaim, old: ResourceClaim, context: Context) -> None:
        new.status = old.status

    def validate(self, new: ResourceClaim) -> Iterator[FieldError]:
        return validate_device_claim(new.spec.devices, "spec.devices")

    def validate_update(self, new: ResourceClaim, old: ResourceClaim) -> Iterator[FieldError]:
        if new.spec != old.spec:
            yield invalid_value("spec", internal(new.spec), "field is immutable")


class ResourceClaimTemplates(Strategy[ResourceClaimTemplate]):
    resource = resource_of(ResourceClaimTemplate)
    returns_deleted = True
    columns = (NAME, AGE)

    def default(self, obj: ResourceClaimTemplate) -> None:
        default_device_claim(obj.spec.spec.devices)

    def prepare_for_create(self, new: ResourceClaimTemplate, context: Context) -> None:
        _check_admin_access(self, new, new.spec.spec.devices, context)

    def validate(self, new: ResourceClaimTemplate) -> Iterator[FieldError]:
        yield from validate_template(new.spec.metadata, "spec.metadata")
        yield from validate_device_claim(new.spec.spec.devices, "spec.spec.devices")

    def validate_update(self, new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> Iterator[FieldError]:
        if new.spec != old.spec:
            shown = {**metadata_form(new.spec.metadata), "Spec": internal(new.spec.spec)}
            yield invalid_value("spec", shown, "field is immutable")


def _check_admin_access(
    strategy: ResourceClaims | ResourceClaimTemplates,
    new: ResourceClaim | ResourceClaimTemplate,
    claim: DeviceClaim,
    context: Context,
) -> None:
    """Raises Invalid for a claim to devices that others use, where the namespace does not allow such."""
    refusal = forbidden_admin_access(claim)
    if refusal is None:
        return
    namespace = context.get(Namespace, "", new.metadata.namespace)
    if namespace is None or namespace.metadata.labels.get(ADMIN_LABEL) != "true":
        errors = [refusal, *strategy.validate(new)]  # type: ignore[arg-type]
        resource = strategy.resource
        raise invalid(resource.group, resource.kind, new.metadata.name, errors)


# --- status ---------------------------------------------------------------------------------------


def _allocated(status: ResourceClaimStatus) -> set[DeviceID]:
    if status.allocation is None:
        return set()
    return {(r.driver, r.pool, r.device, r.shareID or "") for r in status.allocation.devices.results}


def _device_id(device: AllocatedDeviceStatus) -> DeviceID:
    return device.driver, device.pool, device.device, device.shareID or ""


def _shown(device: DeviceID) -> str:
    return "/".join(part for part in device if part)


def _validate_status(claim: ResourceClaim, old: ResourceClaimStatus) -> Iterator[FieldError]:
    status = claim.status
    path = "status.reservedFor"
    yield from validate_set(status.reservedFor, path, _MOST_CONSUMERS, _validate_consumer, lambda c: c.uid)
    allocated = _allocated(status)
    seen: set[DeviceID] = set()
    for index, device in enumerate(status.devices):
        yield from _validate_device(device, f"status.devices[{index}]", allocated)
    for index, device in enumerate(status.devices):
        if _device_id(device) in seen:
            yield duplicate(f"status.devices[{index}]", _shown(_device_id(device)))
        seen.add(_device_id(device))
    if status.reservedFor and status.allocation is None:
        yield forbidden(path, "may not be specified when `allocated` is not set")
    elif claim.metadata.deletionTimestamp is not None and any(c not in old.reservedFor for c in status.reservedFor):
        detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        yield forbidden(path, detail)
    if status.allocation is not None:
        if old.allocation is None:
            yield from _validate_allocation(status.allocation, "status.allocation", request_names(claim.spec.devices))
        elif status.allocation != old.allocation:
            yield invalid_value("status.allocation", internal(status.allocation), "field is immutable")


def _validate_consumer(consumer: ResourceClaimConsumerReference, path: str) -> Iterator[FieldError]:
    for field in ("resource", "name", "uid"):
        if not getattr(consumer, field):
            yield required(f"{path}.{field}")


def _validate_allocation(allocation: AllocationResult, path: str, names: set[str]) -> Iterator[FieldError]:
    def result(item: DeviceRequestAllocationResult, where: str) -> Iterator[FieldError]:
        yield from validate_request_name(item.request, f"{where}.request", names)
        yield from validate_driver(item.driver, f"{where}.driver")
        yield from validate_pool(item.pool, f"{where}.pool")
        yield from validate_label(item.device, f"{where}.device")
        yield from validate_binding_conditions(item.bindingConditions, item.bindingFailureConditions, where)
        for index, toleration in enumerate(item.tolerations):
            yield from validate_toleration(toleration, f"{where}.tolerations[{index}]")
        if item.shareID is not None:
            yield from validate_uid(item.shareID, f"{where}.shareID")

    def config(item: DeviceAllocationConfiguration, where: str) -> Iterator[FieldError]:
        if not item.source:
            yield required(f"{where}.source")
        elif item.source not in _SOURCES:
            yield not_supported(f"{where}.source", item.source, _SOURCES)
        yield from validate_request_names(item.requests, f"{where}.requests", names)
        yield from validate_configuration(item.opaque, where)

    yield from validate_list(allocation.devices.results, f"{path}.devices.results", MOST, result)
    yield from validate_list(allocation.devices.config, f"{path}.devices.config", 2 * MOST, config)
    if allocation.nodeSelector is not None:
        yield from validate_node_selector(allocation.nodeSelector, f"{path}.nodeSelector")


def _validate_device(device: AllocatedDeviceStatus, path: str, allocated: set[DeviceID]) -> Iterator[FieldError]:
    yield from validate_driver(device.driver, f"{path}.driver")
    yield from validate_pool(device.pool, f"{path}.pool")
    yield from validate_label(device.device, f"{path}.device")
    if device.shareID is not None:
        yield from validate_uid(device.shareID, f"{path}.shareID")
    if _device_id(device) not in allocated:
        yield invalid_value(path, _shown(_device_id(device)), "must be an allocated device in the claim")
    if len(device.conditions) > _MOST_CONDITIONS:
        yield too_many_items(f"{path}.conditions", len(device.conditions), _MOST_CONDITIONS)
    yield from validate_conditions(device.conditions, f"{path}.conditions")
    if device.data is not None:
        yield from validate_object(device.data, f"{path}.data", _LONGEST_DATA)
    if device.networkData is not None:
        yield from _validate_network(device.networkData, f"{path}.networkData")


def _validate_network(data: NetworkDeviceData, path: str) -> Iterator[FieldError]:
    if len(data.interfaceName) > _LONGEST_INTERFACE_NAME:
        yield too_long(f"{path}.interfaceName", _LONGEST_INTERFACE_NAME)
    if len(data.hardwareAddress) > _LONGEST_HARDWARE_ADDRESS:
        yield too_long(f"{path}.hardwareAddress", _LONGEST_HARDWARE_ADDRESS)

    def address(text: str, where: str) -> Iterator[FieldError]:
        for complaint in interface_address(text):
            yield invalid_value(where, text, complaint)

    yield from validate_set(data.ips, f"{path}.ips", _MOST_ADDRESSES, address, itself)


def _state(claim: ResourceClaim) -> str:
    deleted = ["deleted"] if claim.metadata.deletionTimestamp is not None else []
    if claim.status.allocation is None:
        return ",".join(deleted or ["pending"])
    return ",".join([*deleted, "allocated", *(["reserved"] if claim.status.reservedFor else [])])
