"""Addresses of a node's pod range, each given to one sandbox at a time."""

from __future__ import annotations

import ipaddress

from kubelet.network.pod_network import NetworkFailure


class AddressPool:
    """Gives addresses in turn, so that a freed one rests as long as it can: clients of its last owner should meet
    silence, not a stranger.  The network's own address, the gateway (the first) and the last are never given."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.IPv4Network(cidr)
        if self.network.num_addresses < 8:
            raise NetworkFailure(f"the pod range {cidr} is too small: at least a /29 is needed")
        self._owners: dict[int, str] = {}
        self._next = 2

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    def reserve(self, address: str, owner: str) -> None:
        """Note an address that was given before."""
        offset = int(ipaddress.IPv4Address(address)) - int(self.network.network_address)
        self._owners[offset] = owner
        if 2 <= offset < self.network.num_addresses - 2:
            self._next = max(self._next, offset + 1)

    def take(self, owner: str) -> str:
        """Raises NetworkFailure when all are in use."""
        last = self.network.num_addresses - 2
        for _ in range(last - 1):
            offset = self._next
            self._next = offset + 1 if offset < last else 2
            if offset not in self._owners:
                self._owners[offset] = owner
                return str(self.network[offset])
        raise NetworkFailure(f"no free address left in the node's pod range {self.network}")

    def free(self, owner: str) -> None:
        for offset in [offset for offset, known in self._owners.items() if known == owner]:
            del self._owners[offset]
