"""What a pod does, as its kubelet says."""

from typing import Annotated

from api.core_v1.containers import SIGNALS, ResourceRequirements
from api.model import (
    Enum,
    Int32,
    Int64,
    ListMap,
    ListSet,
    Merge,
    Model,
    Quantity,
    Required,
    Time,
    ZeroTime,
    null,
    struct,
)


class PodCondition(Model):
    """One aspect of a pod's state.

    lastProbeTime: When it was last looked at.
    lastTransitionTime: When the status last changed.
    message: The details, for people.
    observedGeneration: The generation it was found for.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: PodScheduled, Initialized, ContainersReady, Ready or another.
    """

    lastProbeTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    observedGeneration: Int64 = 0
    reason: str = ""
    status: str
    type: str


class ResourceHealth(Model):
    """How a device of a container is.

    health: Healthy, Unhealthy or Unknown.
    message: The details, for people.
    resourceID: The device.
    """

    health: str = ""
    message: str | None = None
    resourceID: str


class ResourceStatus(Model):
    """How the devices of a container are.

    name: The resource or claim.
    resources: Each of its devices.
    """

    name: str
    resources: Annotated[list[ResourceHealth], ListMap("resourceID")] = []


class ContainerStateRunning(Model):
    """A container that runs.

    startedAt: Since when.
    """

    startedAt: ZeroTime = null()


class ContainerStateTerminated(Model):
    """A container that has ended.

    containerID: The runtime's name of it.
    exitCode: Its exit status.
    finishedAt: When it ended.
    message: What it left as its message.
    reason: Why it ended, in one word.
    signal: The signal that ended it.
    startedAt: When it had started.
    """

    containerID: str = ""
    exitCode: Int32
    finishedAt: ZeroTime = null()
    message: str = ""
    reason: str = ""
    signal: Int32 = 0
    startedAt: ZeroTime = null()


class ContainerStateWaiting(Model):
    """A container that does not run yet.

    message: The details, for people.
    reason: Why not, in one word.
    """

    message: str = ""
    reason: str = ""


class ContainerState(Model):
    """What a container does; one of these.

    running: It runs.
    terminated: It has ended.
    waiting: It does not run yet.
    """

    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(Model):
    """The user a container's first process runs as.

    gid: Its group.
    supplementalGroups: Its further groups.
    uid: Its user.
    """

    gid: Int64
    supplementalGroups: list[Int64] = []
    uid: Int64


class ContainerUser(Model):
    """The user a container's first process runs as.

    linux: The user on Linux.
    """

    linux: LinuxContainerUser | None = None


class ImageVolumeStatus(Model):
    """The image of a volume.

    imageRef: The image's digest.
    """

    imageRef: Annotated[str, Required()] = ""


class VolumeStatus(Model):
    """The state of a mounted volume.

    image: The image, for a volume that is one.
    """

    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Model):
    """How a volume is mounted.

    name: The volume.
    mountPath: Where it is mounted.
    readOnly: Whether it cannot be written.
    recursiveReadOnly: Whether mounts below it cannot be written either.
    volumeStatus: The state of the volume.
    """

    name: str
    mountPath: str
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    volumeStatus: VolumeStatus | None = None


class ContainerStatus(Model):
    """What a container does and did before.

    name: The container's name.
    allocatedResources: What is kept for it on the node.
    allocatedResourcesStatus: How its devices are.
    containerID: The runtime's name of it, as type://id.
    image: The image it runs.
    imageID: The image's digest.
    lastState: How its last instance ended.
    ready: Whether it passes its readiness probe.
    resources: The resources it runs with.
    restartCount: How often it was started again.
    started: Whether it has passed its startup probe.
    state: What it does now.
    stopSignal: The signal that asks it to end.
    user: The user it runs as.
    volumeMounts: How its volumes are mounted.
    """

    name: str
    allocatedResources: dict[str, Quantity] = {}
    allocatedResourcesStatus: Annotated[list[ResourceStatus], ListMap("name"), Merge("name")] = []
    containerID: str = ""
    image: str
    imageID: str
    lastState: ContainerState = struct()
    ready: bool
    resources: ResourceRequirements | None = None
    restartCount: Int32
    started: bool | None = None
    state: ContainerState = struct()
    stopSignal: Annotated[str | None, SIGNALS] = None
    user: ContainerUser | None = None
    volumeMounts: Annotated[list[VolumeMountStatus], ListMap("mountPath"), Merge("mountPath")] = []


class ContainerExtendedResourceRequest(Model):
    """Which request of a claim a container's extended resource is.

    containerName: The container.
    requestName: The request in the claim.
    resourceName: The extended resource.
    """

    containerName: str
    requestName: str
    resourceName: str


class PodExtendedResourceClaimStatus(Model):
    """The claim that was made for a pod's extended resources.

    requestMappings: Which request is for which container.
    resourceClaimName: The claim's name.
    """

    requestMappings: list[ContainerExtendedResourceRequest]
    resourceClaimName: str


class HostIP(Model):
    """An address of a node.

    ip: The address.
    """

    ip: str


class NodeAllocatableResourceClaimStatus(Model):
    """What a claim takes of the node's own resources.

    containers: Containers that use the claim.
    resourceClaimName: The claim's name.
    resources: What it takes.
    """

    containers: Annotated[list[str], ListSet()] = []
    resourceClaimName: str
    resources: dict[str, Quantity]


class PodIP(Model):
    """An address of a pod.

    ip: The address.
    """

    ip: str


class PodResourceClaimStatus(Model):
    """The claim that was made for an entry of resourceClaims.

    name: The entry's name.
    resourceClaimName: The claim that was made.
    """

    name: str
    resourceClaimName: str | None = None


class PodStatus(Model):
    """What a pod does, as its kubelet says.

    allocatedResources: What is kept for the pod on its node.
    conditions: Its state in several aspects.
    containerStatuses: What its containers do.
    ephemeralContainerStatuses: What its ephemeral containers do.
    extendedResourceClaimStatus: The claim made for its extended resources.
    hostIP: The node's address.
    hostIPs: The node's addresses, one of each family.
    initContainerStatuses: What its init containers do.
    message: Why it is in this state, for people.
    nodeAllocatableResourceClaimStatuses: What its claims take of the node's own resources.
    nominatedNodeName: The node it will probably get, once pods there have made room.
    observedGeneration: The generation the status was found for.
    phase: Pending, Running, Succeeded, Failed or Unknown.
    podIP: Its address.
    podIPs: Its addresses, one of each family.
    qosClass: Guaranteed, Burstable or BestEffort; decides who is evicted first.
    reason: Why it is in this state, in one word.
    resize: How a change of its resources stands; conditions say it now.
    resourceClaimStatuses: The claims that were made for it.
    resources: The resources the pod as a whole runs with.
    startTime: When its node took it on.
    """

    allocatedResources: dict[str, Quantity] = {}
    conditions: Annotated[list[PodCondition], ListMap("type"), Merge("type")] = []
    containerStatuses: list[ContainerStatus] = []
    ephemeralContainerStatuses: list[ContainerStatus] = []
    extendedResourceClaimStatus: PodExtendedResourceClaimStatus | None = None
    hostIP: str = ""
    hostIPs: Annotated[list[HostIP], Merge("ip")] = []
    initContainerStatuses: list[ContainerStatus] = []
    message: str = ""
    nodeAllocatableResourceClaimStatuses: list[NodeAllocatableResourceClaimStatus] = []
    nominatedNodeName: str = ""
    observedGeneration: Int64 = 0
    phase: Annotated[str, Enum("Failed", "Pending", "Running", "Succeeded", "Unknown")] = ""
    podIP: str = ""
    podIPs: Annotated[list[PodIP], ListMap("ip"), Merge("ip")] = []
    qosClass: Annotated[str, Enum("BestEffort", "Burstable", "Guaranteed")] = ""
    reason: str = ""
    resize: str = ""
    resourceClaimStatuses: Annotated[
        list[PodResourceClaimStatus], ListMap("name"), Merge("name", strategy="merge,retainKeys")
    ] = []
    resources: ResourceRequirements | None = None
    startTime: Time | None = None
