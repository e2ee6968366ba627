"""The registry: every resource the server serves, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.model import Model
from api.scheme import GroupVersion
from apiserver.registry.config_maps import ConfigMaps
from apiserver.registry.deployments import Deployments
from apiserver.registry.endpoint_slices import EndpointSlices
from apiserver.registry.endpoints import EndpointsStrategy
from apiserver.registry.events import CoreEvents, Events
from apiserver.registry.leases import Leases
from apiserver.registry.namespaces import Namespaces
from apiserver.registry.nodes import Nodes
from apiserver.registry.pods import Pods
from apiserver.registry.replica_sets import ReplicaSets
from apiserver.registry.secrets import Secrets
from apiserver.registry.service_accounts import ServiceAccounts
from apiserver.registry.services import Services
from apiserver.registry.strategy import Options, Strategy

STRATEGIES: tuple[type[Strategy[Any]], ...] = (
    ConfigMaps,
    EndpointsStrategy,
    CoreEvents,
    Namespaces,
    Nodes,
    Pods,
    Secrets,
    ServiceAccounts,
    Services,
    Deployments,
    ReplicaSets,
    Leases,
    EndpointSlices,
    Events,
)


class Registry:
    """The strategies of one server, set up with its options; found by URL or by type."""

    def __init__(self, options: Options | None = None) -> None:
        self.strategies: tuple[Strategy[Any], ...] = tuple(kind(options) for kind in STRATEGIES)
        self._by_path = {
            (s.resource.group, s.resource.group_version.version, s.resource.plural): s for s in self.strategies
        }
        self._by_model: dict[type[Model], Strategy[Any]] = {s.resource.model: s for s in self.strategies}

    def __iter__(self) -> Iterator[Strategy[Any]]:
        return iter(self.strategies)

    def find(self, group: str, version: str, plural: str) -> Strategy[Any] | None:
        """The strategy behind `/apis/GROUP/VERSION/…/PLURAL`; the core group is the empty one."""
        return self._by_path.get((group, version, plural))

    def of(self, model: type[Model]) -> Strategy[Any]:
        """The strategy of a type.  Raises KeyError for types that are not served."""
        return self._by_model[model]

    def of_group_version(self, group_version: GroupVersion) -> tuple[Strategy[Any], ...]:
        """The strategies of one group and version, in the order of the table."""
        return tuple(s for s in self.strategies if s.resource.group_version == group_version)
