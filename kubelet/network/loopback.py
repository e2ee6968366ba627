"""The network of pods where the kubelet may not make any: all share the host's, each has an address in 127/8.

Every address of 127/8 answers on this machine without being configured, so a server that binds to its pod's address
($POD_IP) gets a socket of its own, and clients on this machine reach it there.  A server that binds to 0.0.0.0 takes
the port on all addresses: two such servers with one port cannot run at the same time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from kubelet.network.address_pool import AddressPool
from kubelet.network.pod_network import NetworkFailure, PodAddress


def loopback_range(pod_cidr: str) -> str:
    """The part of 127/8 that stands in for a node's pod range: that range itself when it lies there, else the same
    one under 127 with 128 and up as second number (10.244.3.0/24 → 127.244.3.0/24, 10.1.2.0/24 → 127.129.2.0/24)."""
    network = ipaddress.IPv4Network(pod_cidr)
    if network.subnet_of(ipaddress.IPv4Network("127.0.0.0/8")):
        return str(network)
    if network.prefixlen < 9:
        raise NetworkFailure(f"the pod range {pod_cidr} is too large to be mirrored in 127/8")
    base = int(network.network_address) & 0x00FFFFFF | 0x7F800000
    return str(ipaddress.IPv4Network((base, network.prefixlen)))


class LoopbackNetwork:
    """See the module's docstring."""

    isolated = False
    limit = (
        "pods share the host's network: each has its own address in 127/8, reachable on this machine only, "
        "and two pods cannot listen on one port of all addresses (0.0.0.0); run as root to give each pod its own"
    )

    def __init__(self) -> None:
        self._pool: AddressPool | None = None

    async def start(self, pod_cidr: str, existing: Mapping[str, PodAddress]) -> set[str]:
        self._pool = AddressPool(loopback_range(pod_cidr))
        for sandbox_id, address in existing.items():
            self._pool.reserve(address.ip, sandbox_id)
        return set()

    async def add(self, sandbox_id: str) -> PodAddress:
        if self._pool is None:
            raise NetworkFailure("the node has no pod range yet (spec.podCIDR)")
        return PodAddress(self._pool.take(sandbox_id))

    async def remove(self, sandbox_id: str, address: PodAddress) -> None:
        if self._pool is not None:
            self._pool.free(sandbox_id)

    async def close(self) -> None:
        return

    async def cleanup(self) -> None:
        return
