"""Nodes: the machines of the cluster."""

from typing import Annotated

from api.core_v1.scheduling import Taint
from api.meta_v1 import ObjectMeta
from api.model import (
    Enum,
    Int32,
    Int64,
    ListMap,
    ListSet,
    Merge,
    Model,
    NotRequired,
    NullWhenEmpty,
    Quantity,
    ZeroTime,
    null,
    struct,
)


class ConfigMapNodeConfigSource(Model):
    """No longer used: kubelet configuration in a ConfigMap.

    name: The ConfigMap's name.
    kubeletConfigKey: The key.
    namespace: The ConfigMap's namespace.
    resourceVersion: The version in use.
    uid: The ConfigMap's uid.
    """

    name: str
    kubeletConfigKey: str
    namespace: str
    resourceVersion: str = ""
    uid: str = ""


class NodeConfigSource(Model):
    """No longer used: where the kubelet's configuration comes from.

    configMap: The ConfigMap.
    """

    configMap: ConfigMapNodeConfigSource | None = None


class NodeSpec(Model):
    """What is wanted of a node.

    configSource: No longer used.
    externalID: No longer used.
    podCIDR: The addresses of the node's pods.
    podCIDRs: The addresses of the node's pods, one range of each family.
    providerID: The machine's identity at its cloud.
    taints: What keeps pods away that do not tolerate it.
    unschedulable: Whether new pods go elsewhere.
    """

    configSource: NodeConfigSource | None = None
    externalID: str = ""
    podCIDR: str = ""
    podCIDRs: Annotated[list[str], ListSet(), Merge()] = []
    providerID: str = ""
    taints: list[Taint] = []
    unschedulable: bool = False


class NodeAddress(Model):
    """One address of a node.

    address: The address.
    type: Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS.
    """

    address: str
    type: str


class NodeCondition(Model):
    """One aspect of a node's state.

    lastHeartbeatTime: When the kubelet last confirmed it.
    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable.
    """

    lastHeartbeatTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class NodeConfigStatus(Model):
    """No longer used: the state of the kubelet's configuration.

    active: The configuration in use.
    assigned: The configuration to be used.
    error: What is wrong with it.
    lastKnownGood: The configuration to fall back to.
    """

    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    lastKnownGood: NodeConfigSource | None = None


class DaemonEndpoint(Model):
    """A port of a program on a node.

    Port: The port.
    """

    Port: Int32


class NodeDaemonEndpoints(Model):
    """Ports of programs on a node.

    kubeletEndpoint: The kubelet's.
    """

    kubeletEndpoint: DaemonEndpoint = struct()


class NodeFeatures(Model):
    """What the container runtime can do.

    supplementalGroupsPolicy: Whether it honours the pod's policy for supplemental groups.
    """

    supplementalGroupsPolicy: bool | None = None


class ContainerImage(Model):
    """An image on a node.

    names: Names it is known by.
    sizeBytes: Its size.
    """

    names: Annotated[list[str], NullWhenEmpty(), NotRequired()]
    sizeBytes: Int64 = 0


class NodeSwapStatus(Model):
    """The swap space of a node.

    capacity: Its size in bytes.
    """

    capacity: Int64 | None = None


class NodeSystemInfo(Model):
    """What a node's machine and programs are.

    architecture: The processor's architecture.
    bootID: Changes with every start of the machine.
    containerRuntimeVersion: The container runtime and its version.
    kernelVersion: The kernel's version.
    kubeProxyVersion: No longer set.
    kubeletVersion: The kubelet's version.
    machineID: Identifies the installed system.
    operatingSystem: linux or windows.
    osImage: The operating system's name.
    swap: The swap space.
    systemUUID: Identifies the machine.
    """

    architecture: str
    bootID: str
    containerRuntimeVersion: str
    kernelVersion: str
    kubeProxyVersion: str
    kubeletVersion: str
    machineID: str
    operatingSystem: str
    osImage: str
    swap: NodeSwapStatus | None = None
    systemUUID: str


class NodeRuntimeHandlerFeatures(Model):
    """What a runtime handler can do.

    recursiveReadOnlyMounts: Whether it makes mounts read-only with all below them.
    userNamespaces: Whether it can map users.
    """

    recursiveReadOnlyMounts: bool | None = None
    userNamespaces: bool | None = None


class NodeRuntimeHandler(Model):
    """A way of running containers that a node has.

    features: What it can do.
    name: Its name; empty for the default one.
    """

    features: NodeRuntimeHandlerFeatures | None = None
    name: Annotated[str, NotRequired()]


class AttachedVolume(Model):
    """A volume that is attached to a node.

    name: The volume's name.
    devicePath: Its device.
    """

    name: str
    devicePath: str


class NodeStatus(Model):
    """What a node is and has, as its kubelet says.

    addresses: Its addresses.
    allocatable: What pods can be given.
    capacity: What there is in all.
    conditions: Its state in several aspects.
    config: No longer used.
    daemonEndpoints: Ports of its programs.
    declaredFeatures: Features it has and others may not.
    features: What its container runtime can do.
    images: Images it has.
    nodeInfo: What its machine and programs are.
    phase: No longer used.
    runtimeHandlers: Ways of running containers it has.
    volumesAttached: Volumes attached to it.
    volumesInUse: Volumes its pods use, which must not be detached.
    """

    addresses: Annotated[list[NodeAddress], ListMap("type"), Merge("type")] = []
    allocatable: dict[str, Quantity] = {}
    capacity: dict[str, Quantity] = {}
    conditions: Annotated[list[NodeCondition], ListMap("type"), Merge("type")] = []
    config: NodeConfigStatus | None = None
    daemonEndpoints: NodeDaemonEndpoints = struct()
    declaredFeatures: list[str] = []
    features: NodeFeatures | None = None
    images: list[ContainerImage] = []
    nodeInfo: NodeSystemInfo = struct()
    phase: Annotated[str, Enum("Pending", "Running", "Terminated")] = ""
    runtimeHandlers: list[NodeRuntimeHandler] = []
    volumesAttached: list[AttachedVolume] = []
    volumesInUse: list[str] = []


class Node(Model):
    """A machine that runs pods."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: NodeSpec = struct()
    status: NodeStatus = struct()
