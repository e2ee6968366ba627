"""This machine as a provider: services of type LoadBalancer get loopback addresses of their own.

Linux answers for all of 127.0.0.0/8, so an address needs neither root nor an interface; the proxy listens on it, or
diverts what is sent to it.  It can be reached from this machine only, as everything of such a cluster.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from api.core_v1 import LoadBalancerIngress, LoadBalancerStatus, Node, Service
from client.store import key_of
from cloud_controller_manager.provider import Instance, Provider, Unavailable

NAME = "local"


def local_provider(addresses: str) -> Provider:
    """`addresses`: the CIDR that load balancers get theirs from.  Raises ValueError."""
    return Provider(NAME, LocalInstances(), LocalLoadBalancers(ipaddress.IPv4Network(addresses)))


class LocalInstances:
    """Every node is a part of this machine: it is there as long as its Node is."""

    async def exists(self, node: Node) -> bool:
        return True

    async def is_shut_down(self, node: Node) -> bool:
        return False

    async def describe(self, node: Node) -> Instance:
        return Instance(f"{NAME}://{node.metadata.name}", node.status.addresses)


class LocalLoadBalancers:
    """One address for each service, the wished for or the first free one."""

    def __init__(self, network: ipaddress.IPv4Network) -> None:
        self._network = network
        self._holders: dict[str, str] = {}
        """Services by address."""

    def adopt(self, services: Iterable[Service]) -> None:
        for service in services:
            for ingress in service.status.loadBalancer.ingress:
                if self._is_ours(ingress.ip):
                    self._holders.setdefault(ingress.ip, key_of(service))

    async def get(self, service: Service) -> LoadBalancerStatus | None:
        address = self._address_of(service)
        return _status(address) if address else None

    async def ensure(self, service: Service, nodes: Sequence[Node]) -> LoadBalancerStatus:
        wish, had = service.spec.loadBalancerIP, self._address_of(service)
        if had and wish in ("", had):
            return _status(had)
        address = self._free(wish)
        await self.delete(service)
        self._holders[address] = key_of(service)
        return _status(address)

    async def delete(self, service: Service) -> None:
        self._holders.pop(self._address_of(service), None)

    def _free(self, wish: str) -> str:
        if wish:
            if not self._is_ours(wish):
                raise Unavailable(f"{wish} is not one of this machine's load balancer addresses ({self._network})")
            if wish in self._holders:
                raise Unavailable(f"{wish} is the load balancer address of {self._holders[wish]}")
            return wish
        for address in map(str, self._network.hosts()):
            if address not in self._holders:
                return address
        raise Unavailable(f"no load balancer address of {self._network} is left")

    def _address_of(self, service: Service) -> str:
        key = key_of(service)
        return next((address for address, holder in self._holders.items() if holder == key), "")

    def _is_ours(self, address: str) -> bool:
        try:
            return ipaddress.ip_address(address) in self._network
        except ValueError:
            return False


def _status(address: str) -> LoadBalancerStatus:
    return LoadBalancerStatus(ingress=[LoadBalancerIngress(ip=address, ipMode="VIP")])
