"""Hands out addresses of the service range.

A lower band of each range is left for addresses that users choose themselves; addresses that nobody
chose come from the upper band until that is full (KEP-3070).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from apiserver.registry.addresses import Address
from apiserver.registry.strategy import Network

ALLOCATED = "provided IP is already allocated"
NOT_IN_RANGE = "the provided network does not match the current range"
FULL = "range is full"
_TRIES = 64


class AllocationError(Exception):
    """The address (or any address) cannot be had; the message says why."""


class IPAllocator:
    """The addresses of one network, and which are in use.  Not thread-safe: it belongs to one event loop.

    Several allocators may share `used`, so that networks may overlap.
    """

    def __init__(self, network: Network, used: set[int] | None = None) -> None:
        self.network = network
        self.used: set[int] = set() if used is None else used
        self._first = int(network.network_address) + 1  # the network's own address is nobody's
        size = network.num_addresses - 1
        if network.version == 4:
            size -= 1  # nor is the broadcast address
        size = max(0, min(size, 1 << 30))
        self._end = self._first + size
        self._upper = self._first + static_band(size, 16, 256)

    def __len__(self) -> int:
        """How many addresses are in use."""
        return len(self.used)

    def __contains__(self, address: Address) -> bool:
        return int(address) in self.used

    @property
    def free(self) -> int:
        return self._end - self._first - sum(self._first <= number < self._end for number in self.used)

    def has(self, address: Address) -> bool:
        """Whether the address is of this network."""
        return address.version == self.network.version and self._first <= int(address) < self._end

    def allocate(self, address: Address) -> None:
        """Take one particular address.  Raises AllocationError when it is taken or not in the range."""
        if not self.has(address):
            raise AllocationError(NOT_IN_RANGE)
        if int(address) in self.used:
            raise AllocationError(ALLOCATED)
        self.used.add(int(address))

    def allocate_next(self, taken: Callable[[Address], bool] = lambda address: False) -> Address:
        """Take any free address, of the upper band if possible; `taken` knows of more that are in use.

        Raises AllocationError when all are taken.
        """
        others: set[int] = set()
        try:
            for first, last in ((self._upper, self._end), (self._first, self._upper)):
                while (number := free_number(first, last, self.used)) is not None:
                    self.used.add(number)
                    address = self.network[number - self._first + 1]
                    if not taken(address):
                        return address
                    others.add(number)
        finally:
            self.used -= others
        raise AllocationError(FULL)

    def release(self, address: Address) -> None:
        """Give an address back; one that is not in use is no error."""
        self.used.discard(int(address))


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
