"""The seam between the kubelet and what runs its containers: shaped like the Container Runtime Interface
(https://kubernetes.io/docs/concepts/containers/cri/), reduced to what a kubelet needs.

Guarantees every runtime gives:

- Everything outlives the kubelet.  After `start()` on the same state, `list_sandboxes` and `list_containers`
  answer with all that the previous kubelet left, with the exits that happened in between; nothing was killed.
- `stop_*` and `remove_*` are idempotent: stopping what is stopped and removing what is gone succeed.
- An exit is pushed through `events()` at once; a listener that starts late misses events, so list after
  subscribing.
- Methods may be called concurrently.  Calls about one container should come from one worker (the pod's).
- Times are aware UTC datetimes; durations are seconds.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

# --- errors --------------------------------------------------------------------------------------------------------


class RuntimeFailure(Exception):
    """Base of everything a runtime raises.  `message` is meant for the user (events, container statuses)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoSuchObject(RuntimeFailure):
    """There is no sandbox or container with that id."""


class NotRunning(RuntimeFailure):
    """The container is there but has no process to exec into, attach to or signal."""


class ImageCannotRun(RuntimeFailure):
    """This runtime cannot run that image (kubelet reason: ErrImagePull, then ImagePullBackOff)."""


class SandboxFailed(RuntimeFailure):
    """The pod's sandbox could not be made (kubelet event: FailedCreatePodSandBox)."""


class CreateContainerFailed(RuntimeFailure):
    """The container's configuration cannot be carried out (waiting reason: CreateContainerError)."""


class StartContainerFailed(RuntimeFailure):
    """The process could not be started (waiting reason RunContainerError).  The container is left in state
    exited, with reason StartError, exit code 128 and the same message."""


class ExecFailed(RuntimeFailure):
    """The command could not be started in the container (not found, not executable)."""


class ExecTimeout(RuntimeFailure):
    """`exec_sync` ran out of time; the command's processes were killed."""


# --- sandboxes -----------------------------------------------------------------------------------------------------


class SandboxState(StrEnum):
    READY = "ready"
    NOT_READY = "not-ready"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What makes a pod's sandbox: identity, host name, and which namespaces it shares with the host."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    hostname: str  # what `hostname` prints in the containers; unused with host_network
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox as it is now.  `ips` is empty with host_network (the pod then has its node's addresses)."""

    id: str
    config: SandboxConfig
    state: SandboxState
    created_at: datetime
    ips: tuple[str, ...] = ()


# --- containers ----------------------------------------------------------------------------------------------------


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"  # it ran, nobody saw its end


@dataclass(frozen=True, slots=True)
class Mount:
    """`host_path` (a directory, file or socket that exists) appears in the container at `container_path`
    (absolute; made in the container's own view when missing, never on the host).

    `optional` mounts are left out by a runtime that cannot mount, instead of failing the container: meant for
    what the kubelet adds of itself (service account token, /etc/hosts, /etc/resolv.conf, termination log).
    """

    host_path: str
    container_path: str
    read_only: bool = False
    recursive_read_only: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """`None` means "as the runtime's default": the kubelet's own user for the process runtime."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False  # set when allowPrivilegeEscalation is false
    add_capabilities: Sequence[str] = ()  # "NET_ADMIN", "ALL"
    drop_capabilities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits and shares; 0 is "none".  A runtime that cannot enforce them ignores them."""

    cpu_millis_request: int = 0
    cpu_millis_limit: int = 0
    memory_bytes_limit: int = 0


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """One attempt at running a container.  `command` and `args` are the pod's, with `$(VAR)` already expanded;
    an empty command means the image's entry point."""

    name: str
    image: str
    command: Sequence[str]
    args: Sequence[str] = ()
    attempt: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    security: SecurityConfig = field(default_factory=SecurityConfig)
    resources: Resources = field(default_factory=Resources)
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_path: str = ""  # absolute; its directory exists.  "" = no log
    log_max_bytes: int = 10 << 20
    log_max_files: int = 5
    stop_signal: str = "SIGTERM"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as it is now.

    `reason` of an exited one: Completed (exit code 0), Error, OOMKilled, StartError or
    ContainerStatusUnknown (exit code 137: the machine or the shim died, nobody saw the end).
    `exit_code` is 128 + `signal` for a process that a signal ended; `signal` is then non-zero.
    """

    id: str
    sandbox_id: str
    pod_uid: str
    config: ContainerConfig
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    pid: int = 0  # as the host counts; 0 when there is none
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def attempt(self) -> int:
        return self.config.attempt

    @property
    def log_path(self) -> str:
        return self.config.log_path


class ContainerEventType(StrEnum):
    STARTED = "started"
    EXITED = "exited"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something happened to a container: a hint to look again, carrying the status at that moment."""

    type: ContainerEventType
    pod_uid: str
    container_id: str
    status: ContainerStatus | None = None  # None only for REMOVED


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """What a container uses: totals, as the kernel counts them."""

    container_id: str
    cpu_nanoseconds: int  # CPU time used since start
    memory_bytes: int  # resident


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the runtime knows it.  `id` goes into containerStatuses[].imageID."""

    id: str
    name: str
    size: int = 0
    user: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """`name://version` becomes status.nodeInfo.containerRuntimeVersion."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RuntimeFeatures:
    """What this runtime can do here, so that the kubelet can say so in its node's status.

    `limits` holds one sentence per thing that is missing ("pods share the host's network: …"); empty when
    everything is there.
    """

    pod_network: bool  # each pod has its own network namespace
    mounts: bool  # volumes can be mounted
    process_namespace: bool
    run_as_user: bool  # any user id can be asked for
    limits: tuple[str, ...] = ()


# --- streams -------------------------------------------------------------------------------------------------------


class ExecSession(Protocol):
    """A command running in a container, or an attachment to the container's own process.

    Not safe for concurrent use of one method; different methods may run at the same time.  Leave it with
    `aclose()`: that closes our ends of the streams (a terminal's processes get SIGHUP, others see EOF); an
    attached container goes on running.
    """

    async def read_stdout(self) -> bytes:
        """The next bytes, as soon as there are any; `b""` at the end.  A tty's whole output comes here."""
        ...

    async def read_stderr(self) -> bytes:
        """As `read_stdout`; at once `b""` with a tty."""
        ...

    async def write_stdin(self, data: bytes) -> None:
        """Returns when the bytes are in the pipe; silently drops them when nobody reads any more."""
        ...

    async def close_stdin(self) -> None:
        """The command sees end of file (a tty gets its EOF character)."""
        ...

    async def resize(self, width: int, height: int) -> None:
        """Columns and rows of the terminal; nothing happens without a tty."""
        ...

    async def wait(self) -> int:
        """The exit code (128 + signal) when the command, or the attached container, has ended."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    stdout: bytes
    stderr: bytes


# --- the runtime ---------------------------------------------------------------------------------------------------


class Runtime(Protocol):
    """See the module's docstring for what holds for every method."""

    @property
    def version(self) -> RuntimeVersion: ...

    @property
    def features(self) -> RuntimeFeatures:
        """Known after `start()`."""
        ...

    async def start(self) -> None:
        """Find what an earlier kubelet left and be ready.  Raises RuntimeFailure when that cannot be."""
        ...

    async def close(self) -> None:
        """Let go of everything and leave all containers running."""
        ...

    async def update_pod_cidr(self, pod_cidr: str) -> None:
        """The node's range of pod addresses ("10.244.1.0/24", from --pod-cidr or node.spec.podCIDR).  Until it is
        known, sandboxes without host_network fail.  Telling it again is fine; changing it is not."""
        ...

    async def pull_image(self, image: str, *, command: Sequence[str], always: bool = False) -> Image:
        """Make the image available, to be run with `command` (what the pod says; may be empty).
        `always` asks the registry again even if the image is there.  Raises ImageCannotRun."""
        ...

    async def image_status(self, image: str) -> Image | None:
        """The image when it is already here (for imagePullPolicy IfNotPresent and Never)."""
        ...

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        """Make the pod's namespaces and network.  Raises SandboxFailed, having undone what was done."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill all its containers and give back its network; its state becomes NOT_READY."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Stop it, remove its containers, forget it.  Log files stay: they are the kubelet's."""
        ...

    async def list_sandboxes(self) -> list[Sandbox]: ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Prepare a container; nothing runs yet.  Returns its id.  Raises NoSuchObject, CreateContainerFailed."""
        ...

    async def start_container(self, container_id: str) -> None:
        """Returns once the command itself runs (its exec succeeded).  Raises StartContainerFailed, NoSuchObject."""
        ...

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Send the stop signal, after `grace` seconds kill the whole tree; returns when all of it is gone.
        A grace of 0 kills at once."""
        ...

    async def signal_container(self, container_id: str, signal: int) -> None:
        """Send a signal to the container's main process.  Raises NotRunning, NoSuchObject."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Kill it if it runs; its processes, mounts and writable layer are gone.  The log file stays."""
        ...

    async def list_containers(self) -> list[ContainerStatus]:
        """All of them, the exited ones too, in order of creation."""
        ...

    async def container_status(self, container_id: str) -> ContainerStatus:
        """Raises NoSuchObject."""
        ...

    async def container_stats(self) -> list[ContainerStats]:
        """Of every running container."""
        ...

    def events(self) -> AsyncIterator[ContainerEvent]:
        """From now on, until closed.  Several listeners each get every event; subscribed as soon as called."""
        ...

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> ExecSession:
        """Run a command in the container's namespaces with its environment, directory and user.
        Raises ExecFailed, NotRunning, NoSuchObject."""
        ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run a command to its end (probes, hooks), at most `timeout` seconds (0 = no limit).  Output beyond
        16 MiB is cut.  Raises ExecTimeout, ExecFailed, NotRunning, NoSuchObject."""
        ...

    async def attach(self, container_id: str, *, stdin: bool = False) -> ExecSession:
        """The container's own output from now on, and its stdin.  Raises NotRunning, NoSuchObject."""
        ...

    async def port_forward(self, sandbox_id: str, port: int) -> socket.socket:
        """A new non-blocking socket, connected to that TCP port inside the pod (of its loopback address, as
        `kubectl port-forward` promises).  Raises NoSuchObject, and OSError when nobody listens."""
        ...
