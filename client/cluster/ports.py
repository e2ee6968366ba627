"""TCP ports that nothing else on this machine uses."""

from __future__ import annotations

import socket

from client.cluster.machine_claims import claim

FIRST_KUBELET_PORT = 10250
_EVERYWHERE = "0.0.0.0"
"""The address that kubelets listen on."""


class KubeletPorts:
    """Ports for kubelets, from `first` upwards, another one each time; other clusters choose others until `close`.

    A port is listened on only when its kubelet has started: until then the claim is all that tells the launchers of
    clusters that start at the same time.
    """

    def __init__(self, first: int = FIRST_KUBELET_PORT) -> None:
        self._claims: list[socket.socket] = []
        self._next = first

    def take(self) -> int:
        while True:
            port, self._next = self._next, self._next + 1
            handle = claim(f"port/{port}")
            if handle is None:
                continue
            if port_is_free(_EVERYWHERE, port):
                self._claims.append(handle)
                return port
            handle.close()

    def close(self) -> None:
        for handle in self._claims:
            handle.close()
        self._claims.clear()


def port_is_free(address: str, port: int) -> bool:
    """Whether one can listen there: nobody else does, and it is allowed."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True
