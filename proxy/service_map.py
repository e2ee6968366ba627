"""What Services and EndpointSlices mean for a proxy: for each service port, where it answers and who serves it.

Pure functions of the objects; the modes (iptables, userspace) only carry the result out.  The rules for
choosing endpoints are https://kubernetes.io/docs/reference/networking/virtual-ips/ and KEP-1669 (terminating
endpoints serve when no others are left).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from api import discovery_v1
from api.core_v1 import Service, ServicePort
from api.discovery_v1 import EndpointHints, EndpointSlice

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
_AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address that serves; `local` when it is on a node this proxy works for."""

    ip: str
    port: int
    local: bool = False

    @property
    def address(self) -> str:
        """ "10.0.0.1:80", "[fd00::1]:80" """
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRules:
    """One port of one Service, and everything a mode needs to make it reachable.

    Endpoint lists are chosen already: `cluster` for traffic that may go anywhere, `local` for traffic that must
    stay on this node; `internal` and `external` say which of them traffic from inside and outside gets.
    """

    namespace: str
    name: str
    port_name: str
    protocol: str
    """TCP, UDP or SCTP."""
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    """Who may use the load balancer's addresses; empty is everyone."""
    node_port: int = 0
    affinity_seconds: int = 0
    """How long a client stays with its endpoint; 0 is not at all."""
    internal_local: bool = False
    external_local: bool = False
    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()

    @property
    def label(self) -> str:
        """ "default/web:http", as comments and logs name the port."""
        return f"{self.namespace}/{self.name}" + (f":{self.port_name}" if self.port_name else "")

    @property
    def internal(self) -> tuple[Endpoint, ...]:
        """Who serves traffic to the cluster IP."""
        return self.local if self.internal_local else self.cluster

    @property
    def external(self) -> tuple[Endpoint, ...]:
        """Who serves traffic to node ports, external and load balancer addresses."""
        return self.local if self.external_local else self.cluster

    @property
    def has_external(self) -> bool:
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A port on which load balancers ask whether this node serves a Service."""

    namespace: str
    name: str
    port: int
    local_endpoints: int


@dataclass(frozen=True, slots=True)
class ServiceMap:
    ports: tuple[PortRules, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()


def service_map(
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    nodes: Sequence[str],
    family: int = 4,
    *,
    zones: Collection[str] = (),
) -> ServiceMap:
    """All service ports of one IP family (4 or 6), in a stable order.  `nodes` are the names this proxy works for,
    `zones` where they are, as far as is known."""
    by_service: dict[tuple[str, str], list[EndpointSlice]] = {}
    for slice_ in slices:
        name = slice_.metadata.labels.get(SERVICE_NAME_LABEL)
        if name and slice_.addressType == f"IPv{family}":
            by_service.setdefault((slice_.metadata.namespace, name), []).append(slice_)
    ports: list[PortRules] = []
    checks: list[HealthCheck] = []
    for service in sorted(services, key=lambda s: (s.metadata.namespace, s.metadata.name)):
        if not proxied(service):
            continue
        own = by_service.get((service.metadata.namespace, service.metadata.name), [])
        rules = [r for p in service.spec.ports if (r := _rules(service, p, own, nodes, zones, family)) is not None]
        ports.extend(rules)
        check = service.spec.healthCheckNodePort
        if check and service.spec.externalTrafficPolicy == "Local" and rules:
            checks.append(
                HealthCheck(
                    service.metadata.namespace,
                    service.metadata.name,
                    check,
                    len({e.ip for r in rules for e in r.local}),
                )
            )
    return ServiceMap(tuple(ports), tuple(checks))


def proxied(service: Service) -> bool:
    """Whether a Service has a virtual address at all, and it is ours to serve."""
    spec = service.spec
    return (
        spec.type != "ExternalName"
        and spec.clusterIP not in ("", "None")
        and PROXY_NAME_LABEL not in service.metadata.labels
    )


def _rules(
    service: Service,
    port: ServicePort,
    slices: Sequence[EndpointSlice],
    nodes: Sequence[str],
    zones: Collection[str],
    family: int,
) -> PortRules | None:
    spec = service.spec
    cluster_ips = _of_family(spec.clusterIPs or [spec.clusterIP], family)
    if not cluster_ips:
        return None
    affinity = 0
    if spec.sessionAffinity == "ClientIP":
        config = spec.sessionAffinityConfig
        seconds = config.clientIP.timeoutSeconds if config is not None and config.clientIP is not None else None
        affinity = _AFFINITY_SECONDS if seconds is None else seconds
    everyone = list(_endpoints(port, slices, nodes))
    ingress = [i for i in service.status.loadBalancer.ingress if i.ip and i.ipMode != "Proxy"]
    return PortRules(
        namespace=service.metadata.namespace,
        name=service.metadata.name,
        port_name=port.name,
        protocol=port.protocol or "TCP",
        port=port.port,
        cluster_ips=cluster_ips,
        external_ips=_of_family(spec.externalIPs, family),
        load_balancer_ips=_of_family([i.ip for i in ingress], family),
        source_ranges=tuple(r.strip() for r in spec.loadBalancerSourceRanges if (":" in r) == (family == 6)),
        node_port=port.nodePort if spec.type in ("NodePort", "LoadBalancer") else 0,
        affinity_seconds=affinity,
        internal_local=spec.internalTrafficPolicy == "Local",
        external_local=spec.externalTrafficPolicy == "Local",
        cluster=serving([(e, c) for e, c, _ in near(everyone, nodes, zones)]),
        local=serving([(e, c) for e, c, _ in everyone if e.local]),
    )


def _of_family(addresses: Iterable[str], family: int) -> tuple[str, ...]:
    return tuple(a for a in addresses if a and a != "None" and ipaddress.ip_address(a).version == family)


Condition = tuple[bool, bool]
"""Whether an endpoint is ready, and whether it still serves while it terminates."""


Hinted = tuple[Endpoint, Condition, EndpointHints | None]


def _endpoints(port: ServicePort, slices: Iterable[EndpointSlice], nodes: Sequence[str]) -> Iterable[Hinted]:
    for slice_ in slices:
        for target in slice_.ports:
            if (target.name or "") != port.name or (target.protocol or "TCP") != (port.protocol or "TCP"):
                continue
            for endpoint in slice_.endpoints:
                if endpoint.addresses and target.port:
                    local = endpoint.nodeName is not None and endpoint.nodeName in nodes
                    yield Endpoint(endpoint.addresses[0], target.port, local), _condition(endpoint), endpoint.hints


def _condition(endpoint: discovery_v1.Endpoint) -> Condition:
    conditions = endpoint.conditions
    ready = conditions.ready is None or conditions.ready
    serving_ = ready if conditions.serving is None else conditions.serving
    return ready, serving_ and bool(conditions.terminating)


def serving(endpoints: Sequence[tuple[Endpoint, Condition]]) -> tuple[Endpoint, ...]:
    """The ready endpoints; when there is none, those that still serve although they terminate."""
    chosen = {e for e, (ready, _) in endpoints if ready} or {e for e, (_, leaving) in endpoints if leaving}
    return tuple(sorted(chosen))


def near(endpoints: Sequence[Hinted], nodes: Collection[str], zones: Collection[str]) -> list[Hinted]:
    """Those that are meant for clients here: on these nodes, else in these zones; all of them where there is no such
    endpoint, or a ready one says nothing of whom it is for (KEP-2433, KEP-3015)."""
    for here, names_of in ((set(nodes), _nodes), (set(zones), _zones)):
        meant_for = [names_of(hints) for _, (ready, _), hints in endpoints if ready]
        if meant_for and all(meant_for) and any(names & here for names in meant_for):
            return [each for each in endpoints if not each[1][0] or names_of(each[2]) & here]
    return [*endpoints]


def _nodes(hints: EndpointHints | None) -> set[str]:
    return {node.name for node in hints.forNodes} if hints is not None else set()


def _zones(hints: EndpointHints | None) -> set[str]:
    return {zone.name for zone in hints.forZones} if hints is not None else set()
