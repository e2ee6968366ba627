"""Ports for the servers that tests start.

Between the moment a test chooses a port and the one its server listens on it, nobody else must get it: other
processes of the tests take theirs from other blocks, and the kernel gives those who ask for any port a higher one.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
from collections.abc import Iterator

_FIRST, _LAST, _SIZE = 20_000, 29_999, 200  # below node ports and net.ipv4.ip_local_port_range
_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody listens on, on any address."""
    for port in itertools.islice(_block(), _SIZE):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("all ports of this process are taken")


@functools.cache
def _block() -> Iterator[int]:
    """The ports of a block over and over, so that each rests before its next use.  The first is bound until this
    process ends: who finds it so passes the block over."""
    for first in range(_FIRST, _LAST, _SIZE):
        held = socket.socket()
        with contextlib.suppress(OSError):
            held.bind(("", first))
            _claims.append(held)
            return itertools.cycle(range(first + 1, first + _SIZE))
        held.close()
    raise AssertionError("all blocks of ports are taken")
