"""Pods as endpoints of a Service.  Pure functions, shared with the older Endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from api.core_v1 import Node, ObjectReference, Pod, Service, ServicePort
from api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort
from api.model import Model
from client.store import Store, key_of
from controller_manager.label_index import carrying, selecting
from controller_manager.pod_state import is_finished, is_ready

M = TypeVar("M", bound=Model)
ZONE = "topology.kubernetes.io/zone"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ENDPOINTS_REST = 30.0
"""Times as long as a service was worked on that changes of its pods are gathered for (`client.controller.Pace`)."""


def is_headless(service: Service) -> bool:
    return service.spec.clusterIP == "None"


def has_endpoints(service: Service) -> bool:
    """Whether its endpoints are ours to write: services without a selector have theirs written by others, and
    external names have none."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def families(service: Service) -> list[str]:
    """Address types to make slices for: IPv4, IPv6."""
    return service.spec.ipFamilies or (["IPv6"] if ":" in service.spec.clusterIP else ["IPv4"])


def addresses(pod: Pod, family: str) -> list[str]:
    """The pod's addresses of one family."""
    known = [entry.ip for entry in pod.status.podIPs] or ([pod.status.podIP] if pod.status.podIP else [])
    return [address for address in known if (":" in address) == (family == "IPv6")]


def selected_pods(service: Service, pods: Store[Pod]) -> list[Pod]:
    """The pods behind a service that have an address and are not finished, by name."""
    selected = carrying(pods, service.metadata.namespace, service.spec.selector)
    found = [pod for pod in selected if pod.status.podIP and not is_finished(pod)]
    return sorted(found, key=lambda pod: pod.metadata.name)


def affected(services: Store[Service], old: Pod | None, new: Pod | None) -> set[str]:
    """Keys of the services whose endpoints a change of a pod can change."""
    if old is not None and new is not None and not matters(old, new):
        return set()
    metas = [pod.metadata for pod in (old, new) if pod is not None]
    if len(metas) == 2 and metas[0].labels == metas[1].labels:
        del metas[0]
    found = (selecting(services, meta.namespace, meta.labels) for meta in metas)
    return {key_of(service) for each in found for service in each if has_endpoints(service)}


def target_port(pod: Pod, port: ServicePort) -> int | None:
    """The number of the pod's port that a service's port leads to; None when the pod has no port of that name."""
    wanted = port.targetPort
    if isinstance(wanted, int) and wanted:
        return wanted
    if not wanted:
        return port.port
    sidecars = (c for c in pod.spec.initContainers if c.restartPolicy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        for exposed in container.ports:
            if exposed.name == wanted and (exposed.protocol or "TCP") == (port.protocol or "TCP"):
                return exposed.containerPort
    return None


def slice_ports(service: Service, pod: Pod) -> tuple[EndpointPort, ...]:
    """The ports of a slice that this pod can be in, in the service's order."""
    return tuple(
        EndpointPort(name=port.name, port=number, protocol=port.protocol or "TCP", appProtocol=port.appProtocol)
        for port in service.spec.ports
        if (number := target_port(pod, port)) is not None
    )


def pod_reference(pod: Pod) -> ObjectReference:
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def hostname(pod: Pod, service: Service) -> str:
    """The pod's own DNS name below the service, if it has asked for one."""
    return pod.spec.hostname if pod.spec.hostname and pod.spec.subdomain == service.metadata.name else ""


def endpoint_of(pod: Pod, service: Service, family: str, node: Node | None) -> Endpoint:
    """The pod as an endpoint: it serves while it is ready, and is ready while it also is not being deleted."""
    serving, terminating = is_ready(pod), pod.metadata.deletionTimestamp is not None
    ready = service.spec.publishNotReadyAddresses or (serving and not terminating)
    return Endpoint(
        addresses=addresses(pod, family),
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=hostname(pod, service) or None,
        nodeName=pod.spec.nodeName or None,
        targetRef=pod_reference(pod),
        zone=(node.metadata.labels.get(ZONE) or None) if node is not None else None,
    )


def matters(old: Pod, new: Pod) -> bool:
    """Whether a change of a pod can change any endpoint."""
    return (
        old.status.podIP != new.status.podIP
        or is_ready(old) != is_ready(new)
        or is_finished(old) != is_finished(new)
        or old.metadata.deletionTimestamp != new.metadata.deletionTimestamp
        or old.metadata.labels != new.metadata.labels
        or old.spec.nodeName != new.spec.nodeName
        or old.status.podIPs != new.status.podIPs
    )


def inherited_labels(service: Service, own: Iterable[str]) -> Mapping[str, str]:
    """The service's labels, except those its endpoints use for themselves."""
    reserved = {*own, HEADLESS_LABEL}
    return {key: value for key, value in service.metadata.labels.items() if key not in reserved}
