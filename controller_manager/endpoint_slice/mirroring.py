"""Mirrors Endpoints that users write for Services without a selector into EndpointSlices.

https://kubernetes.io/docs/concepts/services-networking/service/#endpointslice-mirroring
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from api.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, NotYet, Watches
from controller_manager.endpoint_slice.changes import Changes
from controller_manager.endpoint_slice.controller import port_key
from controller_manager.endpoint_slice.tracker import MANAGED_BY, SERVICE_NAME, SliceTracker, service_of
from controller_manager.endpoint_slice.trigger_time import CHANGE_TIME
from controller_manager.endpoint_slice.writing import write_changes
from controller_manager.pod_template import controller_reference

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_MIRRORED = (CHANGE_TIME, "kubectl.kubernetes.io/last-applied-configuration")
_LONGEST_PREFIX = 253

Mirrored = dict[tuple[str, bytes], tuple[list[EndpointPort], list[Endpoint]]]
"""Ports and endpoints of each slice, by address type and ports."""


class EndpointSliceMirroringController(Controller):
    name = "endpointslice-mirroring-controller"

    def __init__(self, *common: Any, max_endpoints: int = 1000, batch_period: float = 0.0) -> None:
        """`max_endpoints`: addresses that are mirrored of each subset; `batch_period`: seconds in which changes of
        Endpoints are gathered."""
        self.max_endpoints, self._delay = max_endpoints, batch_period
        self.tracker = SliceTracker(MANAGER)
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.services = watch(Service)
        self.endpoints = watch(Endpoints, delay=self._delay)
        self.slices = watch(EndpointSlice, enqueue=self.tracker.changed, indexers={SERVICE_NAME: service_of})

    async def reconcile(self, key: Key) -> None:
        ours = [s for s in self.slices.by_index(SERVICE_NAME, key) if self.tracker.owns(s)]
        endpoints, service = self.endpoints.get(key), self.services.get(key)
        if endpoints is None or service is None or service.spec.selector or not is_mirrored(endpoints):
            await write_changes(self.client, self.tracker, key, Changes(delete=ours))
            self.tracker.forget(key)
            return
        if self.tracker.is_behind(key, ours, self.queue.failures(key)):
            raise NotYet(f"the cache has not seen all that was written for {key}")
        mirrored, invalid, skipped = mirror(endpoints, self.max_endpoints)
        if invalid:
            message = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self.events.event(endpoints, "Warning", "InvalidIPAddress", message)
        if skipped > invalid:
            message = (
                f"A max of {self.max_endpoints} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{skipped} addresses were skipped"
            )
            self.events.event(endpoints, "Warning", "TooManyAddressesToMirror", message)
        existing = [slice for slice in ours if slice.metadata.deletionTimestamp is None]
        changes = self._changes(endpoints, mirrored, existing)
        if endpoints.metadata.deletionTimestamp is not None:
            changes.create.clear()
        if await write_changes(self.client, self.tracker, key, changes):
            self.queue.add(key)

    def _changes(self, endpoints: Endpoints, mirrored: Mirrored, existing: list[EndpointSlice]) -> Changes:
        labels, annotations = labels_of(endpoints), annotations_of(endpoints)
        owner = controller_reference(endpoints)
        changes = Changes()
        present: dict[tuple[str, bytes], list[EndpointSlice]] = {}
        for slice in existing:
            present.setdefault((slice.addressType, port_key(slice.ports)), []).append(slice)
        for (family, ports_key), (ports, wanted) in mirrored.items():
            first, *others = present.pop((family, ports_key), [None])
            changes.delete += [slice for slice in others if slice is not None]
            if first is None:
                meta = ObjectMeta(
                    generateName=prefix(endpoints.metadata.name),
                    namespace=endpoints.metadata.namespace,
                    labels={**labels},
                    annotations={**annotations},
                    ownerReferences=[owner],
                )
                changes.create.append(EndpointSlice(metadata=meta, addressType=family, endpoints=wanted, ports=ports))
            elif (
                _sorted(first.endpoints) != _sorted(wanted)
                or first.metadata.labels != labels
                or first.metadata.annotations != annotations
            ):
                meta = first.metadata.model_copy(update={"labels": {**labels}, "annotations": {**annotations}})
                changes.update.append(first.model_copy(update={"metadata": meta, "endpoints": wanted}))
        changes.delete += [slice for slices in present.values() for slice in slices]
        self._recycle(changes)
        return changes

    def _recycle(self, changes: Changes) -> None:
        """A slice's address type cannot change, all else can."""
        by_family: dict[str, Changes] = {}
        for name in ("create", "delete"):
            for slice in getattr(changes, name):
                getattr(by_family.setdefault(slice.addressType, Changes()), name).append(slice)
        changes.create, changes.delete = [], []
        for part in by_family.values():
            for new in part.create:
                part.recycle(new.metadata.ownerReferences[0])
                break
            changes.create += part.create
            changes.update += part.update
            changes.delete += part.delete


def is_mirrored(endpoints: Endpoints) -> bool:
    meta = endpoints.metadata
    return meta.labels.get(SKIP) != "true" and _LEADER not in meta.annotations


def mirror(endpoints: Endpoints, limit: int) -> tuple[Mirrored, int, int]:
    """(what the slices show, how many addresses are none, how many are left out, those that are none among them)"""
    found: Mirrored = {}
    invalid = skipped = 0
    for subset in endpoints.subsets:
        added = 0
        addresses = [(each, True) for each in subset.addresses] + [(each, False) for each in subset.notReadyAddresses]
        for address, ready in addresses:
            if added >= limit:
                break
            family, endpoint = endpoint_of(address, ready)
            if endpoint is None:
                invalid += 1
                continue
            added += 1
            ports = ports_of(subset)
            _, so_far = found.setdefault((family, port_key(ports)), (ports, []))
            if len(so_far) < limit and endpoint not in so_far:
                so_far.append(endpoint)
        skipped += len(addresses) - added
    return found, invalid, skipped


def endpoint_of(address: EndpointAddress, ready: bool) -> tuple[str, Endpoint | None]:
    """The address type and the endpoint; None for what is no IP address."""
    try:
        ip = ipaddress.ip_address(address.ip)
    except ValueError:
        return "", None
    endpoint = Endpoint(
        addresses=[str(ip)],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )
    return f"IPv{ip.version}", endpoint


def ports_of(subset: EndpointSubset) -> list[EndpointPort]:
    return [
        EndpointPort(name=port.name, port=port.port, protocol=port.protocol or "TCP", appProtocol=port.appProtocol)
        for port in subset.ports
    ]


def labels_of(endpoints: Endpoints) -> dict[str, str]:
    return {**endpoints.metadata.labels, SERVICE_NAME: endpoints.metadata.name, MANAGED_BY: MANAGER}


def annotations_of(endpoints: Endpoints) -> dict[str, str]:
    return {name: value for name, value in endpoints.metadata.annotations.items() if name not in _NOT_MIRRORED}


def prefix(name: str) -> str:
    """What the names of slices begin with; Endpoints may have the longest of names."""
    return f"{name}-" if len(name) < _LONGEST_PREFIX else name


def _sorted(endpoints: Iterable[Endpoint]) -> list[bytes]:
    return sorted(endpoint.encode() for endpoint in endpoints)
