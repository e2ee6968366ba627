"""Spreading endpoints over slices, at most so many in each, with as few and as small writes as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from api.discovery_v1 import Endpoint, EndpointPort, EndpointSlice

Ports = tuple[EndpointPort, ...]


@dataclass
class Plan:
    """What to write: new slices as lists of endpoints, existing ones with other endpoints, and the superfluous."""

    create: list[list[Endpoint]] = field(default_factory=list)
    update: list[tuple[EndpointSlice, list[Endpoint]]] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)


def identity(endpoint: Endpoint) -> str:
    """What makes two endpoints the same one: the pod, else the address."""
    return endpoint.targetRef.uid if endpoint.targetRef is not None else ",".join(endpoint.addresses)


def without_hints(endpoint: Endpoint) -> Endpoint:
    """Hints are given to endpoints that have their place: they do not make them different."""
    return endpoint if endpoint.hints is None else endpoint.model_copy(update={"hints": None})


def pack(existing: Sequence[EndpointSlice], desired: Sequence[Endpoint], limit: int) -> Plan:
    """Plan how `existing` slices (all of one port set) come to hold exactly `desired`.

    An endpoint stays in the slice it is in.  New ones go first into slices that are rewritten anyway, then into
    one that has room for all that are left, then into new slices.
    """
    plan = Plan()
    missing = {identity(endpoint): endpoint for endpoint in desired}
    changed: list[tuple[EndpointSlice, list[Endpoint]]] = []
    unchanged: list[tuple[EndpointSlice, list[Endpoint]]] = []
    for slice in existing:
        kept = [wanted for old in slice.endpoints if (wanted := missing.pop(identity(old), None)) is not None]
        same = kept and kept == [without_hints(endpoint) for endpoint in slice.endpoints]
        (unchanged if same else changed).append((slice, kept))
    new = [*missing.values()]
    for _, endpoints in sorted(changed, key=lambda entry: -len(entry[1])):
        room = limit - len(endpoints)
        if room > 0:
            endpoints += new[:room]
            new = new[room:]
    if new:
        while len(new) >= limit:
            plan.create.append(new[:limit])
            new = new[limit:]
        roomy = [entry for entry in unchanged if limit - len(entry[1]) >= len(new)]
        if new and roomy:
            tightest = max(roomy, key=lambda entry: len(entry[1]))
            unchanged.remove(tightest)
            changed.append((tightest[0], [*tightest[1], *new]))
        elif new:
            plan.create.append(new)
    for slice, endpoints in changed:
        if endpoints:
            plan.update.append((slice, endpoints))
        else:
            plan.delete.append(slice)
    return plan
