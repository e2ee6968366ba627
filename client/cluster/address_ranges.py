"""Address ranges for pods and services that nothing else on this machine uses.

With root, pods have interfaces and addresses of their own: two neighbouring /16 of 10.0.0.0/8.  Without,
everything is on the host's loopback: two /16 of 127.0.0.0/8, all of which Linux answers for.

A running cluster claims its ranges, for as long as it runs.
"""

from __future__ import annotations

import ipaddress
import socket
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from client.cluster.errors import ClusterError
from client.cluster.machine_claims import claim
from client.cluster.stale_rules import remove_stale_rules

Network = ipaddress.IPv4Network


class Claim:
    """Two claimed ranges; closed with the process or by `close`."""

    def __init__(self, pods: Network, services: Network, handle: socket.socket) -> None:
        self.pods = pods
        self.services = services
        self._socket = handle

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def claim_free(privileged: bool, seed: str) -> Claim:
    """Find and claim two free ranges.  `seed` (the cluster's folder) decides where the search begins, so that
    different clusters rarely meet.  What a killed cluster left of rules for the pods' range is removed.
    Raises ClusterError when nothing is free."""
    taken = list(local_networks())
    for pods, services in candidates(privileged, seed):
        if any(pods.overlaps(other) or services.overlaps(other) for other in taken):
            continue
        handle = claim(f"pods/{pods}")
        if handle is not None:
            if privileged:
                remove_stale_rules(pods)
            return Claim(pods, services, handle)
    raise ClusterError("no free range of addresses is left for pods and services on this machine")


def claim_again(pod_range: str, service_range: str, privileged: bool) -> Claim:
    """Claim the ranges a cluster was made with.  Raises ClusterError when they cannot be used now."""
    pods, services = Network(pod_range), Network(service_range)
    if privileged == pods.is_loopback:
        made, now = ("without root", "with it") if pods.is_loopback else ("with root", "without it")
        raise ClusterError(
            f"this cluster was made {made} and its addresses ({service_range}) cannot be used {now}: "
            "start it as before, or give another --data-dir"
        )
    handle = claim(f"pods/{pods}")
    if handle is None:
        raise ClusterError(f"the pod range {pod_range} of this cluster is used by another running cluster")
    return Claim(pods, services, handle)


def candidates(privileged: bool, seed: str) -> Iterator[tuple[Network, Network]]:
    """Pairs of (pods, services), each once, from a place that depends on the seed."""
    first = 10 if privileged else 127
    low = 64 if privileged else 2  # 10.0-10.63 are what offices and clouds take first; 127.0.x.x is taken
    count = (256 - low) // 2
    start = zlib.crc32(seed.encode()) % count
    for step in range(count):
        second = low + 2 * ((start + step) % count)
        yield Network(f"{first}.{second}.0.0/16"), Network(f"{first}.{second + 1}.0.0/16")


def node_range(pods: Network, index: int, nodes: int) -> Network:
    """The part of the pod range for the node with that index (from 0), large enough for 110 pods if it can be."""
    length = max(24, pods.prefixlen + max(nodes - 1, 1).bit_length())
    if length > 30:
        raise ClusterError(f"{nodes} nodes are too many for the pod range {pods}")
    size = 2 ** (32 - length)
    return Network((int(pods.network_address) + index * size, length))


def load_balancer_range(pods: Network) -> Network:
    """Addresses for load balancers of the cluster with that pod range: on the loopback, with root too, since they
    are for this machine only.  No other running cluster has the same."""
    second = int(pods.network_address) >> 16 & 255
    return Network(f"127.1.{second + pods.is_loopback}.0/24")


def local_networks(table: Iterable[str] | None = None) -> Iterator[Network]:
    """What this machine already has routes to (IPv4, without the default route)."""
    if table is None:
        try:
            table = Path("/proc/net/route").read_text().splitlines()
        except OSError:
            return
    for line in list(table)[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        address = int.from_bytes(bytes.fromhex(fields[1]), "little")
        mask = int.from_bytes(bytes.fromhex(fields[7]), "little")
        if mask:
            yield Network((address & mask, mask.bit_count()))
