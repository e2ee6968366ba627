"""The process runtime: sandboxes and containers as records on disk, shims and a pod network."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from api.clock import Clock, SystemClock
from kubelet.network.loopback import LoopbackNetwork
from kubelet.network.pod_network import NetworkFailure, PodAddress, PodNetwork
from kubelet.runtime.event_stream import EventHub, EventStream
from kubelet.runtime.process import process_tree, records
from kubelet.runtime.process.commands import Commands
from kubelet.runtime.process.container_spec import HostAbilities, build_spec, check_runnable
from kubelet.runtime.process.records import ContainerRecord, SandboxRecord
from kubelet.runtime.process.shim_client import ShimConnection
from kubelet.runtime.process.zygote_client import Zygote
from kubelet.runtime.protocol import (
    ContainerConfig,
    ContainerEvent,
    ContainerEventType,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    CreateContainerFailed,
    ExecResult,
    ExecSession,
    Image,
    NoSuchObject,
    NotRunning,
    RuntimeFailure,
    RuntimeFeatures,
    RuntimeVersion,
    Sandbox,
    SandboxConfig,
    SandboxFailed,
    SandboxState,
    StartContainerFailed,
)

_VERSION = "0.1.0"


class ProcessRuntime:
    """A `Runtime` whose containers are processes of this machine.

    `state_dir` belongs to one runtime at a time.  `pod_cidr` may be told later (update_pod_cidr); pods of
    `cluster_cidr` are reached under their own addresses.  `network` defaults to the best this user may have.
    `hidden` are directories of the host that containers see empty (the cluster's own data).  `abilities` overrides
    what is found by trying.
    """

    def __init__(
        self,
        state_dir: Path,
        pod_cidr: str = "",
        *,
        cluster_cidr: str = "",
        network: PodNetwork | None = None,
        clock: Clock | None = None,
        hidden: Sequence[Path] = (),
        abilities: HostAbilities | None = None,
    ) -> None:
        self._state_dir = state_dir.absolute()
        self._clock = clock or SystemClock()
        self._hidden = [str(path.absolute()) for path in (*hidden, self._state_dir)]
        self._abilities = abilities
        self._network = network
        self._pod_cidr = pod_cidr
        self._cluster_cidr = cluster_cidr
        self._network_range = ""
        self._network_lock = asyncio.Lock()
        self._zygote = Zygote()
        self._sandboxes: dict[str, SandboxRecord] = {}
        self._containers: dict[str, ContainerRecord] = {}
        self._shims: dict[str, ShimConnection] = {}
        self._ends: dict[str, asyncio.Future[int]] = {}
        self._events = EventHub()
        self._commands = Commands(self._clock)

    # --- the runtime itself ---

    @property
    def version(self) -> RuntimeVersion:
        return RuntimeVersion("process", _VERSION)

    @property
    def abilities(self) -> HostAbilities:
        if self._abilities is None:
            raise RuntimeFailure("the runtime has not been started")
        return self._abilities

    @property
    def features(self) -> RuntimeFeatures:
        host, network = self.abilities, self._network
        assert network is not None
        limits = [network.limit] if network.limit else []
        if not host.mounts:
            limits.append("volumes cannot be mounted: the kubelet is not root and may not make user namespaces")
        if not host.process_namespace:
            limits.append("containers see the host's processes: process namespaces are not available")
        return RuntimeFeatures(
            pod_network=network.isolated,
            mounts=host.mounts,
            process_namespace=host.process_namespace,
            run_as_user=host.root or host.user_namespace,
            limits=tuple(limits),
        )

    async def start(self) -> None:
        for name in ("sandboxes", "containers"):
            (self._state_dir / name).mkdir(parents=True, exist_ok=True, mode=0o711)
        self._zygote.start()
        self._sandboxes = records.load_sandboxes(self._state_dir)
        self._containers = records.load_containers(self._state_dir)
        for record in self._containers.values():
            if self._adopt(record) and record.status.state is ContainerState.CREATED:
                # The last kubelet died while this one was being started.
                await self._shims[record.id].settled.wait()
                self._refresh(record, alive=record.id in self._shims)
        if self._abilities is None:
            self._abilities = await self._probe()
        if self._network is None:
            self._network = self._default_network()
        await self.update_pod_cidr(self._pod_cidr)

    def _default_network(self) -> PodNetwork:
        if not self.abilities.network_namespace:
            return LoopbackNetwork()
        from kubelet.network.routed import RoutedNetwork

        return RoutedNetwork(str(self._state_dir), self._cluster_cidr)

    async def _probe(self) -> HostAbilities:
        directory = self._state_dir / "probe"
        directory.mkdir(exist_ok=True)
        found = await self._zygote.ask("probe", directory)
        records.remove_tree(directory)
        return HostAbilities(
            root=os.geteuid() == 0,
            user_namespace=found["user"],
            mounts=found["mount"],
            process_namespace=found["pid"],
            network_namespace=found["net"],
        )

    async def close(self) -> None:
        self._events.close()
        for shim in list(self._shims.values()):
            shim.close()
        self._shims.clear()
        if self._network is not None:
            await self._network.close()
        await asyncio.to_thread(self._zygote.close)

    async def cleanup(self) -> None:
        """Stop and remove all there is, the network's traces on the host included (for `reset`)."""
        await asyncio.gather(*(self.remove_sandbox(sandbox_id) for sandbox_id in list(self._sandboxes)))
        if self._network is not None:
            await self._network.cleanup()

    async def update_pod_cidr(self, pod_cidr: str) -> None:
        async with self._network_lock:
            if pod_cidr == self._network_range or not pod_cidr:
                return
            assert self._network is not None
            existing = {
                record.sandbox.id: PodAddress(record.sandbox.ips[0], record.network_namespace)
                for record in self._sandboxes.values()
                if record.sandbox.ips
            }
            try:
                lost = await self._network.start(pod_cidr, existing)
            except NetworkFailure as error:
                raise RuntimeFailure(str(error)) from error
            for sandbox_id in lost:
                self._give_up(self._sandboxes[sandbox_id])
            self._network_range = pod_cidr

    # --- images ---

    async def pull_image(self, image: str, *, command: Sequence[str], always: bool = False) -> Image:
        check_runnable(image, command)
        return Image(id=f"host/{image}", name=image)

    async def image_status(self, image: str) -> Image | None:
        return Image(id=f"host/{image}", name=image)

    # --- sandboxes ---

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        assert self._network is not None
        sandbox_id = secrets.token_hex(32)
        address = None
        if not config.host_network:
            try:
                address = await self._network.add(sandbox_id)
            except NetworkFailure as error:
                raise SandboxFailed(str(error)) from error
        sandbox = Sandbox(
            id=sandbox_id,
            config=config,
            state=SandboxState.READY,
            created_at=self._clock.now(),
            ips=(address.ip,) if address else (),
        )
        record = SandboxRecord(sandbox, address.namespace if address else "")
        records.save_sandbox(self._state_dir, record)
        self._sandboxes[sandbox_id] = record
        return sandbox

    async def stop_sandbox(self, sandbox_id: str) -> None:
        record = self._sandboxes.get(sandbox_id)
        if record is None:
            return
        await asyncio.gather(*(self.stop_container(c.id, 0) for c in self._of_sandbox(sandbox_id)))
        if record.sandbox.state is SandboxState.READY:
            if record.sandbox.ips and self._network is not None:
                await self._network.remove(sandbox_id, PodAddress(record.sandbox.ips[0], record.network_namespace))
            self._give_up(record)

    def _give_up(self, record: SandboxRecord) -> None:
        record.sandbox = replace(record.sandbox, state=SandboxState.NOT_READY, ips=())
        record.network_namespace = ""
        records.save_sandbox(self._state_dir, record)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        await asyncio.gather(*(self.remove_container(c.id) for c in self._of_sandbox(sandbox_id)))
        records.forget_sandbox(self._state_dir, sandbox_id)
        self._sandboxes.pop(sandbox_id, None)

    async def list_sandboxes(self) -> list[Sandbox]:
        return sorted((record.sandbox for record in self._sandboxes.values()), key=lambda s: s.created_at)

    def _of_sandbox(self, sandbox_id: str) -> list[ContainerRecord]:
        return [record for record in self._containers.values() if record.status.sandbox_id == sandbox_id]

    # --- containers ---

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.sandbox.state is not SandboxState.READY:
            raise NoSuchObject(f"sandbox {sandbox_id} is not running")
        spec = build_spec(config, sandbox.sandbox.config, sandbox.network_namespace, self.abilities, self._hidden)
        container_id = secrets.token_hex(32)
        directory = self._state_dir / "containers" / container_id
        status = ContainerStatus(
            id=container_id,
            sandbox_id=sandbox_id,
            pod_uid=sandbox.sandbox.config.pod_uid,
            config=config,
            state=ContainerState.CREATED,
            created_at=self._clock.now(),
        )
        try:
            directory.mkdir(mode=0o711)
            records.save_container(status, directory, spec)
        except OSError as error:
            raise CreateContainerFailed(f"cannot write the container's state: {error}") from error
        self._containers[container_id] = ContainerRecord(status, directory)
        return container_id

    async def start_container(self, container_id: str) -> None:
        record = self._record(container_id)
        if record.status.state is not ContainerState.CREATED:
            raise StartContainerFailed(f"container {container_id} has been started before")
        try:
            error = (await self._zygote.ask("start", record.directory))["error"]
        except RuntimeFailure as failure:
            error = failure.message
        running = self._adopt(record)
        if error and running:  # it is about to leave, or is one that an earlier kubelet asked for: as good as ours
            await self._shims[container_id].settled.wait()
            running = container_id in self._shims
        if error and not running:
            self._fail_start(record, error)
        self._publish(ContainerEventType.STARTED, record)
        if not running:  # over before we could look
            self._publish(ContainerEventType.EXITED, record)

    def _fail_start(self, record: ContainerRecord, message: str) -> None:
        records.write_end(
            record.directory, finished_at=self._clock.now(), code=128, reason="StartError", message=message
        )
        record.status = records.read_state(record.status, record.directory)
        self._publish(ContainerEventType.EXITED, record)
        raise StartContainerFailed(message)

    def _adopt(self, record: ContainerRecord) -> bool:
        """Connect to the shim of a container that may be running (True), or find out how it ended."""
        shim = ShimConnection.open(record.directory, lambda: self._shim_ended(record.id))
        if shim is not None:
            self._shims[record.id] = shim
            record.shim_pid = shim.pid
            self._ends[record.id] = asyncio.get_running_loop().create_future()
        self._refresh(record, alive=shim is not None)
        return shim is not None

    def _refresh(self, record: ContainerRecord, *, alive: bool) -> None:
        record.status = records.read_state(record.status, record.directory)
        if record.status.state is ContainerState.RUNNING and not alive:
            self._bury(record)

    def _bury(self, record: ContainerRecord) -> None:
        """The shim is gone without having written the end: somebody killed it, or the machine went down."""
        started = records.read_raw_state(record.directory).get("start_time", 0)
        if record.status.pid and process_tree.start_time(record.status.pid) in (0, started):
            for pid in process_tree.session_members(record.status.pid, started):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        records.write_end(
            record.directory,
            finished_at=self._clock.now(),
            code=137,
            reason="ContainerStatusUnknown",
            message="the container ended without anyone to see how",
        )
        record.status = records.read_state(record.status, record.directory)

    def _shim_ended(self, container_id: str) -> None:
        self._shims.pop(container_id, None)
        record = self._containers.get(container_id)
        if record is not None:
            with contextlib.suppress(ChildProcessError):  # ours to reap only where the kubelet is process 1
                if os.waitpid(record.shim_pid, os.WNOHANG) == (0, 0):
                    asyncio.get_running_loop().run_in_executor(None, os.waitpid, record.shim_pid, 0)
            self._refresh(record, alive=False)
            self._publish(ContainerEventType.EXITED, record)
        end = self._ends.pop(container_id, None)
        if end is not None and not end.done():
            end.set_result(record.status.exit_code if record is not None else 137)

    async def stop_container(self, container_id: str, grace: float) -> None:
        record, shim = self._containers.get(container_id), self._shims.get(container_id)
        if record is None or shim is None:
            return
        end = self._ends[container_id]
        with contextlib.suppress(NotRunning, ProcessLookupError):
            if grace > 0:
                shim.signal(signal.Signals[record.status.config.stop_signal or "SIGTERM"])
                if await self._commands.within(grace, end):
                    return
            shim.kill()
            if await self._commands.within(10, end):
                return
            os.kill(shim.pid, signal.SIGKILL)  # it does not answer; its end is noticed like any other
        await asyncio.shield(end)

    async def signal_container(self, container_id: str, signal: int) -> None:
        self._record(container_id)
        self._shim(container_id).signal(signal)

    async def remove_container(self, container_id: str) -> None:
        await self.stop_container(container_id, 0)
        record = self._containers.get(container_id)
        if record is None:
            return
        await asyncio.to_thread(records.remove_tree, record.directory)
        if self._containers.pop(container_id, None) is not None:
            self._events.publish(ContainerEvent(ContainerEventType.REMOVED, record.status.pod_uid, container_id))

    async def list_containers(self) -> list[ContainerStatus]:
        return [record.status for record in self._containers.values()]

    async def container_status(self, container_id: str) -> ContainerStatus:
        return self._record(container_id).status

    async def container_stats(self) -> list[ContainerStats]:
        return [
            ContainerStats(container_id, *process_tree.usage(shim.pid)) for container_id, shim in self._shims.items()
        ]

    def _record(self, container_id: str) -> ContainerRecord:
        record = self._containers.get(container_id)
        if record is None:
            raise NoSuchObject(f"there is no container {container_id}")
        return record

    def _shim(self, container_id: str) -> ShimConnection:
        shim = self._shims.get(container_id)
        if shim is None:
            self._record(container_id)
            raise NotRunning(f"container {container_id} is not running")
        return shim

    # --- events ---

    def events(self) -> EventStream:
        return self._events.subscribe()

    def _publish(self, kind: ContainerEventType, record: ContainerRecord) -> None:
        self._events.publish(ContainerEvent(kind, record.status.pod_uid, record.id, record.status))

    # --- commands in containers ---

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> ExecSession:
        session, _ = await self._commands.open(self._shim(container_id), command, tty=tty, stdin=stdin)
        return session

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        return await self._commands.run(self._shim(container_id), command, timeout)

    async def attach(self, container_id: str, *, stdin: bool = False) -> ExecSession:
        record = self._record(container_id)
        shim = self._shim(container_id)
        return await self._commands.attach(shim, record.status.config, self._ends[container_id], stdin=stdin)

    async def port_forward(self, sandbox_id: str, port: int) -> socket.socket:
        record = self._sandboxes.get(sandbox_id)
        if record is None or record.sandbox.state is not SandboxState.READY:
            raise NoSuchObject(f"sandbox {sandbox_id} is not running")
        # localhost first where it is the pod's own; a server may have bound to its pod's address only.
        addresses = ["127.0.0.1", *record.sandbox.ips]
        if not record.network_namespace:
            addresses.reverse()
        for address in addresses[:-1]:
            with contextlib.suppress(ConnectionRefusedError):
                return await _connected(record.network_namespace, address, port)
        return await _connected(record.network_namespace, addresses[-1], port)


async def _connected(network_namespace: str, host: str, port: int) -> socket.socket:
    if network_namespace:
        from kubelet.network.namespace import socket_in

        connection = await asyncio.to_thread(socket_in, network_namespace)
    else:
        connection = socket.socket()
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    return connection
