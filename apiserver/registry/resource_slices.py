"""ResourceSlices: the devices that drivers have to offer (KEP-4381)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from api.errors import FieldError, forbidden, invalid_value, not_supported, required, too_long, too_many
from api.quantity import parse
from api.resource_v1 import (
    CapacityRequestPolicy,
    CapacityRequestPolicyRange,
    Counter,
    Device,
    DeviceAttribute,
    DeviceCapacity,
    DeviceCounterConsumption,
    DeviceTaint,
    ResourceSlice,
    ResourceSliceSpec,
)
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.device_validation import (
    EFFECTS,
    validate_binding_conditions,
    validate_driver,
    validate_label,
    validate_list,
    validate_map,
    validate_pool,
    validate_qualified_name,
    validate_set,
)
from apiserver.registry.names import label_value, qualified, subdomain
from apiserver.registry.scheduling import validate_node_selector
from apiserver.registry.strategy import Column, Context, Strategy

_MOST_DEVICES = 128
_MOST_SPECIAL_DEVICES = 64
_MOST_PROPERTIES = 32
_MOST_TAINTS = 16
_MOST_COUNTER_SETS = 8
_MOST_COUNTERS = 32
_MOST_CONSUMPTIONS = 2
_MOST_AMOUNTS = 10
_LONGEST_VALUE = 64
_SEMANTIC_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
).fullmatch
_ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_ONE_PLACE_EACH = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NO_PLACE = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
_TRUE_ONLY = "must be either unset or set to true"


class ResourceSlices(Strategy[ResourceSlice]):
    resource = resource_of(ResourceSlice)
    revalidates_metadata = False
    returns_deleted = True
    columns = (
        NAME,
        Column("Node", lambda s, now: s.spec.nodeName or "<unset>", description="The node that can use them."),
        Column("Driver", lambda s, now: s.spec.driver, description="The driver that publishes them."),
        Column("Pool", lambda s, now: s.spec.pool.name, description="The pool they are in."),
        AGE,
    )

    def prepare_for_create(self, new: ResourceSlice, context: Context) -> None:
        new.metadata.generation = 1
        _prepare(new, context)

    def prepare_for_update(self, new: ResourceSlice, old: ResourceSlice, context: Context) -> None:
        _prepare(new, context)
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: ResourceSlice) -> Iterator[FieldError]:
        return _validate_spec(new.spec, None)

    def validate_changed(self, new: ResourceSlice, old: ResourceSlice) -> Iterator[FieldError]:
        return _validate_spec(new.spec, old.spec)

    def warnings(self, new: ResourceSlice, old: ResourceSlice | None) -> Iterable[str]:
        driver = new.spec.driver
        if driver != driver.lower():
            yield f'spec.driver: driver names should be lowercase; "{driver}" contains uppercase characters'

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        spec = document.get("spec") or {}
        return {"spec.driver": spec.get("driver", ""), "spec.nodeName": spec.get("nodeName", "")}

    def unknown_field(self, name: str) -> str:
        return f"field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {name}"


def _prepare(new: ResourceSlice, context: Context) -> None:
    """Say since when taints are there, and drop what only exists behind feature gates that are off."""
    for device in new.spec.devices:
        device.nodeAllocatableResourceMappings = {}
        for taint in device.taints:
            if taint.timeAdded is None:
                taint.timeAdded = context.now.replace(microsecond=0)
        for attribute in device.attributes.values():
            attribute.bools, attribute.ints, attribute.strings, attribute.versions = [], [], [], []


def _validate_spec(spec: ResourceSliceSpec, old: ResourceSliceSpec | None) -> Iterator[FieldError]:
    yield from validate_driver(spec.driver, "spec.driver")
    pool = spec.pool
    yield from validate_pool(pool.name, "spec.pool.name")
    if pool.resourceSliceCount <= 0:
        yield invalid_value("spec.pool.resourceSliceCount", pool.resourceSliceCount, "must be greater than zero")
    if pool.generation < 0:
        yield invalid_value("spec.pool.generation", pool.generation, "must be greater than or equal to zero")
    if old is not None:
        for path, new_value, old_value in (
            ("spec.pool.name", pool.name, old.pool.name),
            ("spec.driver", spec.driver, old.driver),
            ("spec.nodeName", spec.nodeName, old.nodeName),
        ):
            if new_value != old_value:
                yield invalid_value(path, new_value, "field is immutable")
    yield from _validate_place(spec)
    if spec.sharedCounters and spec.devices:
        yield invalid_value("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    special = any(device.taints or device.consumesCounters for device in spec.devices)
    known = {device.name: device for device in old.devices} if old is not None else {}
    most = _MOST_SPECIAL_DEVICES if special else _MOST_DEVICES
    per_device = bool(spec.perDeviceNodeSelection)
    yield from validate_set(
        spec.devices,
        "spec.devices",
        most,
        lambda device, path: _validate_device(device, known.get(device.name), path, per_device),
        lambda device: device.name,
    )
    yield from validate_set(
        spec.sharedCounters,
        "spec.sharedCounters",
        _MOST_COUNTER_SETS,
        lambda counters, path: _validate_counters(counters.name, counters.counters, path, "name"),
        lambda counters: counters.name,
    )


def _validate_place(spec: ResourceSliceSpec) -> Iterator[FieldError]:
    given = []
    if spec.nodeName == "":
        yield invalid_value("spec.nodeName", "", "must be either unset or set to a non-empty string")
    elif spec.nodeName is not None:
        given.append("`nodeName`")
        for complaint in subdomain(spec.nodeName):
            yield invalid_value("spec.nodeName", spec.nodeName, complaint)
    if spec.nodeSelector is not None:
        given.append("`nodeSelector`")
        yield from validate_node_selector(spec.nodeSelector, "spec.nodeSelector")
        terms = spec.nodeSelector.nodeSelectorTerms
        if len(terms) != 1:
            shown = [term.to_dict() for term in terms] or None
            yield invalid_value(
                "spec.nodeSelector.nodeSelectorTerms", shown, "must have exactly one node selector term"
            )
    for name in ("allNodes", "perDeviceNodeSelection"):
        value = getattr(spec, name)
        if value:
            given.append(f"`{name}`")
        elif value is not None:
            yield invalid_value(f"spec.{name}", value, _TRUE_ONLY)
    if not given:
        yield required("spec", _ONE_PLACE)
    elif len(given) > 1:
        yield invalid_value("spec", f"{{{', '.join(given)}}}", f"{_ONE_PLACE}, but multiple fields are set")


def _validate_counters(name: str, counters: Mapping[str, Counter], path: str, field: str) -> Iterator[FieldError]:
    if not name:
        yield required(f"{path}.{field}")
    else:
        yield from validate_label(name, f"{path}.{field}")
    if not counters:
        yield required(f"{path}.counters")
    elif len(counters) > _MOST_COUNTERS:
        yield too_many(f"{path}.counters", len(counters), _MOST_COUNTERS)
    else:
        yield from validate_map(counters, f"{path}.counters", validate_label, lambda counter, where: iter(()))


def _validate_device(device: Device, old: Device | None, path: str, per_device: bool) -> Iterator[FieldError]:
    yield from validate_label(device.name, f"{path}.name")
    properties = len(device.attributes) + len(device.capacity)
    if properties > _MOST_PROPERTIES:
        detail = f"the total number of attributes and capacities must not exceed {_MOST_PROPERTIES}"
        yield invalid_value(path, properties, detail)
    yield from validate_map(device.attributes, f"{path}.attributes", validate_qualified_name, _validate_attribute)
    if old is None or old.capacity != device.capacity:
        check = _validate_shared_capacity if device.allowMultipleAllocations else _validate_capacity
        yield from validate_map(device.capacity, f"{path}.capacity", validate_qualified_name, check)
    if old is None or old.taints != device.taints:
        yield from validate_list(device.taints, f"{path}.taints", _MOST_TAINTS, _validate_taint)

    def consumption(item: DeviceCounterConsumption, where: str) -> Iterator[FieldError]:
        return _validate_counters(item.counterSet, item.counters, where, "counterSet")

    yield from validate_set(
        device.consumesCounters,
        f"{path}.consumesCounters",
        _MOST_CONSUMPTIONS,
        consumption,
        lambda item: item.counterSet,
    )
    if per_device:
        yield from _validate_device_place(device, path)
    elif device.nodeName is not None or device.nodeSelector is not None or device.allNodes is not None:
        yield invalid_value(path, None, _NO_PLACE)
    yield from validate_binding_conditions(device.bindingConditions, device.bindingFailureConditions, path)


def _validate_device_place(device: Device, path: str) -> Iterator[FieldError]:
    given = []
    if device.nodeName == "":
        yield invalid_value(f"{path}.nodeName", "", "must not be empty")
    elif device.nodeName is not None:
        given.append("`nodeName`")
        for complaint in subdomain(device.nodeName):
            yield invalid_value(f"{path}.nodeName", device.nodeName, complaint)
    if device.nodeSelector is not None:
        given.append("`nodeSelector`")
        yield from validate_node_selector(device.nodeSelector, f"{path}.nodeSelector")
    if device.allNodes:
        given.append("`allNodes`")
    elif device.allNodes is not None:
        yield invalid_value(f"{path}.allNodes", device.allNodes, _TRUE_ONLY)
    if not given:
        yield required(path, _ONE_PLACE_EACH)
    elif len(given) > 1:
        yield invalid_value(path, f"{{{', '.join(given)}}}", _ONE_PLACE_EACH)


def _validate_attribute(attribute: DeviceAttribute, path: str) -> Iterator[FieldError]:
    text, version = attribute.string, attribute.version
    given = [value for value in (attribute.bool_, attribute.int_, text, version) if value is not None]
    if text is not None and len(text.encode()) > _LONGEST_VALUE:
        yield too_long(f"{path}.string", _LONGEST_VALUE)
    if version is not None:
        if not _SEMANTIC_VERSION(version):
            detail = "must be a string compatible with semver.org spec 2.0.0"
            yield invalid_value(f"{path}.version", version, detail)
        if len(version.encode()) > _LONGEST_VALUE:
            yield too_long(f"{path}.version", _LONGEST_VALUE)
    if len(given) != 1:
        shown: Any = ""
        if given:
            shown = {
                "IntValue": attribute.int_, "BoolValue": attribute.bool_, "StringValue": text, "VersionValue": version,
                "BoolValues": None, "IntValues": None, "StringValues": None, "VersionValues": None,
            }  # fmt: skip
        yield invalid_value(path, shown, "exactly one value must be specified")


def _validate_taint(taint: DeviceTaint, path: str) -> Iterator[FieldError]:
    for complaint in qualified(taint.key):
        yield invalid_value(f"{path}.key", taint.key, complaint)
    if taint.value:
        for complaint in label_value(taint.value):
            yield invalid_value(f"{path}.value", taint.value, complaint)
    if not taint.effect:
        yield required(f"{path}.effect")
    elif taint.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", taint.effect, EFFECTS)


def _validate_capacity(capacity: DeviceCapacity, path: str) -> Iterator[FieldError]:
    if capacity.requestPolicy is not None:
        yield forbidden(f"{path}.requestPolicy", "allowMultipleAllocations must be true")


def _validate_shared_capacity(capacity: DeviceCapacity, path: str) -> Iterator[FieldError]:
    """Amounts that can be asked for of a capacity that claims share (KEP-5075)."""
    policy, where = capacity.requestPolicy, f"{path}.requestPolicy"
    if policy is None:
        return
    if policy.validValues and policy.validRange is not None:
        detail = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        yield forbidden(where, detail)
    elif policy.validValues:
        if policy.default is None:
            yield required(f"{where}.default", "required when validValues is defined")
        else:
            yield from _validate_values(policy, policy.default, capacity.value, f"{where}.validValues")
    elif policy.validRange is not None:
        if policy.default is None:
            yield required(f"{where}.default", "required when validRange is defined")
        else:
            yield from _validate_range(policy.validRange, policy.default, capacity.value, f"{where}.validRange")


def _validate_values(policy: CapacityRequestPolicy, default: str, most: str, path: str) -> Iterator[FieldError]:
    values = policy.validValues
    for index, (before, value) in enumerate(pairwise(values), start=1):
        if parse(before) > parse(value):
            yield invalid_value(f"{path}[{index}]", value, "values must be sorted in ascending order")

    def option(value: str, where: str) -> Iterator[FieldError]:
        if parse(value) > parse(most):
            yield invalid_value(where, value, f"option is larger than capacity value: {most}")

    yield from validate_set(values, path, _MOST_AMOUNTS, option, lambda value: str(int(parse(value))))
    if len(values) > _MOST_AMOUNTS or parse(default) not in map(parse, values):
        yield invalid_value(path, default, "default value is not valid according to the requestPolicy")


def _validate_range(limits: CapacityRequestPolicyRange, default: str, most: str, path: str) -> Iterator[FieldError]:
    if limits.min is None:
        yield required(f"{path}.min", "required when validRange is defined")
        return
    least = parse(limits.min)
    if least > parse(most):
        yield invalid_value(f"{path}.min", limits.min, f"min is larger than capacity value: {most}")
    if parse(default) < least:
        yield invalid_value(f"{path}.default", default, f"default is less than min: {limits.min}")
    if limits.max is not None:
        if least > parse(limits.max):
            yield invalid_value(f"{path}.max", limits.min, f"min is larger than max: {limits.max}")
        if parse(limits.max) > parse(most):
            yield invalid_value(f"{path}.max", limits.max, f"max is larger than capacity value: {most}")
        if parse(default) > parse(limits.max):
            yield invalid_value(f"{path}.default", default, f"default is more than max: {limits.max}")
    if limits.step is None:
        return
    step = parse(limits.step)
    if step <= 0:
        yield invalid_value(f"{path}.step", limits.step, "must be greater than zero")
        return
    if least + step > parse(most):
        detail = f"one step {least + step} is larger than capacity value: {most}"
        yield invalid_value(f"{path}.step", limits.step, detail)
    for value in (default, limits.max):
        if value is not None and (parse(value) - least) % step:
            detail = f"value is not a multiple of a given step ({limits.step}) from ({limits.min})"
            yield invalid_value(f"{path}.step", value, detail)
