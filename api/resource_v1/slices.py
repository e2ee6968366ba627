"""Devices, as drivers publish them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.core_v1 import NodeSelector
from api.meta_v1 import ObjectMeta
from api.model import Enum, Int64, Model, Quantity, Required, Time, struct


class ResourcePool(Model):
    """Devices that are published together.

    generation: Grows with every change of the pool; only slices of the newest count.
    name: Its name, often that of the node.
    resourceSliceCount: How many slices make up the pool in this generation.
    """

    generation: Int64
    name: str
    resourceSliceCount: Int64


class DeviceAttribute(Model):
    """One property of a device; exactly one of the fields is set.

    bool: A truth value.
    bools: Several truth values.
    int: A number.
    ints: Several numbers.
    string: A text of at most 64 characters.
    strings: Several texts.
    version: A semantic version (semver.org).
    versions: Several semantic versions.
    """

    bool_: bool | None = Field(None, alias="bool")
    bools: list[bool] = []
    int_: Int64 | None = Field(None, alias="int")
    ints: list[Int64] = []
    string: str | None = None
    strings: list[str] = []
    version: str | None = None
    versions: list[str] = []


class CapacityRequestPolicyRange(Model):
    """Amounts that may be asked for, as a range.

    max: The largest amount.
    min: The smallest amount; smaller requests get it.
    step: The amounts between are min and multiples of this more.
    """

    max: Quantity | None = None
    min: Annotated[Quantity | None, Required()] = None
    step: Quantity | None = None


class CapacityRequestPolicy(Model):
    """How a capacity may be shared.

    default: What a request gets that names no amount.
    validRange: The amounts that can be asked for, as a range.
    validValues: The amounts that can be asked for, one by one, growing.
    """

    default: Quantity | None = None
    validRange: CapacityRequestPolicyRange | None = None
    validValues: list[Quantity] = []


class DeviceCapacity(Model):
    """How much a device has of something.

    requestPolicy: How it may be shared among requests.
    value: How much there is of it.
    """

    requestPolicy: CapacityRequestPolicy | None = None
    value: Quantity


class Counter(Model):
    """An amount that devices share.

    value: The amount.
    """

    value: Quantity


class CounterSet(Model):
    """Amounts that several devices share.

    counters: The amounts by their names.
    name: The set's name.
    """

    counters: dict[str, Counter]
    name: str


class DeviceCounterConsumption(Model):
    """What a device takes of shared amounts.

    counterSet: The set it takes from.
    counters: The amounts it takes.
    """

    counterSet: str
    counters: dict[str, Counter]


class DeviceTaint(Model):
    """Keeps a device from being given to claims that do not tolerate it.

    effect: NoSchedule keeps claims off, NoExecute evicts pods besides, None has no effect.
    key: The taint's key.
    timeAdded: When it was added.
    value: The taint's value.
    """

    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "None")]
    key: str
    timeAdded: Time | None = None
    value: str = ""


class NodeAllocatableResourceMapping(Model):
    """How a device counts against what the node has.

    allocationMultiplier: How much of the node's resource one device, or one unit of the capacity, is.
    capacityKey: The capacity that counts; the device as a whole when unset.
    """

    allocationMultiplier: Quantity | None = None
    capacityKey: str | None = None


class Device(Model):
    """One device, or a part of one.

    allNodes: Whether every node can use it, where devices say that each for itself.
    allowMultipleAllocations: Whether several claims may have a share of it.
    attributes: Its properties by their names, which may have a domain.
    bindingConditions: Conditions that must be true before a pod with it is bound.
    bindingFailureConditions: Conditions of which one that is true means that it will not do.
    bindsToNode: Whether using it ties the claim to the node that was chosen.
    capacity: How much it has of what, by name.
    consumesCounters: What it takes of shared amounts.
    name: Its name, unique in the pool.
    nodeAllocatableResourceMappings: How it counts against resources of the node, by their names.
    nodeName: The node that can use it, where devices say that each for itself.
    nodeSelector: The nodes that can use it, where devices say that each for itself.
    taints: What keeps it from being given out.
    """

    allNodes: bool | None = None
    allowMultipleAllocations: bool | None = None
    attributes: dict[str, DeviceAttribute] = {}
    bindingConditions: list[str] = []
    bindingFailureConditions: list[str] = []
    bindsToNode: bool | None = None
    capacity: dict[str, DeviceCapacity] = {}
    consumesCounters: list[DeviceCounterConsumption] = []
    name: str
    nodeAllocatableResourceMappings: dict[str, NodeAllocatableResourceMapping] = {}
    nodeName: str | None = None
    nodeSelector: NodeSelector | None = None
    taints: list[DeviceTaint] = []


class ResourceSliceSpec(Model):
    """Devices of one pool.

    allNodes: Whether every node can use them.
    devices: The devices.
    driver: The driver that publishes them.
    nodeName: The node that can use them.
    nodeSelector: The nodes that can use them.
    perDeviceNodeSelection: Whether each device says for itself which nodes can use it.
    pool: The pool they are in.
    sharedCounters: Amounts that devices of the pool share.
    """

    allNodes: bool | None = None
    devices: list[Device] = []
    driver: str
    nodeName: str | None = None
    nodeSelector: NodeSelector | None = None
    perDeviceNodeSelection: bool | None = None
    pool: Annotated[ResourcePool, Required()] = struct()
    sharedCounters: list[CounterSet] = []


class ResourceSlice(Model):
    """Devices that a driver has to offer."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[ResourceSliceSpec, Required()] = struct()
