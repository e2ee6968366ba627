"""One process of a pod: image, environment, probes, resources, security."""

from typing import Annotated

from api.core_v1.references import (
    ConfigMapKeySelector,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from api.core_v1.security_context import SecurityContext
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
)

# fmt: off
SIGNALS = Enum(
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT",
    "SIGIO", "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGRTMAX",
    "SIGRTMAX-1", "SIGRTMAX-10", "SIGRTMAX-11", "SIGRTMAX-12", "SIGRTMAX-13", "SIGRTMAX-14", "SIGRTMAX-2",
    "SIGRTMAX-3", "SIGRTMAX-4", "SIGRTMAX-5", "SIGRTMAX-6", "SIGRTMAX-7", "SIGRTMAX-8", "SIGRTMAX-9",
    "SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14",
    "SIGRTMIN+15", "SIGRTMIN+2", "SIGRTMIN+3", "SIGRTMIN+4", "SIGRTMIN+5", "SIGRTMIN+6", "SIGRTMIN+7",
    "SIGRTMIN+8", "SIGRTMIN+9", "SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP",
    "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ",
)
"""Signals that can ask a container to end."""
# fmt: on


class EnvVarSource(Model):
    """Where the value of an environment variable comes from; one of these.

    configMapKeyRef: A key of a ConfigMap.
    fieldRef: A field of the pod.
    fileKeyRef: A variable in a file of a volume.
    resourceFieldRef: A resource limit or request of a container.
    secretKeyRef: A key of a Secret.
    """

    configMapKeyRef: ConfigMapKeySelector | None = None
    fieldRef: ObjectFieldSelector | None = None
    fileKeyRef: FileKeySelector | None = None
    resourceFieldRef: ResourceFieldSelector | None = None
    secretKeyRef: SecretKeySelector | None = None


class EnvVar(Model):
    """An environment variable.

    name: The variable's name.
    value: Its value, in which $(NAME) stands for a variable before it.
    valueFrom: Where the value comes from, when it is not given.
    """

    name: str
    value: str = ""
    valueFrom: EnvVarSource | None = None


class ConfigMapEnvSource(Model):
    """Names the ConfigMap whose keys become environment variables.

    name: The ConfigMap's name.
    optional: Whether the container starts without it.
    """

    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class SecretEnvSource(Model):
    """Names the Secret whose keys become environment variables.

    name: The Secret's name.
    optional: Whether the container starts without it.
    """

    name: Annotated[str, Default("")] = ""
    optional: bool | None = None


class EnvFromSource(Model):
    """Many environment variables at once.

    configMapRef: The ConfigMap whose keys they are.
    prefix: Put in front of every name.
    secretRef: The Secret whose keys they are.
    """

    configMapRef: ConfigMapEnvSource | None = None
    prefix: str = ""
    secretRef: SecretEnvSource | None = None


class ExecAction(Model):
    """Run a command in the container; exit status 0 is success.

    command: The program and its arguments; no shell is involved.
    """

    command: list[str] = []


class HTTPHeader(Model):
    """A header of an HTTP request.

    name: The header's name.
    value: The header's value.
    """

    name: str
    value: str


class HTTPGetAction(Model):
    """Make an HTTP request; a status from 200 to 399 is success.

    host: The host to ask; the pod's own address when empty.
    httpHeaders: Headers to send.
    path: The path to ask for.
    port: The port, by number or by its name in the container.
    scheme: HTTP or HTTPS, whose certificate is not verified.
    """

    host: str = ""
    httpHeaders: list[HTTPHeader] = []
    path: str = ""
    port: IntOrString
    scheme: Annotated[str, Enum("HTTP", "HTTPS")] = ""


class SleepAction(Model):
    """Wait.

    seconds: How long.
    """

    seconds: Int64


class TCPSocketAction(Model):
    """Open a connection.

    host: The host to connect to; the pod's own address when empty.
    port: The port, by number or by its name in the container.
    """

    host: str = ""
    port: IntOrString


class LifecycleHandler(Model):
    """What is done at a point of a container's life; one of these.

    exec: Run a command in the container.
    httpGet: Make an HTTP request.
    sleep: Wait.
    tcpSocket: Kept for old clients; does nothing.
    """

    exec: ExecAction | None = None
    httpGet: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcpSocket: TCPSocketAction | None = None


class Lifecycle(Model):
    """What happens besides a container's own program when it starts and ends.

    postStart: Done right after the start; the container is killed when it fails.
    preStop: Done before the container is asked to end; counts against the grace period.
    stopSignal: The signal that asks the container to end; SIGTERM unless the image says another.
    """

    postStart: LifecycleHandler | None = None
    preStop: LifecycleHandler | None = None
    stopSignal: Annotated[str | None, SIGNALS] = None


class GRPCAction(Model):
    """Ask the gRPC health service.

    port: The port.
    service: The service to ask about.
    """

    port: Int32
    service: Annotated[str | None, Default("")] = None


class Probe(Model):
    """A check that is made of a container again and again.

    exec: Run a command in the container.
    failureThreshold: How many failures in a row make it failed; 3 when unset.
    grpc: Ask the gRPC health service.
    httpGet: Make an HTTP request.
    initialDelaySeconds: Seconds from the container's start to the first check.
    periodSeconds: Seconds between checks; 10 when unset.
    successThreshold: How many successes in a row make it succeed again; 1 when unset.
    tcpSocket: Open a connection.
    terminationGracePeriodSeconds: The grace period when this probe has the container killed; the pod's when unset.
    timeoutSeconds: Seconds after which a check has failed; 1 when unset.
    """

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
    """A port that a container listens on.

    containerPort: The port's number.
    hostIP: The node's address that the host port is opened on.
    hostPort: A port of the node that leads here.
    name: A name for the port, for probes and services.
    protocol: TCP, UDP or SCTP; TCP when unset.
    """

    containerPort: Int32
    hostIP: str = ""
    hostPort: Int32 = 0
    name: str = ""
    protocol: Annotated[str, Enum("SCTP", "TCP", "UDP"), Default("TCP")] = ""


class ContainerResizePolicy(Model):
    """Whether a change of a resource needs a restart.

    resourceName: The resource: cpu or memory.
    restartPolicy: NotRequired or RestartContainer.
    """

    resourceName: str
    restartPolicy: str


class ResourceClaim(Model):
    """A claim of the pod that a container uses.

    name: The claim's name in the pod.
    request: The request of the claim that is meant; all of them when empty.
    """

    name: str
    request: str = ""


class ResourceRequirements(Model):
    """What a container needs of a node and may use at most.

    claims: Claims of the pod that the container uses.
    limits: The most it may use.
    requests: What is kept for it; the limits when unset.
    """

    claims: Annotated[list[ResourceClaim], ListMap("name")] = []
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class ContainerRestartRuleOnExitCodes(Model):
    """A condition on an exit status.

    operator: In or NotIn.
    values: The exit statuses.
    """

    operator: Annotated[str, Required()] = ""
    values: Annotated[list[Int32], ListSet()] = []


class ContainerRestartRule(Model):
    """What to do when a container ends in a certain way.

    action: What is done: Restart.
    exitCodes: The exit statuses it is done for.
    """

    action: Annotated[str, Required()] = ""
    exitCodes: ContainerRestartRuleOnExitCodes | None = None


class VolumeDevice(Model):
    """A block device in a container.

    name: The pod's volume claim that it is.
    devicePath: Where it is in the container.
    """

    name: str
    devicePath: str


class VolumeMount(Model):
    """A volume in a container.

    name: The pod's volume.
    mountPath: Where it is mounted; without a colon.
    mountPropagation: Whether later mounts on one side are seen on the other; None when unset.
    readOnly: Whether it cannot be written.
    recursiveReadOnly: Whether mounts below it cannot be written either: Disabled, IfPossible or Enabled.
    subPath: The directory or file in the volume that is mounted; all of it when empty.
    subPathExpr: The same with environment variables filled in, as $(NAME).
    """

    name: str
    mountPath: str
    mountPropagation: Annotated[str | None, Enum("Bidirectional", "HostToContainer", "None")] = None
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    subPath: str = ""
    subPathExpr: str = ""


class Container(Model):
    """A program to run in a pod, and what it needs.

    name: The container's name, unique in the pod.
    args: Arguments of the program; the image's when unset. $(NAME) stands for an environment variable.
    command: The program; the image's when unset. $(NAME) stands for an environment variable.
    env: Environment variables.
    envFrom: Environment variables from ConfigMaps and Secrets; those of env come before them.
    image: The image to run.
    imagePullPolicy: Always, IfNotPresent or Never; Always for the tag latest, else IfNotPresent.
    lifecycle: What happens besides at the container's start and end.
    livenessProbe: Restarts the container when it fails.
    ports: Ports the container listens on; for information, nothing is closed by leaving one out.
    readinessProbe: Takes the pod out of its services while it fails.
    resizePolicy: Whether changes of resources need a restart.
    resources: What the container needs and may use at most.
    restartPolicy: Always makes an init container run beside the others from then on.
    restartPolicyRules: What to do for certain exit statuses, before the restart policy.
    securityContext: Security settings.
    startupProbe: Until it succeeds no other probe is made; restarts the container when it fails.
    stdin: Whether standard input is kept open for attaching.
    stdinOnce: Whether standard input ends with the first client that was attached.
    terminationMessagePath: The file whose content becomes the message of the end; /dev/termination-log when unset.
    terminationMessagePolicy: With FallbackToLogsOnError the log's end is the message of a failure without one.
    tty: Whether the program gets a terminal; needs stdin.
    volumeDevices: Block devices in the container.
    volumeMounts: Volumes in the container.
    workingDir: The program's working directory; the image's when unset.
    """

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
    restartPolicy: str | None = None
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
    """A container that is put into a running pod to look into it; it is never restarted.

    targetContainerName: The container whose processes it sees.
    """

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
    restartPolicy: str | None = None
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
