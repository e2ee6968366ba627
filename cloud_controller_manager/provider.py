"""What a place that clusters run in can do.  A provider has what it can do, and None for what it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from api.core_v1 import LoadBalancerStatus, Node, NodeAddress, Service


@dataclass(frozen=True)
class Instance:
    """What a node is.  What is empty is not known."""

    provider_id: str
    """ "<provider>://<whatever names it there>" """
    addresses: Sequence[NodeAddress] = ()
    instance_type: str = ""
    zone: str = ""
    region: str = ""
    labels: dict[str, str] = field(default_factory=dict)


class Instances(Protocol):
    """The machines behind nodes."""

    async def exists(self, node: Node) -> bool: ...

    async def is_shut_down(self, node: Node) -> bool: ...

    async def describe(self, node: Node) -> Instance:
        """Raises NotFound when there is no such machine."""
        ...


class LoadBalancers(Protocol):
    """Addresses outside that lead to services.  Every method may be called again at any time, also by a successor."""

    def adopt(self, services: Iterable[Service]) -> None:
        """Called once, before anything else, with all services there are: those that have addresses keep them."""
        ...

    async def get(self, service: Service) -> LoadBalancerStatus | None:
        """Its load balancer as it is; None when it has none."""
        ...

    async def ensure(self, service: Service, nodes: Sequence[Node]) -> LoadBalancerStatus:
        """Make or change the service's load balancer so that it leads to these nodes.  Raises Unavailable."""
        ...

    async def delete(self, service: Service) -> None: ...


@dataclass(frozen=True)
class Route:
    """Traffic to these addresses goes to the node."""

    node: str
    destination: str
    """A CIDR."""


class Routes(Protocol):
    """The network between nodes."""

    async def list(self) -> list[Route]: ...

    async def create(self, route: Route) -> None:
        """Raises Unavailable."""
        ...

    async def delete(self, route: Route) -> None: ...


class Unavailable(Exception):
    """The provider cannot do what was asked for, at least now; says why."""


@dataclass(frozen=True)
class Provider:
    name: str
    instances: Instances | None = None
    load_balancers: LoadBalancers | None = None
    routes: Routes | None = None
