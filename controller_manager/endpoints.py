"""Keeps the older Endpoints object of every Service with a selector in step with its pods.

https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

from api.core_v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from api.errors import AlreadyExists, NotFound, StatusError
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, NotYet, Watches
from client.store import key_of, split_key
from controller_manager.endpoint_slice.endpoints import (
    ENDPOINTS_REST,
    HEADLESS_LABEL,
    addresses,
    affected,
    families,
    has_endpoints,
    hostname,
    inherited_labels,
    is_headless,
    pod_reference,
    selected_pods,
    target_port,
)
from controller_manager.endpoint_slice.trigger_time import CHANGE_TIME, TriggerTimes
from controller_manager.label_index import LABELS, SELECTOR, by_labels, by_selector
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_state import is_ready
from controller_manager.written import EarlyEvents

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
_CAPACITY = 1000
_COALESCE = 0.05


class EndpointsController(Controller):
    name = "endpoints-controller"

    def __init__(self, *common: Any, batch_period: float = 0.0) -> None:
        """`batch_period`: seconds in which changes of pods are gathered."""
        self._delay = max(_COALESCE, batch_period)
        self._written: dict[str, str] = {}
        self._early = EarlyEvents()
        self.trigger_times = TriggerTimes()
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.services = watch(Service, indexers={SELECTOR: by_selector})
        self.pods = watch(
            Pod, enqueue=self._pod_changed, indexers={LABELS: by_labels}, delay=self._delay, rest=ENDPOINTS_REST
        )
        self.endpoints = watch(Endpoints, enqueue=self._endpoints_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        return affected(self.services, old, new)

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> Iterable[Key]:
        if new is None:
            yield key_of(old)
        elif self._is_news(key_of(new), new.metadata) and not self._early.hold(key_of(new), new.metadata):
            yield key_of(new)

    def _is_news(self, key: Key, meta: ObjectMeta) -> bool:
        return self._written.get(key) != meta.resourceVersion

    async def reconcile(self, key: Key) -> None:
        service, existing = self.services.get(key), self.endpoints.get(key)
        if service is None:
            self._written.pop(key, None)
            self.trigger_times.forget(key)
            if existing is not None and existing.metadata.labels.get(MANAGED_BY) == MANAGER:
                await self._delete(key, existing)
            return
        if service.metadata.deletionTimestamp is not None or not has_endpoints(service):
            return
        if existing is not None and int(existing.metadata.resourceVersion) < int(self._written.get(key, 0)):
            raise NotYet(f"the cache has not seen what was written for {key}")
        pods = selected_pods(service, self.pods)
        wanted = endpoints_of(service, pods)
        times = self.trigger_times.annotations(service, pods)
        try:
            with self._early.held(key) as events:
                await self._write(key, existing, wanted, times)
                if any(self._is_news(key, meta) for meta in events):
                    self.queue.add(key)
        except StatusError as error:
            made = existing is None
            reason, does = ("FailedToCreateEndpoint", "create endpoint for service") if made else (
                "FailedToUpdateEndpoint", "update endpoint"
            )  # fmt: skip
            self.events.event(wanted, "Warning", reason, f"Failed to {does} {key}: {error}")
            raise

    async def _write(self, key: Key, existing: Endpoints | None, wanted: Endpoints, times: dict[str, str]) -> None:
        if existing is None:
            wanted.metadata.annotations |= times
            await self._create(key, wanted)
        elif not _same(existing, wanted):
            ours = (CHANGE_TIME, OVER_CAPACITY)
            kept = {name: value for name, value in existing.metadata.annotations.items() if name not in ours}
            annotations = {**kept, **wanted.metadata.annotations, **times}
            meta = existing.metadata.model_copy(update={"labels": wanted.metadata.labels, "annotations": annotations})
            self._note(key, await self.client.update_quietly(wanted.model_copy(update={"metadata": meta})))

    async def _create(self, key: Key, wanted: Endpoints) -> None:
        try:
            self._note(key, await self.client.create_quietly(wanted))
        except AlreadyExists as error:
            # Its event is on the way, and brings nobody back if it is of our own write.
            raise NotYet(f"the cache has not seen the Endpoints {wanted.metadata.name}") from error
        except Exception as error:
            if not namespace_is_ending(error):
                raise

    async def _delete(self, key: Key, existing: Endpoints) -> None:
        namespace, name = split_key(key)
        try:
            await self.client.delete(Endpoints, name, namespace, uid=existing.metadata.uid)
        except NotFound:
            return

    def _note(self, key: Key, written: ObjectMeta) -> None:
        self._written[key] = written.resourceVersion


def endpoints_of(service: Service, pods: list[Pod]) -> Endpoints:
    """All addresses of the first family, the ready apart from the others, at most 1000 of them."""
    family = families(service)[0]
    listed = [
        pod
        for pod in pods
        if addresses(pod, family) and (pod.metadata.deletionTimestamp is None or service.spec.publishNotReadyAddresses)
    ]
    labels = {**inherited_labels(service, (MANAGED_BY,)), MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    subsets = subsets_of(service, listed, family)
    truncated = truncate(subsets, _CAPACITY)
    return Endpoints(
        metadata=ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=labels,
            annotations={OVER_CAPACITY: "truncated"} if truncated else {},
        ),
        subsets=subsets,
    )


def _same(existing: Endpoints, wanted: Endpoints) -> bool:
    annotations = (each.metadata.annotations.get(OVER_CAPACITY) for each in (existing, wanted))
    return (
        existing.subsets == wanted.subsets
        and existing.metadata.labels == wanted.metadata.labels
        and len({*annotations}) == 1
    )


def truncate(subsets: list[EndpointSubset], capacity: int) -> bool:
    """Leave `capacity` addresses, the ready before the others, from each subset by its part of all.

    Returns whether there were more.
    """
    ready = sum(len(subset.addresses) for subset in subsets)
    others = sum(len(subset.notReadyAddresses) for subset in subsets)
    if ready + others <= capacity:
        return False
    cut, room = ("addresses", capacity) if ready > capacity else ("notReadyAddresses", capacity - ready)
    total, left = (ready if cut == "addresses" else others), room
    for subset in subsets:
        listed = getattr(subset, cut)
        kept = listed[: min(ceil(len(listed) * room / total), left)]
        left -= len(kept)
        setattr(subset, cut, kept)
        if cut == "addresses":
            subset.notReadyAddresses = []
    return True


def subsets_of(service: Service, pods: list[Pod], family: str) -> list[EndpointSubset]:
    """Pods with the same ports share a subset; subsets and addresses are in a fixed order."""
    by_ports: dict[tuple[bytes, ...], EndpointSubset] = {}
    templates: dict[int, EndpointSubset | None] = {}  # pods of one template share their containers: see _subset
    for pod in pods:
        template = id(pod.spec.containers)
        if template not in templates:
            templates[template] = _subset(service, pod, by_ports)
        subset = templates[template]
        if subset is None:
            continue
        ready = is_ready(pod) or service.spec.publishNotReadyAddresses
        (subset.addresses if ready else subset.notReadyAddresses).append(_address(pod, service, family))
    for subset in by_ports.values():
        subset.addresses.sort(key=lambda address: address.ip)
        subset.notReadyAddresses.sort(key=lambda address: address.ip)
    return [by_ports[key] for key in sorted(by_ports)]


def _subset(service: Service, pod: Pod, by_ports: dict[tuple[bytes, ...], EndpointSubset]) -> EndpointSubset | None:
    """The subset a pod belongs to by its ports; None when it has none of those that the service leads to."""
    ports = [
        EndpointPort(name=port.name, port=number, protocol=port.protocol or "TCP", appProtocol=port.appProtocol)
        for port in service.spec.ports
        if (number := target_port(pod, port)) is not None
    ]
    if service.spec.ports and not ports:
        return None
    ports.sort(key=lambda port: (port.name, port.port, port.protocol))
    return by_ports.setdefault(tuple(port.encode() for port in ports), EndpointSubset(ports=ports))


def _address(pod: Pod, service: Service, family: str) -> EndpointAddress:
    return EndpointAddress(
        ip=addresses(pod, family)[0],
        hostname=hostname(pod, service),
        nodeName=pod.spec.nodeName or None,
        targetRef=pod_reference(pod),
    )
