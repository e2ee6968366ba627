"""One process of a pod: image, environment, probes, resources, security."""

from typing import Annotated

from api.core_v1.references import (
    ConfigMapKeySelector,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from api.model import (
    Default,
    Enum,
    Int32,
    Int64,
    IntOrString,
    ListMap,
    ListSet,
    Merge,
    Model,
    Quantity,
    Required,
    struct,
    union,
)


class EnvVarSource(Model):
    configMapKeyRef: ConfigMapKeySelector | None = None
    fieldRef: ObjectFieldSelector | None = None
    fileKeyRef: FileKeySelector | None = None
    resourceFieldRef: ResourceFieldSelector | None = None
    secretKeyRef: SecretKeySelector | None = None


class EnvVar(Model):
    name: str
    value: str = ""
    valueFrom: EnvVarSource | None = None


class ConfigMapEnvSource(Model):
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class SecretEnvSource(Model):
    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class EnvFromSource(Model):
    configMapRef: ConfigMapEnvSource | None = None
    prefix: str = ""
    secretRef: SecretEnvSource | None = None


class ExecAction(Model):
    command: list[str] = []


class HTTPHeader(Model):
    name: str
    value: str


class HTTPGetAction(Model):
    host: str = ""
    httpHeaders: list[HTTPHeader] = []
    path: str = ""
    port: IntOrString
    scheme: Annotated[str, Enum("HTTP", "HTTPS")] = ""


class SleepAction(Model):
    seconds: Int64


class TCPSocketAction(Model):
    host: str = ""
    port: IntOrString


class LifecycleHandler(Model):
    exec: ExecAction | None = None
    httpGet: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcpSocket: TCPSocketAction | None = None


class Lifecycle(Model):
    postStart: LifecycleHandler | None = None
    preStop: LifecycleHandler | None = None
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


class GRPCAction(Model):
    port: Int32
    service: Annotated[str | None, Default("")] = None


class Probe(Model):
    exec: ExecAction | None = None
    failureThreshold: Int32 = 0
    grpc: GRPCAction | None = None
    httpGet: HTTPGetAction | None = None
    initialDelaySeconds: Int32 = 0
    periodSeconds: Int32 = 0
    successThreshold: Int32 = 0
    tcpSocket: TCPSocketAction | None = None
    terminationGracePeriodSeconds: Int64 | None = None
    timeoutSeconds: Int32 = 0


class ContainerPort(Model):
    containerPort: Int32
    hostIP: str = ""
    hostPort: Int32 = 0
    name: str = ""
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP"), Default("TCP")] = ""


class ContainerResizePolicy(Model):
    resourceName: str
    restartPolicy: str


class ResourceClaim(Model):
    name: str
    request: str = ""


class ResourceRequirements(Model):
    claims: Annotated[list[ResourceClaim], ListMap("name")] = []
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class ContainerRestartRuleOnExitCodes(Model):
    operator: Annotated[str, Required()] = ""
    values: Annotated[list[Int32], ListSet()] = []


class ContainerRestartRule(Model):
    action: Annotated[str, Required()] = ""
    exitCodes: ContainerRestartRuleOnExitCodes | None = None


@union("localhostProfile", discriminator="type")
class AppArmorProfile(Model):
    localhostProfile: str | None = None
    type: Annotated[str, Enum("Localhost", "RuntimeDefault", "Unconfined")]


class Capabilities(Model):
    add: list[str] = []
    drop: list[str] = []


class SELinuxOptions(Model):
    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


@union("localhostProfile", discriminator="type")
class SeccompProfile(Model):
    localhostProfile: str | None = None
    type: Annotated[str, Enum("Localhost", "RuntimeDefault", "Unconfined")]


class WindowsSecurityContextOptions(Model):
    gmsaCredentialSpec: str | None = None
    gmsaCredentialSpecName: str | None = None
    hostProcess: bool | None = None
    runAsUserName: str | None = None


class SecurityContext(Model):
    allowPrivilegeEscalation: bool | None = None
    appArmorProfile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    procMount: Annotated[str | None, Enum("Default", "Unmasked")] = None
    readOnlyRootFilesystem: bool | None = None
    runAsGroup: Int64 | None = None
    runAsNonRoot: bool | None = None
    runAsUser: Int64 | None = None
    seLinuxOptions: SELinuxOptions | None = None
    seccompProfile: SeccompProfile | None = None
    windowsOptions: WindowsSecurityContextOptions | None = None


class VolumeDevice(Model):
    name: str
    devicePath: str


class VolumeMount(Model):
    name: str
    mountPath: str
    mountPropagation: Annotated[str | None, Enum("Bidirectional", "HostToContainer", "None")] = None
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    subPath: str = ""
    subPathExpr: str = ""


class Container(Model):
    name: str
    args: list[str] = []
    command: list[str] = []
    env: Annotated[list[EnvVar], ListMap("name"), Merge("name")] = []
    envFrom: list[EnvFromSource] = []
    image: str = ""
    imagePullPolicy: Annotated[str, Enum("Always", "IfNotPresent", "Never")] = ""
    lifecycle: Lifecycle | None = None
    livenessProbe: Probe | None = None
    ports: Annotated[list[ContainerPort], ListMap("containerPort", "protocol"), Merge("containerPort")] = []
    readinessProbe: Probe | None = None
    resizePolicy: list[ContainerResizePolicy] = []
    resources: ResourceRequirements = struct()
    restartPolicy: str = ""
    restartPolicyRules: list[ContainerRestartRule] = []
    securityContext: SecurityContext | None = None
    startupProbe: Probe | None = None
    stdin: bool = False
    stdinOnce: bool = False
    terminationMessagePath: str = ""
    terminationMessagePolicy: Annotated[str, Enum("FallbackToLogsOnError", "File")] = ""
    tty: bool = False
    volumeDevices: Annotated[list[VolumeDevice], ListMap("devicePath"), Merge("devicePath")] = []
    volumeMounts: Annotated[list[VolumeMount], ListMap("mountPath"), Merge("mountPath")] = []
    workingDir: str = ""


class EphemeralContainer(Model):
    name: str
    args: list[str] = []
    command: list[str] = []
    env: Annotated[list[EnvVar], ListMap("name"), Merge("name")] = []
    envFrom: list[EnvFromSource] = []
    image: str = ""
    imagePullPolicy: Annotated[str, Enum("Always", "IfNotPresent", "Never")] = ""
    lifecycle: Lifecycle | None = None
    livenessProbe: Probe | None = None
    ports: Annotated[list[ContainerPort], ListMap("containerPort", "protocol"), Merge("containerPort")] = []
    readinessProbe: Probe | None = None
    resizePolicy: list[ContainerResizePolicy] = []
    resources: ResourceRequirements = struct()
    restartPolicy: str = ""
    restartPolicyRules: list[ContainerRestartRule] = []
    securityContext: SecurityContext | None = None
    startupProbe: Probe | None = None
    stdin: bool = False
    stdinOnce: bool = False
    targetContainerName: str = ""
    terminationMessagePath: str = ""
    terminationMessagePolicy: Annotated[str, Enum("FallbackToLogsOnError", "File")] = ""
    tty: bool = False
    volumeDevices: Annotated[list[VolumeDevice], ListMap("devicePath"), Merge("devicePath")] = []
    volumeMounts: Annotated[list[VolumeMount], ListMap("mountPath"), Merge("mountPath")] = []
    workingDir: str = ""
