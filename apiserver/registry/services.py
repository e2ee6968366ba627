"""Services: a stable address for changing pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.core_v1 import ClientIPConfig, Service, ServiceStatus, SessionAffinityConfig
from api.errors import FieldError
from api.scheme import resource_of
from apiserver.registry.addresses import warn_of_spelling
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.labels import format_labels
from apiserver.registry.names import dns_label
from apiserver.registry.service_addresses import ClusterAddresses, address_objects
from apiserver.registry.service_allocation import ServiceAllocation, own_addresses
from apiserver.registry.service_fields import (
    drop_unfitting,
    is_external,
    is_headless,
    keep_allocated,
    needs_cluster_ip,
    synchronise_cluster_ips,
)
from apiserver.registry.service_validation import (
    TOPOLOGY_HINTS,
    TOPOLOGY_MODE,
    validate_cluster_ips,
    validate_load_balancer_status,
    validate_service,
    validate_service_change,
)
from apiserver.registry.strategy import Column, Context, Finish, Options, Status, Strategy

_AFFINITY_SECONDS = 10800
_NONE = "<none>"


@dataclass(frozen=True)
class ServiceStatusUpdate(Status):
    """`/status` of Services: what a load balancer reports.  Whoever makes it also holds the service by a finalizer,
    through here."""

    depends_on_rest = True

    def validate_update(self, new: Service, old: Service) -> Iterable[FieldError]:
        return validate_load_balancer_status(new)


class Services(Strategy[Service]):
    resource = resource_of(Service)
    create_on_update = True
    returns_deleted = True
    subresources = (ServiceStatusUpdate(),)
    columns = (
        NAME,
        Column("Type", lambda s, now: s.spec.type, description="How it can be reached."),
        Column(
            "Cluster-IP",
            lambda s, now: s.spec.clusterIPs[0] if s.spec.clusterIPs else _NONE,
            description="Its first address inside the cluster.",
        ),
        Column("External-IP", lambda s, now: _external(s), description="Its addresses outside the cluster."),
        Column("Port(s)", lambda s, now: _ports(s), description="Its ports, with node ports."),
        AGE,
        Column(
            "Selector",
            lambda s, now: format_labels(s.spec.selector),
            description="The labels of the pods behind it.",
            priority=1,
        ),
    )

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self.allocation = ServiceAllocation(self.options.service_cluster_ip_ranges, self.options.service_node_ports)
        self._restored = False

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return dns_label(name, prefix)

    def default(self, obj: Service) -> None:
        spec = obj.spec
        if not spec.type:
            spec.type = "ClusterIP"
        if not spec.sessionAffinity:
            spec.sessionAffinity = "None"
        if spec.sessionAffinity == "None":
            spec.sessionAffinityConfig = None
        elif spec.sessionAffinity == "ClientIP":
            config = spec.sessionAffinityConfig
            if config is None or config.clientIP is None or config.clientIP.timeoutSeconds is None:
                client = ClientIPConfig(timeoutSeconds=_AFFINITY_SECONDS)
                spec.sessionAffinityConfig = SessionAffinityConfig(clientIP=client)
        for port in spec.ports:
            if not port.protocol:
                port.protocol = "TCP"
            if not port.targetPort:
                port.targetPort = port.port
        if is_external(obj) and not spec.externalTrafficPolicy:
            spec.externalTrafficPolicy = "Cluster"
        if spec.internalTrafficPolicy is None and needs_cluster_ip(obj):
            spec.internalTrafficPolicy = "Cluster"
        if spec.type == "LoadBalancer":
            if spec.allocateLoadBalancerNodePorts is None:
                spec.allocateLoadBalancerNodePorts = True
            for ingress in obj.status.loadBalancer.ingress:
                if ingress.ip and ingress.ipMode is None:
                    ingress.ipMode = "VIP"

    def prepare_for_create(self, new: Service, context: Context) -> None:
        new.status = ServiceStatus()
        synchronise_cluster_ips(new, None)

    def prepare_for_update(self, new: Service, old: Service, context: Context) -> None:
        new.status = old.status
        keep_allocated(new, old)
        synchronise_cluster_ips(new, old)
        drop_unfitting(new, old)
        if old.spec.type == "LoadBalancer" and new.spec.type != "LoadBalancer":
            new.status = new.status.model_copy(update={"loadBalancer": ServiceStatus().loadBalancer})

    def validate(self, new: Service) -> Iterator[FieldError]:
        # Kubernetes allocates before it validates, and cannot do so while addresses and families contradict.
        contradictions = list(validate_cluster_ips(new))
        yield from contradictions or validate_service(new)

    def validate_update(self, new: Service, old: Service) -> Iterator[FieldError]:
        if not any(validate_cluster_ips(new)):
            yield from validate_service_change(new, old)

    def warnings(self, new: Service, old: Service | None) -> Iterable[str]:
        spec = new.spec
        if TOPOLOGY_HINTS in new.metadata.annotations:
            yield f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"
        for field in ("clusterIPs", "externalIPs", "loadBalancerSourceRanges"):
            for index, text in enumerate(getattr(spec, field)):
                yield from warn_of_spelling(text, f"spec.{field}[{index}]")
        yield from warn_of_spelling(spec.loadBalancerIP, "spec.loadBalancerIP")
        if is_headless(new):
            if spec.loadBalancerIP:
                yield "spec.loadBalancerIP is ignored for headless services"
            if spec.externalIPs:
                yield "spec.externalIPs is ignored for headless services"
            if spec.sessionAffinity != "None":
                yield "spec.SessionAffinity is ignored for headless services"
        external_name = spec.type == "ExternalName"
        if spec.externalIPs and external_name:
            yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
        if spec.externalName and not external_name:
            yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
        if spec.trafficDistribution == "PreferClose":
            yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
        if spec.externalIPs and not is_headless(new) and not external_name:
            yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        spec = document.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}

    def restore(self, services: Iterable[Service]) -> None:
        """Take the addresses and ports of the services that exist; called once, before the first allocation."""
        self.allocation.restore(services)
        self._restored = True

    def begin_create(self, new: Service, context: Context) -> Finish | None:
        if not self._restored:
            self.restore(context.list(Service, ""))
        return self.allocation.create(new, ClusterAddresses(context))

    def begin_update(self, new: Service, old: Service, context: Context) -> Finish | None:
        if not self._restored:
            self.restore(context.list(Service, ""))
        return self.allocation.update(new, old, ClusterAddresses(context))

    def companions(self, obj: Service) -> list[Any]:
        addresses = own_addresses(obj)
        return address_objects(obj, sorted(addresses)) if addresses else []

    def after_delete(self, old: Service) -> None:
        if self._restored:
            self.allocation.release(old)


def _external(service: Service) -> str:
    spec = service.spec
    match spec.type:
        case "ExternalName":
            return spec.externalName
        case "LoadBalancer":
            ingress = service.status.loadBalancer.ingress
            balancers = sorted({entry.ip or entry.hostname for entry in ingress} - {""})
            return ",".join([*balancers, *spec.externalIPs]) or "<pending>"
        case "ClusterIP" | "NodePort":
            return ",".join(spec.externalIPs) or _NONE
    return "<unknown>"


def _ports(service: Service) -> str:
    shown = []
    for port in service.spec.ports:
        node = f":{port.nodePort}" if port.nodePort else ""
        shown.append(f"{port.port}{node}/{port.protocol}")
    return ",".join(shown) or _NONE
