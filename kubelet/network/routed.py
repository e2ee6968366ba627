"""The network of pods where the kubelet is root: each pod has a network namespace and an address of its own.

A veth pair joins each pod to the host, which routes: one /32 route per pod, as with CNI's ptp plugin or Calico, and no
bridge.  Every packet passes the host's netfilter (on a bridge, Services between neighbours need br_netfilter; a pod
that calls itself through a Service needs hairpin mode), and there is nothing to remove but the pairs themselves.

    pod      eth0 10.244.1.7/32, default via 10.244.1.1 (the range's first address)
    host     nk3f09ab-5c01de 10.244.1.1/32, and 10.244.1.7 dev nk3f09ab-5c01de src 10.244.1.1

Names begin with a hash of the node's state directory, so that nodes and clusters share a machine without meeting.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import ipaddress
import threading
from collections.abc import Mapping
from pathlib import Path

from kubelet.network import namespace
from kubelet.network.address_pool import AddressPool
from kubelet.network.firewall import Firewall
from kubelet.network.netlink import Netlink, Route
from kubelet.network.pod_network import NetworkFailure, PodAddress

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class RoutedNetwork:
    """See the module's docstring.  `identity` tells this node from others on the machine and is the same after a
    restart; `cluster_cidr` holds all pods of the cluster: traffic within is not masqueraded."""

    isolated = True

    def __init__(self, identity: str, cluster_cidr: str = "") -> None:
        self._tag = "nk" + hashlib.sha256(identity.encode()).hexdigest()[:6]
        self._cluster_cidr = cluster_cidr
        self._pool: AddressPool | None = None
        self._lock = threading.Lock()
        self._firewall = Firewall(self._tag)

    @property
    def limit(self) -> str:
        return self._firewall.problem

    async def start(self, pod_cidr: str, existing: Mapping[str, PodAddress]) -> set[str]:
        try:
            return await asyncio.to_thread(self._start, pod_cidr, existing)
        except OSError as error:
            raise NetworkFailure(f"cannot prepare the network of pods: {error}") from error

    def _start(self, pod_cidr: str, existing: Mapping[str, PodAddress]) -> set[str]:
        pool = AddressPool(pod_cidr)
        lost = {i for i, address in existing.items() if not namespace.exists(Path(address.namespace))}
        kept = {i: address for i, address in existing.items() if i not in lost}
        for sandbox_id, address in kept.items():
            pool.reserve(address.ip, sandbox_id)
        if _FORWARDING.read_text().strip() != "1":
            _FORWARDING.write_text("1")
        with Netlink() as host:
            self._sweep(host, set(kept))
            self._check_free(host, pool)
        self._firewall.apply(pod_cidr, self._cluster_cidr)
        self._pool = pool
        return lost

    def _check_free(self, host: Netlink, pool: AddressPool) -> None:
        names = {link.index: link.name for link in host.links()}
        for route in host.routes():
            taken = ipaddress.IPv4Network(route.destination)
            name = names.get(route.link, "")
            if taken.prefixlen and taken.overlaps(pool.network) and not name.startswith(self._tag):
                if taken.prefixlen < pool.network.prefixlen and route.gateway:
                    continue  # a wide route elsewhere, of which pods are the exception
                raise NetworkFailure(
                    f"the node's pod range {pool.network} is in use on this machine: there is a route to {taken} "
                    f"by {name or route.gateway}; give the cluster another range"
                )

    def _sweep(self, host: Netlink, kept: set[str]) -> None:
        """Remove interfaces and namespaces of sandboxes that are no more."""
        links = {self._link_name(sandbox_id) for sandbox_id in kept}
        for link in host.links():
            if link.name.startswith(self._tag) and link.name not in links:
                with contextlib.suppress(OSError):
                    host.delete_link(link.index)
        paths = {self._namespace_path(sandbox_id) for sandbox_id in kept}
        for path in namespace.DIRECTORY.glob(f"{self._tag}-*"):
            if path not in paths:
                namespace.remove(path)

    def _link_name(self, sandbox_id: str) -> str:
        return f"{self._tag}-{sandbox_id[:6]}"  # the kernel takes 15 bytes

    def _namespace_path(self, sandbox_id: str) -> Path:
        return namespace.DIRECTORY / f"{self._tag}-{sandbox_id[:12]}"

    async def add(self, sandbox_id: str) -> PodAddress:
        return await asyncio.to_thread(self._add, sandbox_id)

    def _add(self, sandbox_id: str) -> PodAddress:
        if self._pool is None:
            raise NetworkFailure("the node has no pod range yet (spec.podCIDR)")
        with self._lock:
            ip = self._pool.take(sandbox_id)
        path, name, gateway = self._namespace_path(sandbox_id), self._link_name(sandbox_id), self._pool.gateway

        def connect(fd: int, pod: Netlink) -> None:
            with Netlink() as host:
                host.add_veth(name, "eth0", fd)
                pod.set_up(1)  # lo
                inner, outer = pod.link("eth0").index, host.link(name).index
                pod.add_address(inner, ip)
                host.add_address(outer, gateway)
                pod.set_up(inner)
                host.set_up(outer)
                pod.add_route(Route(f"{gateway}/32", link=inner))
                pod.add_route(Route("0.0.0.0/0", gateway=gateway, link=inner))
                host.add_route(Route(f"{ip}/32", link=outer, source=gateway))

        try:
            namespace.create(path, connect)
        except OSError as error:
            with self._lock:
                self._pool.free(sandbox_id)
            raise NetworkFailure(f"cannot make the pod's network: {error}") from error
        return PodAddress(ip, str(path))

    async def remove(self, sandbox_id: str, address: PodAddress) -> None:
        await asyncio.to_thread(self._remove, sandbox_id, address)

    def _remove(self, sandbox_id: str, address: PodAddress) -> None:
        with Netlink() as host:
            try:
                host.delete_link(host.link(self._link_name(sandbox_id)).index)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
        namespace.remove(self._namespace_path(sandbox_id))
        with self._lock:
            if self._pool is not None:
                self._pool.free(sandbox_id)

    async def close(self) -> None:
        return

    async def cleanup(self) -> None:
        await asyncio.to_thread(self._cleanup)

    def _cleanup(self) -> None:
        with Netlink() as host:
            self._sweep(host, set())
        self._firewall.remove()
