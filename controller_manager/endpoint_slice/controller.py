"""Keeps the EndpointSlices of every Service with a selector in step with its pods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.core_v1 import Node, Pod, Service
from api.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, NotYet, Watches
from client.store import key_of
from controller_manager.endpoint_slice import topology
from controller_manager.endpoint_slice.changes import Changes
from controller_manager.endpoint_slice.endpoints import (
    ENDPOINTS_REST,
    HEADLESS_LABEL,
    addresses,
    affected,
    endpoint_of,
    families,
    has_endpoints,
    inherited_labels,
    is_headless,
    selected_pods,
    slice_ports,
)
from controller_manager.endpoint_slice.packing import Ports, pack
from controller_manager.endpoint_slice.tracker import MANAGED_BY, SERVICE_NAME, SliceTracker, service_of
from controller_manager.endpoint_slice.traffic_distribution import distribute
from controller_manager.endpoint_slice.trigger_time import CHANGE_TIME, TriggerTimes
from controller_manager.endpoint_slice.writing import write_changes
from controller_manager.label_index import LABELS, SELECTOR, by_labels, by_selector
from controller_manager.pod_template import controller_reference

MANAGER = "endpointslice-controller.k8s.io"
_COALESCE = 0.02


class EndpointSliceController(Controller):
    name = "endpointslice-controller"

    def __init__(self, *common: Any, max_endpoints: int = 100, batch_period: float = 0.0) -> None:
        """`batch_period`: seconds in which changes of pods are gathered."""
        self.max_endpoints = max_endpoints
        self._delay = max(_COALESCE, batch_period)
        self.tracker, self.trigger_times, self.hinted = SliceTracker(MANAGER), TriggerTimes(), topology.Hinted()
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.services = watch(Service, indexers={SELECTOR: by_selector})
        self.pods = watch(
            Pod, enqueue=self._pod_changed, indexers={LABELS: by_labels}, delay=self._delay, rest=ENDPOINTS_REST
        )
        self.nodes = watch(Node, enqueue=self._node_changed, delay=1.0)
        self.slices = watch(EndpointSlice, enqueue=self.tracker.changed, indexers={SERVICE_NAME: service_of})

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        return affected(self.services, old, new)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        """Zones' shares may have changed, which only matters to those who want hints after them."""
        before, after = (node and topology.node_state(node) for node in (old, new))
        if before != after:
            yield from [key_of(service) for service in self.services if topology.wants_hints(service)]

    async def reconcile(self, key: Key) -> None:
        service = self.services.get(key)
        if service is None:
            self.tracker.forget(key)
            self.trigger_times.forget(key)
            self.hinted.forget(key)
        if service is None or service.metadata.deletionTimestamp is not None or not has_endpoints(service):
            return
        all_ours = [s for s in self.slices.by_index(SERVICE_NAME, key) if self.tracker.owns(s)]
        if self.tracker.is_behind(key, all_ours, self.queue.failures(key)):
            raise NotYet(f"the cache has not seen all that was written for {key}")
        existing = [slice for slice in all_ours if slice.metadata.deletionTimestamp is None]
        pods = selected_pods(service, self.pods)
        annotations = self.trigger_times.annotations(service, pods)
        placed = [pod for pod in pods if self._has_place(service, pod)]
        wanted = families(service)
        changes = [Changes(delete=[slice for slice in existing if slice.addressType not in wanted])]
        for family in wanted:
            changes.append(self._changes(service, family, placed, [s for s in existing if s.addressType == family]))
        for each in changes:
            if await write_changes(self.client, self.tracker, key, each, CHANGE_TIME, annotations):
                self.queue.add(key)
        if len(placed) < len(pods):
            raise NotYet(f"{key} has pods on nodes that are not known")

    def _has_place(self, service: Service, pod: Pod) -> bool:
        """Pods whose node is gone are as good as gone, unless the service takes everything."""
        node = pod.spec.nodeName
        return not node or service.spec.publishNotReadyAddresses or self.nodes.get(node) is not None

    def _changes(self, service: Service, family: str, pods: list[Pod], existing: list[EndpointSlice]) -> Changes:
        def make(ports: Ports, endpoints: list[Endpoint]) -> EndpointSlice:
            meta = ObjectMeta(
                generateName=f"{service.metadata.name}-",
                namespace=service.metadata.namespace,
                labels=labels,
                ownerReferences=[owner],
            )
            return EndpointSlice(metadata=meta, addressType=family, endpoints=endpoints, ports=[*ports])

        labels, owner = labels_of(service), controller_reference(service)
        changes = Changes()
        present: dict[bytes, list[EndpointSlice]] = {}
        for slice in existing:
            present.setdefault(port_key(slice.ports), []).append(slice)
        for key, (ports, endpoints) in self._desired(service, family, pods).items():
            slices = present.pop(key, [])
            plan = pack(slices, endpoints, self.max_endpoints)
            changes.create += [make(ports, its) for its in plan.create]
            changes.update += [relabelled(slice, labels, endpoints=its) for slice, its in plan.update]
            changes.delete += plan.delete
            planned = {slice.metadata.uid for slice in (*plan.delete, *(slice for slice, _ in plan.update))}
            changes.unchanged += [slice for slice in slices if slice.metadata.uid not in planned]
        changes.delete += [slice for slices in present.values() for slice in slices]
        if not (changes.create or changes.update or changes.unchanged):
            self._keep_one(changes, make((), []))
        changes.recycle(owner)
        for slice in [slice for slice in changes.unchanged if slice.metadata.labels != labels]:
            changes.unchanged.remove(slice)
            changes.update.append(relabelled(slice.copy_deep(), labels))
        self._hint(service, family, changes)
        return changes

    def _keep_one(self, changes: Changes, placeholder: EndpointSlice) -> None:
        """One slice without endpoints or ports shows that there are none."""
        empty = next((slice for slice in changes.delete if not slice.endpoints and not slice.ports), None)
        if empty is None:
            changes.create.append(placeholder)
        else:
            changes.delete.remove(empty)
            changes.unchanged.append(empty)

    def _hint(self, service: Service, family: str, changes: Changes) -> None:
        key = key_of(service)
        if topology.wants_hints(service):
            event = self.hinted.allocate(key, family, changes, topology.shares_of(self.nodes))
        else:
            event = self.hinted.drop(key, family)
            distribute(service, changes)
        if event is not None:
            self.events.event(service, *event)

    def _desired(self, service: Service, family: str, pods: list[Pod]) -> dict[bytes, tuple[Ports, list[Endpoint]]]:
        result: dict[bytes, tuple[Ports, list[Endpoint]]] = {}
        templates: dict[int, bytes] = {}  # pods of one template share their containers, and so have the same ports
        for pod in pods:
            if not addresses(pod, family):
                continue
            key = templates.get(id(pod.spec.containers))
            if key is None:
                ports = slice_ports(service, pod)
                key = templates[id(pod.spec.containers)] = port_key(ports)
                result.setdefault(key, (ports, []))
            result[key][1].append(endpoint_of(pod, service, family, self.nodes.get(pod.spec.nodeName)))
        return result


def port_key(ports: Iterable[EndpointPort]) -> bytes:
    return b"\0".join(sorted(port.encode() for port in ports))


def relabelled(slice: EndpointSlice, labels: dict[str, str], **fields: Any) -> EndpointSlice:
    meta = slice.metadata.model_copy(update={"labels": labels, "annotations": {**slice.metadata.annotations}})
    return slice.model_copy(update={"metadata": meta, **fields})


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
