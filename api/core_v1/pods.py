"""Pods, and what is done to them."""

from typing import Annotated

from api.core_v1.containers import Container, EphemeralContainer, ResourceRequirements
from api.core_v1.pod_status import PodStatus
from api.core_v1.references import LocalObjectReference, ObjectReference
from api.core_v1.scheduling import Affinity, PodSchedulingGate, Toleration, TopologySpreadConstraint
from api.core_v1.security_context import AppArmorProfile, SeccompProfile, SELinuxOptions, WindowsSecurityContextOptions
from api.core_v1.volumes import Volume
from api.meta_v1 import ObjectMeta
from api.model import (
    Atomic,
    Enum,
    Int32,
    Int64,
    ListMap,
    Merge,
    Model,
    Quantity,
    Required,
    struct,
    union,
)


class PodDNSConfigOption(Model):
    """An option of the resolver.

    name: The option.
    value: Its value, if it has one.
    """

    name: str = ""
    value: str | None = None


class PodDNSConfig(Model):
    """Settings of the pod's resolver, on top of what the policy makes.

    nameservers: Addresses of name servers.
    options: Options of the resolver.
    searches: Domains to search names in.
    """

    nameservers: list[str] = []
    options: list[PodDNSConfigOption] = []
    searches: list[str] = []


class HostAlias(Model):
    """A line of the pod's hosts file.

    hostnames: Names of the address.
    ip: The address.
    """

    hostnames: list[str] = []
    ip: str


class PodOS(Model):
    """The operating system a pod is for.

    name: linux or windows.
    """

    name: str


class PodReadinessGate(Model):
    """A condition that must be true for the pod to be ready.

    conditionType: The condition's type.
    """

    conditionType: str


class PodResourceClaim(Model):
    """A claim for devices that the pod's containers use.

    name: The claim's name in the pod.
    resourceClaimName: The ResourceClaim it is.
    resourceClaimTemplateName: The template a claim is made from for this pod.
    """

    name: str
    resourceClaimName: str | None = None
    resourceClaimTemplateName: str | None = None


@union("podGroupName")
class PodSchedulingGroup(Model):
    """Which group of pods this one is scheduled with.

    podGroupName: The PodGroup's name.
    """

    podGroupName: str | None = None


class Sysctl(Model):
    """A kernel setting.

    name: The setting.
    value: Its value.
    """

    name: str
    value: str


class PodSecurityContext(Model):
    """Security settings of all containers, unless theirs say otherwise.

    appArmorProfile: The AppArmor profile.
    fsGroup: The group that volumes belong to.
    fsGroupChangePolicy: When the group of a volume's files is changed: OnRootMismatch or Always.
    runAsGroup: The group the programs run as.
    runAsNonRoot: Whether to refuse to run as root.
    runAsUser: The user the programs run as; the image's when unset.
    seLinuxChangePolicy: How volumes get their SELinux label: MountOption or Recursive.
    seLinuxOptions: The SELinux label.
    seccompProfile: The seccomp profile.
    supplementalGroups: Further groups of the programs.
    supplementalGroupsPolicy: Whether groups of the image count too: Merge or Strict.
    sysctls: Kernel settings.
    windowsOptions: Settings for Windows containers.
    """

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
    """What a pod is to be.

    activeDeadlineSeconds: Seconds after its start at which the pod is ended as failed.
    affinity: Which nodes and neighbours are wanted or to be avoided.
    automountServiceAccountToken: Whether containers get the service account's token without asking.
    containers: The programs to run, at least one.
    dnsConfig: Settings of the resolver, on top of the policy.
    dnsPolicy: Whose name servers are used: ClusterFirst, ClusterFirstWithHostNet, Default (the node's) or None.
    enableServiceLinks: Whether services become environment variables; true when unset.
    ephemeralContainers: Containers put in later to look into the pod; written through their own subresource only.
    hostAliases: Lines for the pod's hosts file.
    hostIPC: Whether the pod shares the node's inter-process communication.
    hostNetwork: Whether the pod uses the node's network.
    hostPID: Whether the pod sees the node's processes.
    hostUsers: Whether users in the pod are those of the node; true when unset.
    hostname: The pod's host name; its name when empty.
    hostnameOverride: The host name the containers see, whatever else is set.
    imagePullSecrets: Secrets to pull images with.
    initContainers: Programs that run one after another before the containers.
    nodeName: The node the pod is on; set by the scheduler.
    nodeSelector: Labels the node must have.
    os: The operating system the pod is for.
    overhead: Resources the pod takes besides its containers; from its runtime class.
    preemptionPolicy: Whether pods of lower priority may be evicted for this one: PreemptLowerPriority or Never.
    priority: How important the pod is; from its priority class.
    priorityClassName: The priority class.
    readinessGates: Further conditions for the pod to be ready.
    resourceClaims: Claims for devices.
    resources: What the pod as a whole needs and may use at most.
    restartPolicy: When containers are started again: Always, OnFailure or Never.
    runtimeClassName: The way of running containers that is wanted.
    schedulerName: The scheduler that places the pod.
    schedulingGates: While there are any the pod is not scheduled.
    schedulingGroup: The group of pods this one is scheduled with.
    securityContext: Security settings of all containers.
    serviceAccount: An old name of serviceAccountName.
    serviceAccountName: The identity of the pod's programs; default when empty.
    setHostnameAsFQDN: Whether the host name is the full domain name.
    shareProcessNamespace: Whether the containers see each other's processes.
    subdomain: Part of the pod's domain name: hostname.subdomain.namespace.svc.
    terminationGracePeriodSeconds: Seconds the containers have to end by themselves; 30 when unset.
    tolerations: Taints of nodes that do not keep the pod away.
    topologySpreadConstraints: How the pods of a group are to be spread.
    volumes: Volumes the containers can mount.
    """

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


class Pod(Model):
    """One or more containers that run together on one node, share its address and its volumes, and end together."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PodSpec = struct()
    status: PodStatus = struct()


class PodTemplateSpec(Model):
    """What pods are made from.

    metadata: Labels and annotations of the pods.
    spec: What the pods are to be.
    """

    metadata: ObjectMeta = struct()
    spec: PodSpec = struct()


class Binding(Model):
    """Puts a pod on a node.

    target: The node.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    target: Annotated[ObjectReference, Required()] = struct()
