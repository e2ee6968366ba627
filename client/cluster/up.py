"""`nanokube up`: from a folder, new or used, to a running cluster."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from api.clock import Clock, SystemClock
from client.cluster.address_ranges import Claim, claim_again, claim_free
from client.cluster.components import Component, components_of, node_names
from client.cluster.data_dir import DataDir, RunState, Settings
from client.cluster.errors import ClusterError
from client.cluster.orphans import end_orphans
from client.cluster.ports import KubeletPorts, port_is_free
from client.cluster.report import Console, Pipe, Report, relay
from client.cluster.supervisor import Supervisor

RUNTIMES = ("process", "sim")
REPLACEABLE = ("controller-manager", "scheduler", "kubelet", "proxy")
MOST_NODES = 5000
SHARED = (
    "api.scheme",
    "client.component",
    "client.controller",
    "client.events",
    "client.informer",
    "client.rest",
    "client.cluster.readiness",
    "encodings.idna",  # for the first TLS connection
    "yaml",
)
_LOG_LIMIT = 10 * 2**20


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None: as at the cluster's last start, or the default."""

    data_dir: Path
    nodes: int | None = None
    runtime: str | None = None
    port: int | None = None
    bind_address: str | None = None
    token_auth_file: Path | None = None
    cloud_provider: str | None = None
    timeout: float = 60.0
    component_flags: tuple[tuple[str, str], ...] = ()
    """Further flags as (component, flag), for experiments; not kept for the next start."""
    without: frozenset[str] = frozenset()
    """Components that others stand in for this time, by the names in `REPLACEABLE`."""


def wait_for_nodes(kubeconfig: Path, nodes: list[str], accounts: bool, report: int) -> Callable[[], int]:
    """See `client.cluster.readiness.wait_body`."""
    from client.cluster.readiness import wait_body

    return wait_body(kubeconfig, nodes, accounts, report)


def import_shared() -> None:
    """Import what most components need, before they are forked: once in time and once in memory."""
    for module in SHARED:
        importlib.import_module(module)
    with contextlib.suppress(ImportError):  # as everywhere, it need not be there
        importlib.import_module("uvloop")


@dataclass(frozen=True)
class Parts:
    """What a cluster consists of.  Tests put others in their place."""

    plan: Callable[[DataDir, Settings], list[Component]] = components_of
    wait: Callable[[Path, list[str], bool, int], Callable[[], int]] = wait_for_nodes
    preload: Callable[[], None] = import_shared


def up(wishes: Wishes, *, detach: bool, parts: Parts | None = None) -> int:
    """Start a cluster; returns the exit code.  In the foreground it returns when the cluster has ended."""
    clock = SystemClock()
    parts = parts or Parts()
    if not detach:
        return _launch(wishes, Console(), clock, parts, detached=False)
    receiving, sending = os.pipe()
    sys.stdout.flush()
    if os.fork():
        os.close(sending)
        return relay(receiving, Console())
    os.close(receiving)
    os.setsid()
    report = Pipe(sending)
    code = 1
    try:
        code = _launch(wishes, report, clock, parts, detached=True)
    except Exception as error:
        traceback.print_exc()
        report.failed(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _launch(wishes: Wishes, report: Report, clock: Clock, parts: Parts, *, detached: bool) -> int:
    began = clock.monotonic()
    data = DataDir(wishes.data_dir)
    try:
        settings, claim = prepare(wishes, data, clock)
    except ClusterError as error:
        report.failed(str(error))
        data.unlock()
        return 1
    if detached:
        _detach_output(data.log("launcher"))
    nodes = [] if "kubelet" in wishes.without else node_names(settings.nodes)
    report.progress(f"{len(nodes)} node{'s' * (len(nodes) != 1)}, {settings.runtime} runtime, data in {data.root}")

    def log(line: str) -> None:
        print(f"{clock.now():%Y-%m-%dT%H:%M:%S.%fZ} launcher: {line}", file=sys.stderr, flush=True)

    def on_ready(_: float) -> None:
        seconds = clock.monotonic() - began
        log(f"the cluster is up after {seconds:.2f} s")
        report.ready(_summary(data, seconds, detached))

    ports = KubeletPorts()
    planned = without(parts.plan(data, settings), wishes.without)
    supervisor = Supervisor(
        data,
        with_flags(with_ports(planned, ports), wishes.component_flags),
        report,
        clock,
        wait=partial(parts.wait, data.kubeconfig, nodes, "controller-manager" not in wishes.without),
        preload=parts.preload,
        timeout=wishes.timeout,
        log=log,
    )
    try:
        return supervisor.run(on_ready)
    except ClusterError as error:
        log(str(error))
        if not (data.root / "pki").exists():  # the API server refused the folder: it is not a cluster's
            data.settings.unlink(missing_ok=True)
        report.failed(str(error))
        return 1
    finally:
        ports.close()
        claim.close()
        data.unlock()


def prepare(wishes: Wishes, data: DataDir, clock: Clock) -> tuple[Settings, Claim]:
    """Take the folder and decide everything a start needs.  Raises ClusterError."""
    if wishes.token_auth_file is not None and not os.access(wishes.token_auth_file, os.R_OK):
        raise ClusterError(f"the token file {wishes.token_auth_file} cannot be read")
    data.create()
    data.lock()
    left = RunState.load(data.run_state)
    if left is not None:  # its launcher was killed: the components were told to end by the kernel
        end_orphans(left, clock)
    settings = Settings.load(data.settings) or Settings()
    token_file = None if wishes.token_auth_file is None else str(wishes.token_auth_file.absolute())
    settings = replace(
        settings,
        nodes=settings.nodes if wishes.nodes is None else wishes.nodes,
        runtime=wishes.runtime or settings.runtime,
        port=wishes.port or settings.port,
        bind_address=wishes.bind_address or settings.bind_address,
        token_auth_file=token_file or settings.token_auth_file,
        cloud_provider=settings.cloud_provider if wishes.cloud_provider is None else wishes.cloud_provider,
    )
    if settings.runtime not in RUNTIMES:
        raise ClusterError(f"there is no runtime {settings.runtime!r}: choose one of {', '.join(RUNTIMES)}")
    if not 0 <= settings.nodes <= MOST_NODES:
        raise ClusterError(f"{settings.nodes} nodes are not possible: choose 0 to {MOST_NODES}")
    if not port_is_free(settings.bind_address, settings.port):
        raise ClusterError(
            f"port {settings.port} on {settings.bind_address} is taken or not allowed: choose another with --port"
        )
    privileged = os.geteuid() == 0
    if settings.pod_range:
        claim = claim_again(settings.pod_range, settings.service_range, privileged)
    else:
        claim = claim_free(privileged, str(data.root))
        settings = replace(settings, pod_range=str(claim.pods), service_range=str(claim.services))
    try:
        settings.save(data.settings)
        for log in data.logs.glob("*.log"):
            if log.stat().st_size > _LOG_LIMIT:
                log.replace(log.with_suffix(".log.1"))
    except OSError as error:
        raise ClusterError(f"the data folder {data.root} cannot be written: {error.strerror}") from error
    return settings, claim


def without(components: list[Component], names: Collection[str]) -> list[Component]:
    """The components but those of these names; "kubelet" means every node's."""
    return [component for component in components if component.name not in names and component.module not in names]


def with_ports(components: list[Component], ports: KubeletPorts) -> list[Component]:
    """The components, those that need a port with one."""
    return [
        replace(component, arguments=[*component.arguments, "--port", str(ports.take())])
        if component.needs_port
        else component
        for component in components
    ]


def with_flags(components: list[Component], flags: Sequence[tuple[str, str]]) -> list[Component]:
    """The components with further flags; "kubelet" means every node's."""
    return [
        replace(
            component,
            arguments=[
                *component.arguments,
                *(flag for name, flag in flags if name in (component.name, component.module)),
            ],
        )
        for component in components
    ]


def _summary(data: DataDir, seconds: float, detached: bool) -> str:
    kubeconfig = data.kubeconfig
    lines = [
        f"The cluster is up after {seconds:.2f} s.",
        f"  kubeconfig: {kubeconfig}",
        f"  try:        kubectl --kubeconfig {kubeconfig} get nodes",
    ]
    lines.append(f"  end it:     nanokube down --data-dir {data.root}" if detached else "  end it:     Ctrl-C")
    return "\n".join(lines)


def _detach_output(log: Path) -> None:
    with contextlib.ExitStack() as opened:
        for path, flags, targets in (
            (os.devnull, os.O_RDONLY, (0,)),
            (str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, (1, 2)),
        ):
            handle = os.open(path, flags, 0o644)
            opened.callback(os.close, handle)
            for target in targets:
                os.dup2(handle, target)
