"""The `sim` runtime: pretend pods, thousands in one process, for tests of scale and of controllers.

Nothing runs: a container starts at once, keeps "running" until it is stopped, and uses no more than the few
objects that describe it.  What a container does can be asked for with annotations on its pod:

- `sim.nanokube.io/run-seconds`: it ends by itself after so many seconds,
- `sim.nanokube.io/exit-code`: with this exit code (0 when not given),
- `sim.nanokube.io/start-error`: it cannot be started, with this message,
- `sim.nanokube.io/cpu`, `sim.nanokube.io/memory`: it uses so much ("250m", "64Mi") all the time.

Pretended containers live in the kubelet's memory; a restarted kubelet takes them over from the pods' status
(`adopt`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from api.clock import Clock
from api.core_v1 import Pod
from api.quantity import milli, whole
from kubelet.annotations import IMAGE_ID
from kubelet.runtime.protocol import (
    ContainerConfig,
    ContainerEvent,
    ContainerEventType,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    ExecFailed,
    ExecResult,
    ExecSession,
    Image,
    NoSuchObject,
    NotRunning,
    RuntimeFeatures,
    RuntimeVersion,
    Sandbox,
    SandboxConfig,
    SandboxFailed,
    SandboxState,
    StartContainerFailed,
)
from kubelet.timers import Timers

PREFIX = "sim.nanokube.io/"
RUN_SECONDS, EXIT_CODE, START_ERROR = PREFIX + "run-seconds", PREFIX + "exit-code", PREFIX + "start-error"
CPU, MEMORY = PREFIX + "cpu", PREFIX + "memory"
_NOTHING_RUNS = "the sim runtime only pretends to run containers: there is nothing to execute in"


class SimRuntime:
    """One node's pretended containers.  See `kubelet.runtime.protocol` for what the methods promise."""

    def __init__(self, clock: Clock, timers: Timers, pod_cidr: str, log_path: str = "") -> None:
        """`pod_cidr` is where pod addresses come from, each used by one sandbox at a time; adopted
        containers get `log_path` as their log."""
        self._clock, self._timers = clock, timers
        self._network = ipaddress.ip_network(pod_cidr)
        self._next_host = itertools.cycle(range(2, max(3, self._network.num_addresses - 1)))
        self._taken: set[str] = set()
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, ContainerStatus] = {}
        self._members: dict[str, list[str]] = {}
        self._listeners: list[asyncio.Queue[ContainerEvent]] = []
        self._ids = itertools.count(1)
        self._epoch = secrets.token_hex(4)
        self._log_path = log_path

    @property
    def version(self) -> RuntimeVersion:
        return RuntimeVersion("sim", "0.1.0")

    @property
    def features(self) -> RuntimeFeatures:
        limits = ("pods are pretended by the sim runtime: no process runs",)
        return RuntimeFeatures(pod_network=True, mounts=True, process_namespace=True, run_as_user=True, limits=limits)

    async def start(self) -> None:
        """Nothing to find: see `adopt`."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def update_pod_cidr(self, pod_cidr: str) -> None:
        """Known from the start."""

    def adopt(self, pod: Pod) -> tuple[list[Sandbox], list[ContainerStatus]]:
        """Take over a pod that an earlier kubelet left running, as its status describes it; nothing for others."""
        status, meta = pod.status, pod.metadata
        if not any(s.state.running for s in status.containerStatuses):
            return [], []
        config = SandboxConfig(meta.uid, meta.name, meta.namespace, meta.name, annotations=meta.annotations)
        now = status.startTime or self._clock.now()
        ips = (status.podIP,) if status.podIP and not pod.spec.hostNetwork else ()
        sandbox = Sandbox(self._new_id(), config, SandboxState.READY, now, ips)
        self._taken.update(ips)
        self._add_sandbox(sandbox)
        for known in [*status.initContainerStatuses, *status.containerStatuses]:
            running, ended = known.state.running, known.state.terminated
            if running is None and ended is None:
                continue
            run = ContainerStatus(
                id=known.containerID.partition("://")[2] or self._new_id(),
                sandbox_id=sandbox.id,
                pod_uid=meta.uid,
                config=ContainerConfig(
                    known.name,
                    known.image,
                    (),
                    attempt=known.restartCount,
                    log_path=self._log_path,
                    annotations={IMAGE_ID: known.imageID},
                ),
                state=ContainerState.RUNNING if running else ContainerState.EXITED,
                created_at=now,
                started_at=running.startedAt if running else ended.startedAt if ended else now,
                finished_at=ended.finishedAt if ended else None,
                exit_code=ended.exitCode if ended else 0,
                reason=ended.reason if ended else "",
            )
            self._add_container(run)
            if running:
                self._schedule_end(run, sandbox)
        return [sandbox], [self._containers[run_id] for run_id in self._members[sandbox.id]]

    # --- images ----------------------------------------------------------------------------------

    async def pull_image(self, image: str, *, command: Sequence[str], always: bool = False) -> Image:
        return Image(f"sim://{image}", image)

    async def image_status(self, image: str) -> Image | None:
        return Image(f"sim://{image}", image)

    # --- sandboxes -------------------------------------------------------------------------------

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        ips = () if config.host_network else (self._address(),)
        sandbox = Sandbox(self._new_id(), config, SandboxState.READY, self._clock.now(), ips)
        self._add_sandbox(sandbox)
        return sandbox

    def _add_sandbox(self, sandbox: Sandbox) -> None:
        self._sandboxes[sandbox.id] = sandbox
        self._members[sandbox.id] = []

    def _address(self) -> str:
        for _ in range(self._network.num_addresses):
            address = str(self._network[next(self._next_host)])
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise SandboxFailed(f"no address is left in {self._network}")

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.state != SandboxState.READY:
            return
        for container_id in self._members[sandbox_id]:
            self._end(container_id, 137, 9)
        self._taken.difference_update(sandbox.ips)
        self._sandboxes[sandbox_id] = replace(sandbox, state=SandboxState.NOT_READY)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        for container_id in self._members.pop(sandbox_id, ()):
            self._containers.pop(container_id, None)
        self._sandboxes.pop(sandbox_id, None)

    async def list_sandboxes(self) -> list[Sandbox]:
        return [*self._sandboxes.values()]

    # --- containers ------------------------------------------------------------------------------

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            raise NoSuchObject(f"no sandbox {sandbox_id}")
        run = ContainerStatus(
            id=self._new_id(),
            sandbox_id=sandbox_id,
            pod_uid=sandbox.config.pod_uid,
            config=config,
            state=ContainerState.CREATED,
            created_at=self._clock.now(),
        )
        self._add_container(run)
        return run.id

    def _add_container(self, run: ContainerStatus) -> None:
        self._containers[run.id] = run
        self._members[run.sandbox_id].append(run.id)

    async def start_container(self, container_id: str) -> None:
        run = self._get(container_id)
        sandbox = self._sandboxes[run.sandbox_id]
        now = self._clock.now()
        error = sandbox.config.annotations.get(START_ERROR)
        if error is not None:
            self._containers[container_id] = replace(
                run,
                state=ContainerState.EXITED,
                started_at=now,
                finished_at=now,
                exit_code=128,
                reason="StartError",
                message=error,
            )
            raise StartContainerFailed(error)
        run = self._containers[container_id] = replace(run, state=ContainerState.RUNNING, started_at=now)
        self._emit(ContainerEventType.STARTED, run)
        self._schedule_end(run, sandbox)

    def _schedule_end(self, run: ContainerStatus, sandbox: Sandbox) -> None:
        seconds = sandbox.config.annotations.get(RUN_SECONDS)
        if seconds is None:
            return
        code = int(sandbox.config.annotations.get(EXIT_CODE, "0"))
        begun: datetime = run.started_at or self._clock.now()
        left = float(seconds) - (self._clock.now() - begun).total_seconds()
        self._timers.call_after(left, lambda: self._end(run.id, code))

    def _end(self, container_id: str, code: int, signal: int = 0) -> None:
        run = self._containers.get(container_id)
        if run is None or run.state != ContainerState.RUNNING:
            return
        run = self._containers[container_id] = replace(
            run,
            state=ContainerState.EXITED,
            finished_at=self._clock.now(),
            exit_code=code,
            signal=signal,
            reason="Error" if code else "Completed",
        )
        self._emit(ContainerEventType.EXITED, run)

    async def stop_container(self, container_id: str, grace: float) -> None:
        """A pretended process obeys the stop signal at once and well."""
        self._end(container_id, 0 if grace > 0 else 137, 0 if grace > 0 else 9)

    async def signal_container(self, container_id: str, signal: int) -> None:
        if self._get(container_id).state != ContainerState.RUNNING:
            raise NotRunning(f"container {container_id} is not running")
        if signal in (9, 15):
            self._end(container_id, 128 + signal, signal)

    async def remove_container(self, container_id: str) -> None:
        run = self._containers.pop(container_id, None)
        if run is not None and run.sandbox_id in self._members:
            self._members[run.sandbox_id].remove(container_id)

    async def list_containers(self) -> list[ContainerStatus]:
        return [*self._containers.values()]

    async def container_status(self, container_id: str) -> ContainerStatus:
        return self._get(container_id)

    async def container_stats(self) -> list[ContainerStats]:
        now = self._clock.now()
        return [self._stats(run, now) for run in self._containers.values() if run.state == ContainerState.RUNNING]

    def _stats(self, run: ContainerStatus, now: datetime) -> ContainerStats:
        annotations = self._sandboxes[run.sandbox_id].config.annotations
        seconds = (now - (run.started_at or now)).total_seconds()
        cpu = int(milli(annotations.get(CPU, "0")) * seconds * 1_000_000)
        return ContainerStats(run.id, cpu, whole(annotations.get(MEMORY, "0")))

    def _get(self, container_id: str) -> ContainerStatus:
        run = self._containers.get(container_id)
        if run is None:
            raise NoSuchObject(f"no container {container_id}")
        return run

    # --- events and streams ----------------------------------------------------------------------

    def events(self) -> AsyncIterator[ContainerEvent]:
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self._listeners.append(queue)
        return self._listen(queue)

    async def _listen(self, queue: asyncio.Queue[ContainerEvent]) -> AsyncIterator[ContainerEvent]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    def _emit(self, kind: ContainerEventType, run: ContainerStatus) -> None:
        for queue in self._listeners:
            queue.put_nowait(ContainerEvent(kind, run.pod_uid, run.id, run))

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> ExecSession:
        raise ExecFailed(_NOTHING_RUNS)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Probes and hooks of pretended containers succeed."""
        return ExecResult(0, b"", b"")

    async def attach(self, container_id: str, *, stdin: bool = False) -> ExecSession:
        raise NotRunning(_NOTHING_RUNS)

    async def port_forward(self, sandbox_id: str, port: int) -> socket.socket:
        raise NoSuchObject("the sim runtime only pretends to run containers: no port is open")

    def _new_id(self) -> str:
        return f"{self._epoch}{next(self._ids):08x}"
