"""Hands out addresses of the service range.

A lower band of each range is left for addresses that users choose themselves; addresses that nobody
chose come from the upper band until that is full (KEP-3070).
"""

from __future__ import annotations

import ipaddress
import random

from apiserver.registry.addresses import Address
from apiserver.registry.strategy import Network

ALLOCATED = "provided IP is already allocated"
NOT_IN_RANGE = "the provided network does not match the current range"
FULL = "range is full"
_TRIES = 64


class AllocationError(Exception):
    """The address (or any address) cannot be had; the message says why."""


class IPAllocator:
    """The addresses of one network that are in use.  Not thread-safe: it belongs to one event loop."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._base = int(network.network_address) + 1  # the network's own address is nobody's
        size = network.num_addresses - 1
        if network.version == 4:
            size -= 1  # nor is the broadcast address
        self._size = max(0, min(size, 1 << 30))
        self._static = static_band(self._size, 16, 256)
        self._used: set[int] = set()

    def __len__(self) -> int:
        """How many addresses are in use."""
        return len(self._used)

    def __contains__(self, address: Address) -> bool:
        return self._offset(address) in self._used

    @property
    def free(self) -> int:
        return self._size - len(self._used)

    def allocate(self, address: Address) -> None:
        """Take one particular address.  Raises AllocationError when it is taken or not in the range."""
        offset = self._offset(address)
        if offset is None:
            raise AllocationError(NOT_IN_RANGE)
        if offset in self._used:
            raise AllocationError(ALLOCATED)
        self._used.add(offset)

    def allocate_next(self) -> Address:
        """Take any free address, of the upper band if possible.  Raises AllocationError when all are taken."""
        for first, last in ((self._static, self._size), (0, self._static)):
            offset = free_number(first, last, self._used)
            if offset is not None:
                self._used.add(offset)
                return ipaddress.ip_address(self.network.network_address + 1 + offset)
        raise AllocationError(FULL)

    def release(self, address: Address) -> None:
        """Give an address back; one that is not in use is no error."""
        offset = self._offset(address)
        if offset is not None:
            self._used.discard(offset)

    def _offset(self, address: Address) -> int | None:
        if address.version != self.network.version:
            return None
        offset = int(address) - self._base
        return offset if 0 <= offset < self._size else None


def static_band(size: int, least: int, most: int) -> int:
    """How many numbers at the start of a range are kept for those who choose: a 16th or so, within bounds."""
    if size < least:
        return 0
    step = 16 if most == 256 else 32
    return min(max(least, size // step), most)


def free_number(first: int, last: int, used: set[int]) -> int | None:
    """A random number of [first, last) that is not in use; None when there is none."""
    size = last - first
    if size <= 0:
        return None
    for _ in range(_TRIES):
        number = first + random.randrange(size)
        if number not in used:
            return number
    start = random.randrange(size)
    for step in range(size):
        number = first + (start + step) % size
        if number not in used:
            return number
    return None
