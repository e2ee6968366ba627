"""Claims to devices, and classes of devices."""

from __future__ import annotations

from typing import Annotated

from api.core_v1 import NodeSelector
from api.meta_v1 import Condition, ObjectMeta
from api.model import (
    Default,
    Enum,
    Int64,
    ListMap,
    Merge,
    Model,
    NotRequired,
    NullWhenEmpty,
    Quantity,
    RawExtension,
    Required,
    Time,
    struct,
)


class CELDeviceSelector(Model):
    """Chooses devices by an expression.

    expression: Tells whether `device`, with its driver, attributes and capacity, will do (CEL).
    """

    expression: str


class DeviceSelector(Model):
    """Chooses devices.

    cel: By an expression.
    """

    cel: CELDeviceSelector | None = None


class OpaqueDeviceConfiguration(Model):
    """Settings that only a driver understands.

    driver: The driver they are for.
    parameters: The settings: any object, best with apiVersion and kind.
    """

    driver: str
    parameters: Annotated[RawExtension | None, Required()] = None


class DeviceToleration(Model):
    """Lets devices be given out despite a taint.

    effect: The effect it is about: NoSchedule, NoExecute or None; every effect when empty.
    key: The taint's key; every key when empty, with operator Exists.
    operator: Equal compares the value, Exists does not; Equal when unset.
    tolerationSeconds: For NoExecute: how long the taint is put up with; for ever when unset.
    value: The taint's value, with operator Equal.
    """

    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "None")] = ""
    key: str = ""
    operator: Annotated[str, Enum("Equal", "Exists"), Default("Equal")] = ""
    tolerationSeconds: Int64 | None = None
    value: str = ""


class CapacityRequirements(Model):
    """How much of a device's capacities is needed.

    requests: The amounts by the capacities' names.
    """

    requests: dict[str, Quantity] = {}


class ExactDeviceRequest(Model):
    """Asks for devices of one class.

    adminAccess: Asks for devices that others use, to look after them; only where the namespace allows it.
    allocationMode: ExactCount for as many as count says, All for every device that matches.
    capacity: How much of each device's capacities is needed.
    count: How many devices; 1 when unset, with allocationMode ExactCount.
    deviceClassName: The class the devices are of.
    selectors: What each device must satisfy besides.
    tolerations: Which taints of devices are put up with.
    """

    adminAccess: bool | None = None
    allocationMode: Annotated[str, Enum("All", "ExactCount")] = ""
    capacity: CapacityRequirements | None = None
    count: Int64 = 0
    deviceClassName: str
    selectors: list[DeviceSelector] = []
    tolerations: list[DeviceToleration] = []


class DeviceSubRequest(Model):
    """One of several ways to satisfy a request.

    allocationMode: ExactCount for as many as count says, All for every device that matches.
    capacity: How much of each device's capacities is needed.
    count: How many devices; 1 when unset, with allocationMode ExactCount.
    deviceClassName: The class the devices are of.
    name: Its name, to refer to it as request/name.
    selectors: What each device must satisfy besides.
    tolerations: Which taints of devices are put up with.
    """

    allocationMode: Annotated[str, Enum("All", "ExactCount")] = ""
    capacity: CapacityRequirements | None = None
    count: Int64 = 0
    deviceClassName: str
    name: str
    selectors: list[DeviceSelector] = []
    tolerations: list[DeviceToleration] = []


class DeviceRequest(Model):
    """Devices that are asked for: exactly these, or the first of several ways.

    exactly: What is asked for.
    firstAvailable: Ways to satisfy it, the best first.
    name: Its name, for constraints, settings and containers to refer to.
    """

    exactly: ExactDeviceRequest | None = None
    firstAvailable: list[DeviceSubRequest] = []
    name: str


class DeviceConstraint(Model):
    """What devices of several requests must have in common, or may not.

    distinctAttribute: An attribute in which all of them must differ.
    matchAttribute: An attribute in which all of them must agree.
    requests: The requests it is about; all when empty.
    """

    distinctAttribute: str | None = None
    matchAttribute: str | None = None
    requests: list[str] = []


class DeviceClaimConfiguration(Model):
    """Settings for devices of a claim.

    opaque: Settings that only a driver understands.
    requests: The requests they are for; all when empty.
    """

    opaque: OpaqueDeviceConfiguration | None = None
    requests: list[str] = []


class DeviceClaim(Model):
    """What a claim asks for.

    config: Settings for the devices.
    constraints: What the devices must satisfy together.
    requests: The devices, one request for each kind of them.
    """

    config: list[DeviceClaimConfiguration] = []
    constraints: list[DeviceConstraint] = []
    requests: Annotated[list[DeviceRequest], NullWhenEmpty(), NotRequired()]


class ResourceClaimSpec(Model):
    """What a claim is to get.

    devices: The devices it asks for.
    """

    devices: DeviceClaim = struct()


class DeviceRequestAllocationResult(Model):
    """One device that was given to a request.

    adminAccess: Whether it was given for administration, whoever else uses it.
    bindingConditions: Conditions of the device that must be true before the pod is bound.
    bindingFailureConditions: Conditions of which one that is true means that it will not do.
    consumedCapacity: How much of its capacities is used by this claim.
    device: The device's name in its pool.
    driver: The driver that looks after it.
    pool: The pool it is in.
    request: The request it was given to, as request or request/subrequest.
    shareID: Tells this share of the device from others.
    tolerations: The tolerations it was given with.
    """

    adminAccess: bool | None = None
    bindingConditions: list[str] = []
    bindingFailureConditions: list[str] = []
    consumedCapacity: dict[str, Quantity] = {}
    device: str
    driver: str
    pool: str
    request: str
    shareID: str | None = None
    tolerations: list[DeviceToleration] = []


class DeviceAllocationConfiguration(Model):
    """Settings for devices that were given out.

    opaque: Settings that only a driver understands.
    requests: The requests they are for; all when empty.
    source: FromClass or FromClaim: who made them.
    """

    opaque: OpaqueDeviceConfiguration | None = None
    requests: list[str] = []
    source: Annotated[str, Enum("FromClaim", "FromClass")]


class DeviceAllocationResult(Model):
    """The devices that were given out.

    config: Settings for them, from class and claim.
    results: The devices.
    """

    config: list[DeviceAllocationConfiguration] = []
    results: list[DeviceRequestAllocationResult] = []


class AllocationResult(Model):
    """What a claim has got.

    allocationTimestamp: When it got it.
    devices: The devices.
    nodeSelector: Where they can be used; everywhere when unset.
    """

    allocationTimestamp: Time | None = None
    devices: DeviceAllocationResult = struct()
    nodeSelector: NodeSelector | None = None


class NetworkDeviceData(Model):
    """What is known of a network interface.

    hardwareAddress: Its hardware (MAC) address.
    interfaceName: What it is called inside the pod.
    ips: Its addresses, with the lengths of their networks.
    """

    hardwareAddress: str = ""
    interfaceName: str = ""
    ips: list[str] = []


class AllocatedDeviceStatus(Model):
    """What a driver reports of a device in use.

    conditions: Its state in several aspects.
    data: What else the driver has to say.
    device: The device's name in its pool.
    driver: The driver that looks after it.
    networkData: What is known of it as a network interface.
    pool: The pool it is in.
    shareID: Tells this share of the device from others.
    """

    conditions: Annotated[list[Condition], NullWhenEmpty(), NotRequired(), ListMap("type")]
    data: RawExtension | None = None
    device: str
    driver: str
    networkData: NetworkDeviceData | None = None
    pool: str
    shareID: str | None = None


class ResourceClaimConsumerReference(Model):
    """Somebody who uses a claim.

    apiGroup: The API group of the object; empty for the core group.
    name: The object's name.
    resource: The object's resource, such as pods.
    uid: The object's uid.
    """

    apiGroup: str = ""
    name: str
    resource: str
    uid: str


class ResourceClaimStatus(Model):
    """What a claim has got and who uses it.

    allocation: What it has got; unset until then.
    devices: What drivers report of the devices.
    reservedFor: Who may use it at present.
    """

    allocation: AllocationResult | None = None
    devices: Annotated[list[AllocatedDeviceStatus], ListMap("driver", "device", "pool", "shareID")] = []
    reservedFor: Annotated[list[ResourceClaimConsumerReference], ListMap("uid"), Merge("uid")] = []


class ResourceClaim(Model):
    """Asks for devices that pods then use."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[ResourceClaimSpec, Required()] = struct()
    status: ResourceClaimStatus = struct()


class ResourceClaimTemplateSpec(Model):
    """What claims are made from.

    metadata: Labels and annotations of the claims.
    """

    metadata: ObjectMeta = struct()
    spec: Annotated[ResourceClaimSpec, Required()] = struct()


class ResourceClaimTemplate(Model):
    """What claims are made from, one for each pod."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[ResourceClaimTemplateSpec, Required()] = struct()


class DeviceClassConfiguration(Model):
    """Settings for devices of a class.

    opaque: Settings that only a driver understands.
    """

    opaque: OpaqueDeviceConfiguration | None = None


class DeviceClassSpec(Model):
    """What a class of devices is.

    config: Settings for every device of it.
    extendedResourceName: The extended resource by which pods can ask for such devices without a claim.
    selectors: What a device of it must satisfy.
    """

    config: list[DeviceClassConfiguration] = []
    extendedResourceName: str | None = None
    selectors: list[DeviceSelector] = []


class DeviceClass(Model):
    """A kind of device, for claims to ask for by name."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[DeviceClassSpec, Required()] = struct()
