"""Pods, and what is done to them."""

from typing import Annotated

from api.core_v1.containers import (
    AppArmorProfile,
    Container,
    EphemeralContainer,
    ResourceRequirements,
    SeccompProfile,
    SELinuxOptions,
    WindowsSecurityContextOptions,
)
from api.core_v1.references import LocalObjectReference, ObjectReference
from api.core_v1.scheduling import Affinity, PodSchedulingGate, Toleration, TopologySpreadConstraint
from api.core_v1.volumes import Volume
from api.meta_v1 import ObjectMeta
from api.model import (
    Atomic,
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
    union,
)


class PodDNSConfigOption(Model):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Model):
    nameservers: list[str] = []
    options: list[PodDNSConfigOption] = []
    searches: list[str] = []


class HostAlias(Model):
    hostnames: list[str] = []
    ip: str


class PodOS(Model):
    name: str


class PodReadinessGate(Model):
    conditionType: str


class PodResourceClaim(Model):
    name: str
    resourceClaimName: str | None = None
    resourceClaimTemplateName: str | None = None


@union("podGroupName")
class PodSchedulingGroup(Model):
    podGroupName: str | None = None


class Sysctl(Model):
    name: str
    value: str


class PodSecurityContext(Model):
    appArmorProfile: AppArmorProfile | None = None
    fsGroup: Int64 | None = None
    fsGroupChangePolicy: Annotated[str | None, Enum("Always", "OnRootMismatch")] = None
    runAsGroup: Int64 | None = None
    runAsNonRoot: bool | None = None
    runAsUser: Int64 | None = None
    seLinuxChangePolicy: str | None = None
    seLinuxOptions: SELinuxOptions | None = None
    seccompProfile: SeccompProfile | None = None
    supplementalGroups: list[Int64] = []
    supplementalGroupsPolicy: Annotated[str | None, Enum("Merge", "Strict")] = None
    sysctls: list[Sysctl] = []
    windowsOptions: WindowsSecurityContextOptions | None = None


class PodSpec(Model):
    activeDeadlineSeconds: Int64 | None = None
    affinity: Affinity | None = None
    automountServiceAccountToken: bool | None = None
    containers: Annotated[list[Container], ListMap("name"), Merge("name")]
    dnsConfig: PodDNSConfig | None = None
    dnsPolicy: Annotated[str, Enum("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")] = ""
    enableServiceLinks: bool | None = None
    ephemeralContainers: Annotated[list[EphemeralContainer], ListMap("name"), Merge("name")] = []
    hostAliases: Annotated[list[HostAlias], ListMap("ip"), Merge("ip")] = []
    hostIPC: bool = False
    hostNetwork: bool = False
    hostPID: bool = False
    hostUsers: bool | None = None
    hostname: str = ""
    hostnameOverride: str | None = None
    imagePullSecrets: Annotated[list[LocalObjectReference], ListMap("name"), Merge("name")] = []
    initContainers: Annotated[list[Container], ListMap("name"), Merge("name")] = []
    nodeName: str = ""
    nodeSelector: Annotated[dict[str, str], Atomic()] = {}
    os: PodOS | None = None
    overhead: dict[str, Quantity] = {}
    preemptionPolicy: Annotated[str | None, Enum("Never", "PreemptLowerPriority")] = None
    priority: Int32 | None = None
    priorityClassName: str = ""
    readinessGates: list[PodReadinessGate] = []
    resourceClaims: Annotated[list[PodResourceClaim], ListMap("name"), Merge("name", strategy="merge,retainKeys")] = []
    resources: ResourceRequirements | None = None
    restartPolicy: Annotated[str, Enum("Always", "Never", "OnFailure")] = ""
    runtimeClassName: str | None = None
    schedulerName: str = ""
    schedulingGates: Annotated[list[PodSchedulingGate], ListMap("name"), Merge("name")] = []
    schedulingGroup: PodSchedulingGroup | None = None
    securityContext: PodSecurityContext | None = None
    serviceAccount: str = ""
    serviceAccountName: str = ""
    setHostnameAsFQDN: bool | None = None
    shareProcessNamespace: bool | None = None
    subdomain: str = ""
    terminationGracePeriodSeconds: Int64 | None = None
    tolerations: list[Toleration] = []
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint], ListMap("topologyKey", "whenUnsatisfiable"), Merge("topologyKey")
    ] = []
    volumes: Annotated[list[Volume], ListMap("name"), Merge("name", strategy="merge,retainKeys")] = []


class PodCondition(Model):
    lastProbeTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    observedGeneration: Int64 = 0
    reason: str = ""
    status: str
    type: str


class ResourceHealth(Model):
    health: str = ""
    message: str = ""
    resourceID: str


class ResourceStatus(Model):
    name: str
    resources: Annotated[list[ResourceHealth], ListMap("resourceID")] = []


class ContainerStateRunning(Model):
    startedAt: ZeroTime = null()


class ContainerStateTerminated(Model):
    containerID: str = ""
    exitCode: Int32
    finishedAt: ZeroTime = null()
    message: str = ""
    reason: str = ""
    signal: Int32 = 0
    startedAt: ZeroTime = null()


class ContainerStateWaiting(Model):
    message: str = ""
    reason: str = ""


class ContainerState(Model):
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(Model):
    gid: Int64
    supplementalGroups: list[Int64] = []
    uid: Int64


class ContainerUser(Model):
    linux: LinuxContainerUser | None = None


class ImageVolumeStatus(Model):
    imageRef: Annotated[str, Required()] = ""


class VolumeStatus(Model):
    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Model):
    name: str
    mountPath: str
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    volumeStatus: VolumeStatus | None = None


class ContainerStatus(Model):
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
    stopSignal: Annotated[
        str | None,
        Enum(
            "SIGABRT",
            "SIGALRM",
            "SIGBUS",
            "SIGCHLD",
            "SIGCLD",
            "SIGCONT",
            "SIGFPE",
            "SIGHUP",
            "SIGILL",
            "SIGINT",
            "SIGIO",
            "SIGIOT",
            "SIGKILL",
            "SIGPIPE",
            "SIGPOLL",
            "SIGPROF",
            "SIGPWR",
            "SIGQUIT",
            "SIGRTMAX",
            "SIGRTMAX-1",
            "SIGRTMAX-10",
            "SIGRTMAX-11",
            "SIGRTMAX-12",
            "SIGRTMAX-13",
            "SIGRTMAX-14",
            "SIGRTMAX-2",
            "SIGRTMAX-3",
            "SIGRTMAX-4",
            "SIGRTMAX-5",
            "SIGRTMAX-6",
            "SIGRTMAX-7",
            "SIGRTMAX-8",
            "SIGRTMAX-9",
            "SIGRTMIN",
            "SIGRTMIN+1",
            "SIGRTMIN+10",
            "SIGRTMIN+11",
            "SIGRTMIN+12",
            "SIGRTMIN+13",
            "SIGRTMIN+14",
            "SIGRTMIN+15",
            "SIGRTMIN+2",
            "SIGRTMIN+3",
            "SIGRTMIN+4",
            "SIGRTMIN+5",
            "SIGRTMIN+6",
            "SIGRTMIN+7",
            "SIGRTMIN+8",
            "SIGRTMIN+9",
            "SIGSEGV",
            "SIGSTKFLT",
            "SIGSTOP",
            "SIGSYS",
            "SIGTERM",
            "SIGTRAP",
            "SIGTSTP",
            "SIGTTIN",
            "SIGTTOU",
            "SIGURG",
            "SIGUSR1",
            "SIGUSR2",
            "SIGVTALRM",
            "SIGWINCH",
            "SIGXCPU",
            "SIGXFSZ",
        ),
    ] = None
    user: ContainerUser | None = None
    volumeMounts: Annotated[list[VolumeMountStatus], ListMap("mountPath"), Merge("mountPath")] = []


class ContainerExtendedResourceRequest(Model):
    containerName: str
    requestName: str
    resourceName: str


class PodExtendedResourceClaimStatus(Model):
    requestMappings: list[ContainerExtendedResourceRequest]
    resourceClaimName: str


class HostIP(Model):
    ip: str


class NodeAllocatableResourceClaimStatus(Model):
    containers: Annotated[list[str], ListSet()] = []
    resourceClaimName: str
    resources: dict[str, Quantity]


class PodIP(Model):
    ip: str


class PodResourceClaimStatus(Model):
    name: str
    resourceClaimName: str | None = None


class PodStatus(Model):
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


class Pod(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PodSpec = struct()
    status: PodStatus = struct()


class PodTemplateSpec(Model):
    metadata: ObjectMeta = struct()
    spec: PodSpec = struct()


class Binding(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    target: Annotated[ObjectReference, Required()] = struct()
