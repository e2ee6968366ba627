"""Hints after `spec.trafficDistribution`: every endpoint is for its own zone, or its own node first.

https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-distribution
"""

from __future__ import annotations

from api.core_v1 import Service
from api.discovery_v1 import Endpoint, EndpointHints, ForNode, ForZone
from controller_manager.endpoint_slice.changes import Changes

SAME_NODE = "PreferSameNode"
_CLOSE = ("PreferClose", "PreferSameZone", SAME_NODE)


def distribute(service: Service, changes: Changes) -> None:
    """Set (or take away) the hints that the service asks for."""
    wish = service.spec.trafficDistribution
    if wish in _CLOSE:
        changes.hint(lambda endpoint: close_hints(endpoint, nodes=wish == SAME_NODE))
    else:
        changes.without_hints()


def close_hints(endpoint: Endpoint, *, nodes: bool) -> EndpointHints | None:
    """Those who only know zones use the zone; None when it is not known where the endpoint is."""
    zones = [ForZone(name=endpoint.zone)] if endpoint.zone is not None else []
    names = [ForNode(name=endpoint.nodeName)] if endpoint.nodeName is not None and nodes else []
    return EndpointHints(forZones=zones, forNodes=names) if zones or names else None
