"""Keeps a route to every node's pods, and says in the node's conditions whether there is one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from api.core_v1 import Node, NodeCondition
from client.controller import Controller, Key, NotYet, Watches
from cloud_controller_manager.provider import Route, Routes, Unavailable

_ALL = "routes"


class RouteController(Controller):
    name = "node-route-controller"
    workers = 1

    def __init__(self, *common: Any, routes: Routes, cluster_cidr: str) -> None:
        """`cluster_cidr`: the pods' addresses; routes to anything else are not this controller's."""
        self.routes, self._cidr = routes, ipaddress.ip_network(cluster_cidr)
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node, enqueue=_changed)
        self.queue.add(_ALL)

    async def reconcile(self, key: Key) -> None:
        nodes = self.nodes.list()
        wanted = {Route(node.metadata.name, cidr) for node in nodes for cidr in cidrs_of(node)}
        there = set(await self.routes.list())
        for route in there - wanted:
            if self._is_ours(route):
                await self.routes.delete(route)
        failures: dict[str, Unavailable] = {}
        for route in sorted(wanted - there, key=lambda route: (route.node, route.destination)):
            try:
                await self.routes.create(route)
            except Unavailable as error:
                failures[route.node] = error
        for node in nodes:
            failure = failures.get(node.metadata.name)
            if cidrs_of(node):
                await self._note(node, created=failure is None)
            if failure is not None:
                message = f"Could not create route for node {node.metadata.name}: {failure}"
                self.events.event(node, "Warning", "FailedToCreateRoute", message)
        if failures:
            raise NotYet(f"{len(failures)} nodes have no route")

    def _is_ours(self, route: Route) -> bool:
        network = ipaddress.ip_network(route.destination)
        return network.version == self._cidr.version and network.network_address in self._cidr

    async def _note(self, node: Node, *, created: bool) -> None:
        """Kubernetes' condition; pods stay away from nodes whose network is not available."""
        known = next((c for c in node.status.conditions if c.type == "NetworkUnavailable"), None)
        if known is not None and (known.status == "False") == created:
            return
        now = self.clock.now().replace(microsecond=0)
        status, reason, message = (
            ("False", "RouteCreated", "RouteController created a route")
            if created
            else ("True", "NoRouteCreated", "RouteController failed to create a route")
        )
        condition = NodeCondition(
            type="NetworkUnavailable",
            status=status,
            reason=reason,
            message=message,
            lastTransitionTime=now,
            lastHeartbeatTime=now,
        )
        body = {"status": {"conditions": [condition.to_dict()]}}
        await self.client.patch(Node, node.metadata.name, "", body, type="strategic", subresource="status")


def cidrs_of(node: Node) -> list[str]:
    return node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else [])


def _changed(old: Node | None, new: Node | None) -> Iterable[Key]:
    if old is None or new is None or cidrs_of(old) != cidrs_of(new) or old.status.conditions != new.status.conditions:
        yield _ALL
