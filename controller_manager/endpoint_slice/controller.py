"""Keeps the EndpointSlices of every Service with a selector in step with its pods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from api.core_v1 import Node, Pod, Service
from api.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, Watches, nothing
from client.store import key_of
from controller_manager.endpoint_slice.endpoints import (
    CHANGE_TIME,
    HEADLESS_LABEL,
    addresses,
    endpoint_of,
    families,
    has_endpoints,
    inherited_labels,
    is_headless,
    matters,
    selected_pods,
    services_of,
    slice_ports,
)
from controller_manager.endpoint_slice.packing import Ports, pack
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_template import controller_reference

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_COALESCE = 0.02


class EndpointSliceController(Controller):
    name = "endpointslice-controller"
    max_endpoints = 100

    def setup(self, watch: Watches) -> None:
        self.services = watch(Service)
        self.pods = watch(Pod, enqueue=self._pod_changed, delay=_COALESCE)
        self.nodes = watch(Node, enqueue=nothing)
        self.slices = watch(EndpointSlice, enqueue=self._slice_changed, indexers={SERVICE_NAME: _service_of})
        self._written: dict[str, str] = {}

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if old is not None and new is not None and not matters(old, new):
            return
        services = self.services.in_namespace((new or old).metadata.namespace)  # type: ignore[union-attr]
        found = {key_of(s) for pod in (old, new) if pod is not None for s in services_of(pod, services)}
        yield from found

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> Iterable[Key]:
        """Somebody else wrote or deleted a slice of ours."""
        slice = new or old
        assert slice is not None
        ours = slice.metadata.labels.get(MANAGED_BY) == MANAGER
        if ours and (new is None or self._written.get(new.metadata.uid) != new.metadata.resourceVersion):
            yield from _service_of(slice)

    async def reconcile(self, key: Key) -> None:
        service = self.services.get(key)
        if service is None or service.metadata.deletionTimestamp is not None or not has_endpoints(service):
            return
        existing = [s for s in self.slices.by_index(SERVICE_NAME, key) if _is_ours(s)]
        wanted = families(service)
        for slice in existing:
            if slice.addressType not in wanted:
                await self._delete(slice)
        pods = selected_pods(service, self.pods)
        for family in wanted:
            await self._reconcile_family(service, family, pods, [s for s in existing if s.addressType == family])

    async def _reconcile_family(
        self, service: Service, family: str, pods: list[Pod], existing: list[EndpointSlice]
    ) -> None:
        desired = self._desired(service, family, pods)
        labels, annotations = labels_of(service), annotations_of(service, pods)
        present: dict[bytes, list[EndpointSlice]] = {}
        for slice in existing:
            present.setdefault(_port_key(tuple(slice.ports)), []).append(slice)
        if not desired:  # one slice without endpoints or ports shows that there are none
            placeholders = present.get(b"", [])
            if placeholders:
                await self._write(placeholders.pop(0), [], labels, annotations)
            else:
                await self._create(service, family, (), [], labels, annotations)
        for port_key, (ports, endpoints) in desired.items():
            slices = present.pop(port_key, [])
            plan = pack(slices, endpoints, self.max_endpoints)
            planned = {slice.metadata.uid for slice, _ in plan.update} | {s.metadata.uid for s in plan.delete}
            unchanged = [(slice, slice.endpoints) for slice in slices if slice.metadata.uid not in planned]
            for slice, its in [*plan.update, *unchanged]:
                await self._write(slice, its, labels, annotations)
            for its in plan.create:
                await self._create(service, family, ports, its, labels, annotations)
            for slice in plan.delete:
                await self._delete(slice)
        for slices in present.values():
            for slice in slices:
                await self._delete(slice)

    def _desired(self, service: Service, family: str, pods: list[Pod]) -> dict[bytes, tuple[Ports, list[Endpoint]]]:
        result: dict[bytes, tuple[Ports, list[Endpoint]]] = {}
        for pod in pods:
            if not addresses(pod, family):
                continue
            ports = slice_ports(service, pod)
            endpoint = endpoint_of(pod, service, family, self.nodes.get(pod.spec.nodeName))
            result.setdefault(_port_key(ports), (ports, []))[1].append(endpoint)
        return result

    async def _write(
        self, slice: EndpointSlice, endpoints: list[Endpoint], labels: dict[str, str], annotations: dict[str, str]
    ) -> None:
        if slice.endpoints == endpoints and slice.metadata.labels == labels:
            return
        meta = slice.metadata.model_copy(update={"labels": labels, "annotations": annotations})
        updated = slice.model_copy(update={"metadata": meta, "endpoints": endpoints})
        try:
            self._note(await self.client.update(updated))
        except NotFound:
            return  # its deletion is on the way and will bring us back

    async def _create(
        self,
        service: Service,
        family: str,
        ports: Ports,
        endpoints: list[Endpoint],
        labels: dict[str, str],
        annotations: dict[str, str],
    ) -> None:
        made = EndpointSlice(
            metadata=ObjectMeta(
                generateName=f"{service.metadata.name}-",
                namespace=service.metadata.namespace,
                labels=labels,
                annotations=annotations,
                ownerReferences=[controller_reference(service)],
            ),
            addressType=family,
            endpoints=endpoints,
            ports=[*ports],
        )
        try:
            self._note(await self.client.create(made))
        except Exception as error:
            if not namespace_is_ending(error):
                raise

    async def _delete(self, slice: EndpointSlice) -> None:
        meta = slice.metadata
        self._written.pop(meta.uid, None)
        try:
            await self.client.delete(EndpointSlice, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            return

    def _note(self, slice: EndpointSlice) -> None:
        """Our own writes need not bring us back."""
        self._written[slice.metadata.uid] = slice.metadata.resourceVersion


def _service_of(slice: EndpointSlice) -> tuple[Key, ...]:
    name = slice.metadata.labels.get(SERVICE_NAME)
    return (f"{slice.metadata.namespace}/{name}",) if name else ()


def _is_ours(slice: EndpointSlice) -> bool:
    return slice.metadata.labels.get(MANAGED_BY) == MANAGER and slice.metadata.deletionTimestamp is None


def _port_key(ports: tuple[EndpointPort, ...]) -> bytes:
    return b"\0".join(sorted(port.encode() for port in ports))


def labels_of(service: Service) -> dict[str, str]:
    """A slice's labels: whose it is, who writes it, and the service's own."""
    labels = {
        **inherited_labels(service, (SERVICE_NAME, MANAGED_BY)),
        SERVICE_NAME: service.metadata.name,
        MANAGED_BY: MANAGER,
    }
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return labels


def annotations_of(service: Service, pods: list[Pod]) -> dict[str, str]:
    """When the last change happened that a slice shows: lets others measure how late it is."""
    last = last_change(service, pods)
    return {CHANGE_TIME: last.strftime("%Y-%m-%dT%H:%M:%SZ")} if last else {}


def last_change(service: Service, pods: list[Pod]) -> datetime | None:
    times = [service.metadata.creationTimestamp]
    for pod in pods:
        times.append(next((c.lastTransitionTime for c in pod.status.conditions if c.type == "Ready"), None))
    return max((time for time in times if time is not None), default=None)
