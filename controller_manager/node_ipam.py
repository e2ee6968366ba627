"""Gives each node a range of the cluster's pod addresses of its own.

https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from api.core_v1 import Node
from api.errors import NotFound
from client.controller import Controller, Key, Watches

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_BITS = 16
"""How many bits a node's range may be longer than the cluster's with IPv6."""


class NodeIPAMController(Controller):
    name = "node-ipam-controller"

    def __init__(self, *common: Any, pools: Sequence[RangePool]) -> None:
        """`pools`: the cluster's range, or one for each address family."""
        self.pools = pools
        self._held: dict[str, list[str]] = {}
        """The ranges of each node, also those that were just given and are not in what is watched yet."""
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node, enqueue=self._changed)

    def _changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        if new is None:
            assert old is not None
            self._release(old.metadata.name)
        elif new.spec.podCIDRs:
            self._hold(new.metadata.name, new.spec.podCIDRs)
        else:
            yield new.metadata.name

    def _hold(self, name: str, ranges: list[str]) -> None:
        if self._held.get(name) != ranges:
            self._release(name)
            self._held[name] = ranges
            for pool, text in ((pool, text) for pool in self.pools for text in ranges):
                pool.occupy(ipaddress.ip_network(text))

    def _release(self, name: str) -> None:
        for pool, text in ((pool, text) for pool in self.pools for text in self._held.pop(name, ())):
            pool.release(ipaddress.ip_network(text))

    async def reconcile(self, key: Key) -> None:
        node = self.nodes.get(key)
        if node is None or node.spec.podCIDRs:
            return
        if key not in self._held:
            found = [pool.free() for pool in self.pools]
            ranges = [str(each) for each in found if each is not None]
            if len(ranges) < len(found):
                self._warn(node, "CIDRNotAvailable")
                raise RuntimeError(f"no range is left for the pods of node {key}")
            self._hold(key, ranges)
        ranges = self._held[key]
        try:
            # With the uid: were it given to a new node of the name, its range would be free here.
            body = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": ranges[0], "podCIDRs": ranges}}
            await self.client.patch(Node, key, "", body, type="strategic")
        except NotFound:
            self._release(key)
        except Exception:
            self._warn(node, "CIDRAssignmentFailed")
            raise

    def _warn(self, node: Node, reason: str) -> None:
        self.events.event(node, "Normal", reason, f"Node {node.metadata.name} status is now: {reason}")


class RangePool:
    """A range cut into pieces of one size, each for one node.

    A piece that was given back is given anew only after all others, as connections to it may linger.
    """

    def __init__(self, whole: str, length: int, excluded: Iterable[str] = ()) -> None:
        """`length` is the prefix length of a piece.  Raises ValueError when that makes no sense."""
        self._whole = ipaddress.ip_network(whole)
        longer, most = length - self._whole.prefixlen, self._whole.max_prefixlen
        if longer < 0 or length > most or (self._whole.version == 6 and longer > _MOST_BITS):
            raise ValueError(f"--node-cidr-mask-size {length} does not fit --cluster-cidr {whole}")
        self._size = 1 << (self._whole.max_prefixlen - length)
        self._length = length
        self._count = 1 << (length - self._whole.prefixlen)
        self._used: set[int] = set()
        for text in excluded:
            self.occupy(ipaddress.ip_network(text))
        self._next = 0

    def free(self) -> Network | None:
        """A piece that nobody has; None when all are taken.  It is not taken before `occupy`."""
        for index in chain(range(self._next, self._count), range(self._next)):
            if index not in self._used:
                start = self._whole.network_address + index * self._size
                return type(self._whole)((int(start), self._length))
        return None

    def occupy(self, network: Network) -> None:
        """Take every piece that has addresses of the network."""
        taken = self._pieces(network)
        self._used.update(taken)
        if taken:
            self._next = taken.stop % self._count

    def release(self, network: Network) -> None:
        self._used.difference_update(self._pieces(network))

    def _pieces(self, network: Network) -> range:
        if network.version != self._whole.version or not network.overlaps(self._whole):
            return range(0)
        offset = int(network.network_address) - int(self._whole.network_address)
        first = max(offset, 0) // self._size
        last = (offset + network.num_addresses - 1) // self._size
        return range(first, min(last, self._count - 1) + 1)
