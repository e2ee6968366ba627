"""Which fields of a Service its type calls for, and how they follow a change of type."""

from __future__ import annotations

from api.core_v1 import Service, ServicePort

NONE = "None"
_ADDRESSED = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})


def is_headless(service: Service) -> bool:
    addresses = service.spec.clusterIPs
    return service.spec.clusterIP == NONE or (len(addresses) == 1 and addresses[0] == NONE)


def needs_cluster_ip(service: Service) -> bool:
    return service.spec.type in _ADDRESSED


def is_external(service: Service) -> bool:
    """Whether traffic from outside the cluster can reach it."""
    spec = service.spec
    return spec.type in ("LoadBalancer", "NodePort") or (spec.type == "ClusterIP" and bool(spec.externalIPs))


def needs_node_ports(service: Service) -> bool:
    spec = service.spec
    return spec.type == "NodePort" or (spec.type == "LoadBalancer" and spec.allocateLoadBalancerNodePorts is not False)


def may_have_node_ports(service: Service) -> bool:
    """Whether node ports that the user names are honoured."""
    return service.spec.type in ("NodePort", "LoadBalancer")


def needs_health_check_port(service: Service) -> bool:
    return service.spec.type == "LoadBalancer" and service.spec.externalTrafficPolicy == "Local"


def node_ports(service: Service) -> set[int]:
    return {port.nodePort for port in service.spec.ports if port.nodePort}


def keep_allocated(new: Service, old: Service) -> None:
    """A client that leaves out what the server allocated does not mean to give it back."""
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not new.spec.clusterIP:
            new.spec.clusterIP = old.spec.clusterIP
        if not new.spec.clusterIPs and new.spec.clusterIP == old.spec.clusterIP:
            new.spec.clusterIPs = list(old.spec.clusterIPs)
        if not new.spec.ipFamilies:
            new.spec.ipFamilies = list(old.spec.ipFamilies)
        if new.spec.ipFamilyPolicy is None:
            new.spec.ipFamilyPolicy = old.spec.ipFamilyPolicy
    if needs_node_ports(old) and needs_node_ports(new):
        used = node_ports(old) & node_ports(new)
        by_name = {port.name: port.nodePort for port in old.spec.ports}
        for port in new.spec.ports:
            former = by_name.get(port.name, 0)
            if not port.nodePort and former and former not in used:
                port.nodePort = former
                used.add(former)
    if needs_health_check_port(old) and needs_health_check_port(new) and not new.spec.healthCheckNodePort:
        new.spec.healthCheckNodePort = old.spec.healthCheckNodePort


def synchronise_cluster_ips(new: Service, old: Service | None) -> None:
    """clusterIP is the older field for the first of clusterIPs: clients that know one only still change both."""
    spec = new.spec
    if old is None:
        if spec.clusterIP and not spec.clusterIPs:
            spec.clusterIPs = [spec.clusterIP]
        return
    same_list = spec.clusterIPs == old.spec.clusterIPs
    if old.spec.clusterIPs and not spec.clusterIPs and spec.clusterIP == old.spec.clusterIP:
        spec.clusterIPs = list(old.spec.clusterIPs)
    if spec.clusterIP != old.spec.clusterIP:
        if old.spec.clusterIP and not spec.clusterIP:
            if same_list:
                spec.clusterIPs = []
        elif same_list or not spec.clusterIPs:
            spec.clusterIPs = [spec.clusterIP]


def drop_unfitting(new: Service, old: Service) -> None:
    """Clear what the old type needed and the new one has no use for, unless the user changed it in the same breath."""
    spec, former = new.spec, old.spec
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if spec.clusterIP == former.clusterIP and spec.clusterIPs == former.clusterIPs:
            spec.clusterIP, spec.clusterIPs = "", []
        if spec.ipFamilies == former.ipFamilies:
            spec.ipFamilies = []
        if spec.ipFamilyPolicy == former.ipFamilyPolicy:
            spec.ipFamilyPolicy = None
        if spec.internalTrafficPolicy == former.internalTrafficPolicy:
            spec.internalTrafficPolicy = None
    if needs_node_ports(old) and not needs_node_ports(new) and _numbers(spec.ports) == _numbers(former.ports):
        for port in spec.ports:
            port.nodePort = 0
    if (
        needs_health_check_port(old)
        and not needs_health_check_port(new)
        and spec.healthCheckNodePort == former.healthCheckNodePort
    ):
        spec.healthCheckNodePort = 0
    if former.type == "LoadBalancer" and spec.type != "LoadBalancer":
        if spec.allocateLoadBalancerNodePorts == former.allocateLoadBalancerNodePorts:
            spec.allocateLoadBalancerNodePorts = None
        if spec.loadBalancerClass == former.loadBalancerClass:
            spec.loadBalancerClass = None
    if is_external(old) and not is_external(new) and spec.externalTrafficPolicy == former.externalTrafficPolicy:
        spec.externalTrafficPolicy = ""


def _numbers(ports: list[ServicePort]) -> set[int]:
    return {port.nodePort for port in ports}
