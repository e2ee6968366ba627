"""Routes to the pods of other machines: each node's pod range by way of that node's own address, as flannel's host-gw
backend does it.  Works where all nodes share a network (one machine, one LAN, one Docker network)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
from collections.abc import Mapping

from kubelet.network.netlink import Netlink, Route

log = logging.getLogger(__name__)

_PROTOCOL = 110  # marks routes as ours; the metric says which node's they are


class HostGateway:
    """`identity` is the node's, as for RoutedNetwork.  Call from one task at a time."""

    def __init__(self, identity: str) -> None:
        self._metric = 10_000 + int(hashlib.sha256(identity.encode()).hexdigest()[:5], 16)
        self._wanted: dict[str, str] | None = None

    async def sync(self, nodes: Mapping[str, str]) -> None:
        """Make the routes match: pod range → address of the node it is on.  Nodes whose address is this machine's own
        need none: the kernel knows their pods.  A route the kernel refuses is logged, and tried again with the next
        change."""
        if dict(nodes) != self._wanted:
            failed = await asyncio.to_thread(self._sync, nodes)
            self._wanted = None if failed else dict(nodes)

    async def cleanup(self) -> None:
        await asyncio.to_thread(self._sync, {})

    def _sync(self, nodes: Mapping[str, str]) -> bool:
        wanted = {
            Route(cidr, gateway=address, metric=self._metric, protocol=_PROTOCOL)
            for cidr, address in nodes.items()
            if not _is_ours(address)
        }
        failed = False
        with Netlink() as host:
            present = {
                Route(route.destination, gateway=route.gateway, metric=route.metric, protocol=route.protocol)
                for route in host.routes()
                if route.protocol == _PROTOCOL and route.metric == self._metric
            }
            for route in present - wanted:
                with contextlib.suppress(OSError):
                    host.delete_route(route)
            for route in wanted - present:
                try:
                    host.add_route(route)
                except OSError as error:
                    failed = True
                    log.warning("no route to the pods %s by way of %s: %s", route.destination, route.gateway, error)
        return failed


def _is_ours(address: str) -> bool:
    """Whether an IPv4 address is one of this machine's: only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
