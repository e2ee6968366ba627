"""Nodes: the machines of the cluster."""

from typing import Annotated

from api.core_v1.scheduling import Taint
from api.meta_v1 import ObjectMeta
from api.model import Enum, Int32, Int64, ListMap, ListSet, Merge, Model, NotRequired, Quantity, ZeroTime, null, struct


class ConfigMapNodeConfigSource(Model):
    name: str
    kubeletConfigKey: str
    namespace: str
    resourceVersion: str = ""
    uid: str = ""


class NodeConfigSource(Model):
    configMap: ConfigMapNodeConfigSource | None = None


class NodeSpec(Model):
    configSource: NodeConfigSource | None = None
    externalID: str = ""
    podCIDR: str = ""
    podCIDRs: Annotated[list[str], ListSet(), Merge()] = []
    providerID: str = ""
    taints: list[Taint] = []
    unschedulable: bool = False


class NodeAddress(Model):
    address: str
    type: str


class NodeCondition(Model):
    lastHeartbeatTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class NodeConfigStatus(Model):
    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    lastKnownGood: NodeConfigSource | None = None


class DaemonEndpoint(Model):
    Port: Int32


class NodeDaemonEndpoints(Model):
    kubeletEndpoint: DaemonEndpoint = struct()


class NodeFeatures(Model):
    supplementalGroupsPolicy: bool | None = None


class ContainerImage(Model):
    names: list[str] = []
    sizeBytes: Int64 = 0


class NodeSwapStatus(Model):
    capacity: Int64 | None = None


class NodeSystemInfo(Model):
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
    recursiveReadOnlyMounts: bool | None = None
    userNamespaces: bool | None = None


class NodeRuntimeHandler(Model):
    features: NodeRuntimeHandlerFeatures | None = None
    name: Annotated[str, NotRequired()]


class AttachedVolume(Model):
    name: str
    devicePath: str


class NodeStatus(Model):
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
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: NodeSpec = struct()
    status: NodeStatus = struct()
