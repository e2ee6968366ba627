"""Keeps the routes to other nodes' pods as the Node objects say."""

from __future__ import annotations

import asyncio

from api.core_v1 import Node
from client.informer import Informer
from kubelet.network.host_gateway import HostGateway


class NodeRoutes:
    """Follows an informer of all nodes.  `name` is this node's own."""

    def __init__(self, name: str, nodes: Informer[Node], gateway: HostGateway) -> None:
        self._name = name
        self._nodes = nodes
        self._gateway = gateway
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        self._nodes.on_change(lambda old, new: self._changed.set())
        await self._nodes.synced()
        while True:
            await self._gateway.sync(pod_routes(self._name, self._nodes.store.list()))
            await self._changed.wait()
            self._changed.clear()


def pod_routes(own_name: str, nodes: list[Node]) -> dict[str, str]:
    """Pod range → internal address, of every other node that has both (IPv4)."""
    found = {}
    for node in nodes:
        address = next(
            (a.address for a in node.status.addresses if a.type == "InternalIP" and ":" not in a.address), ""
        )
        if node.metadata.name != own_name and node.spec.podCIDR and address:
            found[node.spec.podCIDR] = address
    return found
