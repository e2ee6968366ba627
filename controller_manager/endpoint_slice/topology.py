"""Hints after the annotation `service.kubernetes.io/topology-mode: Auto`: zones get endpoints by their share of CPU.

https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/

An endpoint is for its own zone, unless that has more than its share and another less.  Where some endpoint would have
to serve more than a fifth above the mean there are no hints at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from api.core_v1 import Node, Service
from api.discovery_v1 import Endpoint, EndpointHints, EndpointSlice, ForZone
from api.quantity import milli
from controller_manager.endpoint_slice.changes import Changes, is_ready
from controller_manager.endpoint_slice.endpoints import ZONE

_MODES = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_OVERLOAD = Fraction(6, 5)
_TOO_LITTLE_KNOWN = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
_TOO_FEW = "Insufficient number of endpoints"
_TOO_UNEVEN = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
_NO_ZONE = "One or more endpoints do not have a zone specified"

Shares = Mapping[str, Fraction]
"""Each zone's part of all CPU."""


class NoHints(Exception):
    """Why there can be none, as the event says it."""


@dataclass(frozen=True)
class Allocation:
    """How many endpoints a zone must and may have, and how many were exactly its share."""

    minimum: int
    maximum: int
    desired: Fraction


def wants_hints(service: Service) -> bool:
    annotations = service.metadata.annotations
    mode = next((annotations[name] for name in _MODES if name in annotations), "")
    return mode in ("Auto", "auto")


def node_state(node: Node) -> tuple[str, int] | None:
    """What counts of a node: its zone ("" when it says none) and thousandths of CPUs; None when it does not count."""
    labels = node.metadata.labels
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    if not ready or any(label in labels for label in _CONTROL_PLANE):
        return None
    return labels.get(ZONE, ""), milli(node.status.allocatable.get("cpu", "0"))


def shares_of(nodes: Iterable[Node]) -> Shares | None:
    """None when a node says too little or there are not two zones."""
    processors: Counter[str] = Counter()
    for state in map(node_state, nodes):
        if state is None:
            continue
        if not all(state):
            return None
        processors[state[0]] += state[1]
    if len(processors) < 2:
        return None
    return {zone: Fraction(count, processors.total()) for zone, count in processors.items()}


def allocations(shares: Shares | None, count: int) -> dict[str, Allocation]:
    """What each zone gets of `count` endpoints.  Raises NoHints."""
    if shares is None:
        raise NoHints(_TOO_LITTLE_KNOWN)
    how_many = f"({count} endpoints, {len(shares)} zones)"
    if len(shares) > count:
        raise NoHints(f"{_TOO_FEW} {how_many}")
    minimum = {zone: ceil(share * count / _OVERLOAD) for zone, share in shares.items()}
    spare = count - sum(minimum.values())
    if spare < 0:
        raise NoHints(f"{_TOO_UNEVEN} {how_many}")
    return {
        zone: Allocation(least, least + spare, max(shares[zone] * count, Fraction(least)))
        for zone, least in minimum.items()
    }


def allocate(changes: Changes, shares: Shares | None) -> None:
    """Set hints.  Raises NoHints, having changed no more than which slices are written."""
    everything = (*changes.create, *changes.update, *changes.unchanged)
    allocated = allocations(shares, sum(is_ready(e) for slice in everything for e in slice.endpoints))
    given = _given_already(changes, allocated)
    ready = [e for slice in (*changes.create, *changes.update) for e in slice.endpoints if is_ready(e)]
    if not all(endpoint.zone for endpoint in ready):
        raise NoHints(_NO_ZONE)
    zones = [endpoint.zone or "" for endpoint in ready]
    given.update(zones)
    giving, receiving = transfers(allocated, given)
    for index, zone in enumerate(zones):
        if giving[zone] > 0 and (to := next((z for z, n in receiving.items() if n > 0), "")):
            zones[index] = to
            giving[zone] -= 1
            receiving[to] -= 1
    for endpoint, zone in zip(ready, zones, strict=True):
        endpoint.hints = EndpointHints(forZones=[ForZone(name=zone)])


def _given_already(changes: Changes, allocated: Mapping[str, Allocation]) -> Counter[str]:
    """Endpoints that each zone has in unchanged slices.  Slices whose hints cannot stay are touched."""
    given: Counter[str] = Counter()

    def is_wrong(slice: EndpointSlice) -> bool:
        hinted = [_zones(endpoint) for endpoint in slice.endpoints if is_ready(endpoint)]
        counts = Counter(zone for zones in hinted for zone in zones)
        fit = all(zone in allocated and given[zone] + n <= allocated[zone].maximum for zone, n in counts.items())
        if not all(hinted) or not fit:
            return True
        given.update(counts)
        return False

    changes.touch(is_wrong)
    return given


def _zones(endpoint: Endpoint) -> list[str]:
    return [zone.name for zone in endpoint.hints.forZones] if endpoint.hints is not None else []


def transfers(allocated: Mapping[str, Allocation], given: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """(endpoints that zones give away, endpoints that zones receive)"""
    surplus = {zone: Fraction(given.get(zone, 0)) - wish.desired for zone, wish in sorted(allocated.items())}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while surplus:
        most, least = max(surplus, key=lambda zone: surplus[zone]), min(surplus, key=lambda zone: surplus[zone])
        more, less = surplus[most], -surplus[least]
        if max(more, less) < 1 or min(more, less) < Fraction(1, 2):
            break
        giving[most] += 1
        receiving[least] += 1
        surplus[most] -= 1
        surplus[least] += 1
    return giving, receiving


class Hinted:
    """Which services have such hints now, to tell when that changes."""

    def __init__(self) -> None:
        self._services: set[tuple[str, str]] = set()

    def allocate(self, key: str, family: str, changes: Changes, shares: Shares | None) -> tuple[str, str, str] | None:
        """Set the hints of a service or take them away.  Returns the event about it: type, reason, message."""
        had = self.has(key)
        try:
            allocate(changes, shares)
        except NoHints as reason:
            changes.without_hints()
            self._services.discard((key, family))
            return "Warning", "TopologyAwareHintsDisabled", f"{reason}, addressType: {family}"
        self._services.add((key, family))
        if had:
            return None
        return (
            "Normal", "TopologyAwareHintsEnabled", f"Topology Aware Hints has been enabled, addressType: {family}"
        )  # fmt: skip

    def drop(self, key: str, family: str) -> tuple[str, str, str] | None:
        """The service does not ask for them any more."""
        if (key, family) not in self._services:
            return None
        self._services.discard((key, family))
        message = f"Topology Aware Hints has been disabled, addressType: {family}"
        return "Warning", "TopologyAwareHintsDisabled", message

    def has(self, key: str) -> bool:
        return any(service == key for service, _ in self._services)

    def forget(self, key: str) -> None:
        self._services = {entry for entry in self._services if entry[0] != key}
