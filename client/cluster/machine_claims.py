"""What only one running cluster of this machine may have.

A cluster claims it by binding a socket in the abstract namespace.  The kernel scopes such names to the network
namespace, as addresses and ports are, and frees them with the process.
"""

from __future__ import annotations

import socket


def claim(what: str) -> socket.socket | None:
    """Holds the claim until it is closed; None when another cluster has it."""
    handle = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        handle.bind(f"\0nanokube/{what}")
    except OSError:
        handle.close()
        return None
    return handle
