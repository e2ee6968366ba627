"""The userspace mode: listens where services answer and relays to their endpoints.  Needs no privileges.

The service range must be part of 127.0.0.0/8, whose every address belongs to the machine already.  A port
without endpoints is not listened on, so that connections to it are refused.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.clock import Clock
from proxy.balancer import Balancer
from proxy.service_map import PortRules, ServiceMap
from proxy.tcp_relay import ClientSide, TcpRelays
from proxy.udp_relay import UdpRelays

log = logging.getLogger(__name__)

Front = tuple[str, str, int]
"""Protocol, address, port to listen on."""

Problem = Callable[[PortRules, str], None]
"""Told when a port of a service cannot be served, with a sentence for people."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An open front."""

    close: Callable[[], None]
    relays: TcpRelays | UdpRelays


class Userspace:
    """Listeners for all service ports.  `apply` opens and closes what changed; `remove` closes everything."""

    def __init__(
        self, clock: Clock, *, nodeport_addresses: Sequence[str] = (), on_problem: Problem | None = None
    ) -> None:
        self._clock = clock
        self._nodeport_addresses = tuple(nodeport_addresses) or ("0.0.0.0",)
        self._on_problem = on_problem
        self._open: dict[Front, Listening] = {}
        self._balancers: dict[Front, Balancer] = {}
        self._draining: set[TcpRelays] = set()
        self._failed: dict[Front, str] = {}

    async def apply(self, services: ServiceMap) -> bool:
        """Returns whether anything had to change."""
        wanted = dict(self._fronts(services.ports))
        changed = False
        for front in [front for front in self._open if front not in wanted]:
            self._shut(front)
            changed = True
        for front in [front for front in self._failed if front not in wanted]:
            del self._failed[front]
        for front, (rules, external) in wanted.items():
            balancer = self._balancers.setdefault(front, Balancer(self._clock))
            endpoints = rules.external if external else rules.internal
            changed = changed or balancer.endpoints != endpoints
            balancer.set(endpoints, rules.affinity_seconds)
            if front not in self._open:
                changed = await self._listen(front, rules, balancer) or changed
        return changed

    def _fronts(self, ports: Sequence[PortRules]) -> list[tuple[Front, tuple[PortRules, bool]]]:
        """Every place that has someone to serve it, and whether traffic there counts as external."""
        found: list[tuple[Front, tuple[PortRules, bool]]] = []
        for rules in ports:
            if rules.protocol not in ("TCP", "UDP"):
                continue
            if rules.internal:
                found += [((rules.protocol, ip, rules.port), (rules, False)) for ip in rules.cluster_ips]
            if rules.external:
                outside = (*rules.external_ips, *rules.load_balancer_ips)
                found += [((rules.protocol, ip, rules.port), (rules, True)) for ip in outside if _is_local(ip)]
                if rules.node_port:
                    addresses = self._nodeport_addresses
                    found += [((rules.protocol, ip, rules.node_port), (rules, True)) for ip in addresses]
        return found

    async def _listen(self, front: Front, rules: PortRules, balancer: Balancer) -> bool:
        protocol, address, port = front
        loop = asyncio.get_running_loop()
        try:
            if protocol == "TCP":
                relays = TcpRelays(balancer, rules.label)
                server = await loop.create_server(lambda: ClientSide(relays), address, port, backlog=512)
                self._open[front] = Listening(server.close, relays)
            else:
                _, udp = await loop.create_datagram_endpoint(
                    lambda: UdpRelays(balancer, self._clock), local_addr=(address, port)
                )
                self._open[front] = Listening(udp.close, udp)
        except OSError as error:
            self._complain(front, rules, why_not(address, port, error))
            return False
        self._failed.pop(front, None)
        return True

    def _complain(self, front: Front, rules: PortRules, reason: str) -> None:
        if self._failed.get(front) == reason:
            return
        self._failed[front] = reason
        log.warning("%s: cannot listen on %s:%d: %s", rules.label, front[1], front[2], reason)
        if self._on_problem is not None:
            self._on_problem(rules, f"cannot listen on {front[1]}:{front[2]}: {reason}")

    def _shut(self, front: Front) -> None:
        listening = self._open.pop(front)
        self._balancers.pop(front, None)
        listening.close()
        if isinstance(listening.relays, TcpRelays) and len(listening.relays):
            self._draining = {r for r in self._draining if len(r)} | {listening.relays}

    def distrust(self) -> None:
        """Nothing to do: nobody else can close our sockets, and what failed is tried again each time."""

    async def remove(self) -> None:
        """Stop listening and end all connections."""
        for front in list(self._open):
            self._shut(front)
        for relays in self._draining:
            relays.abort()
        self._draining.clear()


def why_not(address: str, port: int, error: OSError) -> str:
    """What a failed bind means here, and what to do about it."""
    if error.errno == errno.EACCES and port < 1024:
        return (
            f"ports below 1024 take root or sysctl net.ipv4.ip_unprivileged_port_start={port}; "
            "the service's other ports and pod addresses work"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return "not an address of this machine; in userspace mode the service range must be part of 127.0.0.0/8"
    if error.errno == errno.EADDRINUSE:
        return "another program uses the port"
    return os.strerror(error.errno) if error.errno else str(error)


def _is_local(address: str) -> bool:
    """Whether an address can be listened on here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
