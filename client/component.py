"""What every component is besides its work: flags, logs, health and metrics, the end.

    async def work(component: Component) -> None: ...

    def main(argv: list[str] | None = None) -> int:
        flags = flag_parser("kube-scheduler", "places pods on nodes", leader_election=True)
        return run("kube-scheduler", flags.parse_args(argv), work)

`run` is safe in a freshly forked process: nothing here makes loops, threads or sockets before it is called.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from api.clock import Clock, SystemClock
from api.duration import parse_duration
from api.garbage import collect_seldom
from api.process_usage import usage
from client.config import ClientConfig, ConfigError, load_kubeconfig
from client.events import EventRecorder
from client.health import HealthServer
from client.leader_election import LeaderElector, LostLeadership
from client.logs import set_up_logging
from client.metrics import Registry
from client.rest import RestClient

log = logging.getLogger(__name__)

USER_AGENT = "{}/v1.36.0 (nanokube)"
_DRAIN = 8.0
"""Seconds a component may take to leave after SIGTERM."""


def duration(text: str) -> float:
    """An argparse type: seconds from a Go duration."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def boolean(text: str) -> bool:
    """An argparse type: Go's idea of a boolean."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is not true or false")


def add_boolean(parser: Any, flag: str, default: bool, help: str) -> None:
    """`--flag`, `--flag=true` and `--flag=false`."""
    parser.add_argument(flag, type=boolean, nargs="?", const=True, default=default, help=help)


def flag_parser(name: str, description: str, *, leader_election: bool = False) -> argparse.ArgumentParser:
    """A parser with the flags all components share; add the component's own to it."""
    parser = argparse.ArgumentParser(prog=name, description=description, allow_abbrev=False)
    parser.add_argument("--kubeconfig", default="", help="file that says where the API server is and who we are")
    parser.add_argument("--master", default="", help="address of the API server; overrides the kubeconfig's")
    parser.add_argument("--bind-address", default="127.0.0.1", help="address to serve health and metrics on")
    parser.add_argument("--secure-port", type=int, default=0, help="port to serve health and metrics on; 0 is off")
    parser.add_argument("--tls-cert-file", default="", help="certificate for --secure-port; plain HTTP without one")
    parser.add_argument("--tls-private-key-file", default="", help="key of --tls-cert-file")
    parser.add_argument("--logging-format", choices=("text", "json"), default="text", help="form of log lines")
    parser.add_argument("-v", "--v", type=int, default=0, metavar="LEVEL", help="verbosity; 4 and more is debugging")
    parser.add_argument("--ready-fd", type=int, default=-1, help="file descriptor that gets a byte when work begins")
    if leader_election:
        group = parser.add_argument_group("leader election")
        add_boolean(group, "--leader-elect", True, "stand by until no other replica leads")
        group.add_argument("--leader-elect-lease-duration", type=duration, default=15.0, help="default 15s")
        group.add_argument("--leader-elect-renew-deadline", type=duration, default=10.0, help="default 10s")
        group.add_argument("--leader-elect-retry-period", type=duration, default=2.0, help="default 2s")
        group.add_argument("--leader-elect-resource-namespace", default="kube-system", help="the Lease's namespace")
        group.add_argument("--leader-elect-resource-name", default=name, help="the Lease's name")
    return parser


@dataclass
class Component:
    """A running component.  `client` is closed, `events` flushed and the health server stopped when `run` ends.

    `health` holds checks for /healthz and /livez, `readiness` further ones for /readyz: callables that return
    whether all is well, by name.
    """

    name: str
    options: argparse.Namespace
    client: RestClient
    events: EventRecorder
    clock: Clock
    metrics: Registry = field(default_factory=Registry)
    health: dict[str, Callable[[], bool]] = field(default_factory=dict)
    readiness: dict[str, Callable[[], bool]] = field(default_factory=dict)
    pages: dict[str, Callable[[], str]] = field(default_factory=dict)
    """Further texts to serve, by path."""

    def ready(self) -> None:
        """Tell whoever started us (`--ready-fd`) that work has begun."""
        descriptor, self.options.ready_fd = getattr(self.options, "ready_fd", -1), -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.write(descriptor, b"1")
            with contextlib.suppress(OSError):
                os.close(descriptor)

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work`, only while leading if `--leader-elect` says so."""
        options = self.options
        if not getattr(options, "leader_elect", False):
            await work()
            return
        elector = LeaderElector(
            self.client,
            options.leader_elect_resource_namespace,
            options.leader_elect_resource_name,
            f"{socket.gethostname()}_{uuid.uuid4()}",
            self.clock,
            lease_duration=options.leader_elect_lease_duration,
            renew_deadline=options.leader_elect_renew_deadline,
            retry_period=options.leader_elect_retry_period,
            events=self.events,
        )
        self.metrics.gauge(
            "leader_election_master_status",
            "Whether this process leads.",
            ("name",),
            lambda: [((options.leader_elect_resource_name,), float(elector.leading))],
        )
        await elector.run(work)


def client_config(options: argparse.Namespace) -> ClientConfig:
    """From --kubeconfig and --master, else the pod's service account, else the user's own kubeconfig.

    Raises ConfigError.
    """
    if options.kubeconfig:
        config = load_kubeconfig(options.kubeconfig)
    elif options.master:
        return ClientConfig(options.master.rstrip("/"))
    elif os.environ.get("KUBERNETES_SERVICE_HOST"):
        config = ClientConfig.in_cluster()
    else:
        config = load_kubeconfig()
    return replace(config, server=options.master.rstrip("/")) if options.master else config


def run(
    name: str, options: argparse.Namespace, work: Callable[[Component], Awaitable[None]], *, clock: Clock | None = None
) -> int:
    """Set everything up, run `work` until it ends or SIGTERM or SIGINT comes, and clean up.  Returns the exit code."""
    set_up_logging(name, options.v, options.logging_format)
    collect_seldom()
    try:
        config = client_config(options)
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_run(name, options, config, work, clock or SystemClock()))
        except KeyboardInterrupt:
            return 130


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run(
    name: str,
    options: argparse.Namespace,
    config: ClientConfig,
    work: Callable[[Component], Awaitable[None]],
    clock: Clock,
) -> int:
    client = RestClient(config, USER_AGENT.format(name), clock=clock)
    registry = Registry(partial(usage, clock.now().timestamp()))
    component = Component(name, options, client, EventRecorder(client, name, clock), clock, registry)
    server = HealthServer(component.metrics, component.health, component.readiness, component.pages)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    if options.secure_port:
        try:
            await server.start(
                options.bind_address, options.secure_port, options.tls_cert_file, options.tls_private_key_file
            )
        except OSError as error:
            print(f"{name}: cannot serve on port {options.secure_port}: {error}", file=sys.stderr)
            return 1
    working = asyncio.ensure_future(work(component))
    leaving = asyncio.ensure_future(leave.wait())
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return 0
        log.info("leaving")
        working.cancel()
        done, _ = await asyncio.wait([working], timeout=_DRAIN)
        if not done:
            log.warning("work did not end within %g s", _DRAIN)
        elif not working.cancelled() and working.exception() is not None:
            log.error("while leaving: %s", working.exception())
        return 0
    except LostLeadership as error:
        log.error("%s", error)
        return 1
    except Exception:
        log.exception("%s cannot go on", name)
        return 1
    finally:
        leaving.cancel()
        await component.events.close()
        await server.stop()
        await client.close()
