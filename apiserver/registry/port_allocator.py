"""Hands out node ports, from an upper band first like addresses (KEP-3668)."""

from __future__ import annotations

from apiserver.registry.ip_allocator import FULL, AllocationError, free_number, static_band

ALLOCATED = "provided port is already allocated"


class PortAllocator:
    """The node ports in use.  Not thread-safe: it belongs to one event loop."""

    def __init__(self, ports: range) -> None:
        self.ports = ports
        self._static = static_band(len(ports), 16, 128)
        self._used: set[int] = set()

    def __len__(self) -> int:
        """How many ports are in use."""
        return len(self._used)

    def __contains__(self, port: int) -> bool:
        return port in self._used

    def allocate(self, port: int) -> None:
        """Take one particular port.  Raises AllocationError when it is taken or not in the range."""
        if port not in self.ports:
            valid = f"{self.ports.start}-{self.ports.stop - 1}"
            raise AllocationError(f"provided port is not in the valid range. The range of valid ports is {valid}")
        if port in self._used:
            raise AllocationError(ALLOCATED)
        self._used.add(port)

    def allocate_next(self) -> int:
        """Take any free port, of the upper band if possible.  Raises AllocationError when all are taken."""
        start, middle, stop = self.ports.start, self.ports.start + self._static, self.ports.stop
        for first, last in ((middle, stop), (start, middle)):
            port = free_number(first, last, self._used)
            if port is not None:
                self._used.add(port)
                return port
        raise AllocationError(FULL)

    def release(self, port: int) -> None:
        """Give a port back; one that is not in use is no error."""
        self._used.discard(port)
