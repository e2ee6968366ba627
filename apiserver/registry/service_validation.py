"""The rules of Services.  https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.core_v1 import Service, ServicePort
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from apiserver.registry.addresses import address, family, network, parse
from apiserver.registry.endpoints import PROTOCOLS, not_special
from apiserver.registry.labels import validate_labels
from apiserver.registry.names import label, port_name, port_number, qualified, subdomain
from apiserver.registry.service_fields import (
    NONE,
    is_external,
    is_headless,
    needs_cluster_ip,
    needs_health_check_port,
)

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_AFFINITIES = ("ClientIP", "None")
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_LONGEST_AFFINITY = 86400
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"


def validate_service(service: Service) -> Iterator[FieldError]:
    """Every rule but those about metadata and about what the server allocates."""
    spec, annotations = service.spec, service.metadata.annotations
    hints, mode = annotations.get(TOPOLOGY_HINTS), annotations.get(TOPOLOGY_MODE)
    if None not in (hints, mode) and hints != mode:
        detail = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        yield invalid_value(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, detail)
    if not spec.ports and not is_headless(service) and spec.type != "ExternalName":
        yield required("spec.ports")
    yield from _validate_type(service)
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        yield from _validate_port(port, len(spec.ports) > 1, names, f"spec.ports[{index}]")
    if spec.selector:
        yield from validate_labels(spec.selector, "spec.selector")
    yield from _validate_affinity(service)
    yield from validate_cluster_ips(service)
    for index, text in enumerate(spec.externalIPs):
        where = f"spec.externalIPs[{index}]"
        complaints = address(text)
        for complaint in complaints:
            yield invalid_value(where, text, complaint)
        if not complaints:
            yield from not_special(text, where)
    if not spec.type:
        yield required("spec.type")
    elif spec.type not in TYPES:
        yield not_supported("spec.type", spec.type, TYPES)
    yield from _validate_node_ports(service)
    yield from _validate_load_balancer(service)
    yield from _validate_traffic(service)


def _validate_type(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    match spec.type:
        case "LoadBalancer":
            if is_headless(service):
                yield invalid_value("spec.clusterIPs[0]", NONE, "may not be set to 'None' for LoadBalancer services")
        case "NodePort":
            if is_headless(service):
                yield invalid_value("spec.clusterIPs[0]", NONE, "may not be set to 'None' for NodePort services")
        case "ExternalName":
            detail = "may not be set for ExternalName services"
            if spec.clusterIPs:
                yield forbidden("spec.clusterIPs", detail)
            if spec.ipFamilies:
                yield forbidden("spec.ipFamilies", detail)
            if spec.ipFamilyPolicy is not None:
                yield forbidden("spec.ipFamilyPolicy", detail)
            name = spec.externalName.removesuffix(".")  # a trailing dot says that the name is complete
            if not name:
                yield required("spec.externalName")
            for complaint in subdomain(name) if name else ():
                yield invalid_value("spec.externalName", name, complaint)


def _validate_port(port: ServicePort, needs_name: bool, names: set[str], path: str) -> Iterator[FieldError]:
    if not port.name:
        if needs_name:
            yield required(f"{path}.name")
    else:
        for complaint in label(port.name):
            yield invalid_value(f"{path}.name", port.name, complaint)
        if port.name in names:
            yield duplicate(f"{path}.name", port.name)
        names.add(port.name)
    for complaint in port_number(port.port):
        yield invalid_value(f"{path}.port", port.port, complaint)
    if not port.protocol:
        yield required(f"{path}.protocol")
    elif port.protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", port.protocol, PROTOCOLS)
    target = port.targetPort
    if target is not None:
        for complaint in port_name(target) if isinstance(target, str) else port_number(target):
            yield invalid_value(f"{path}.targetPort", target, complaint)
    if port.appProtocol is not None:
        for complaint in qualified(port.appProtocol):
            yield invalid_value(f"{path}.appProtocol", port.appProtocol, complaint)


def _validate_affinity(service: Service) -> Iterator[FieldError]:
    spec, path = service.spec, "spec.sessionAffinityConfig"
    if not spec.sessionAffinity:
        yield required("spec.sessionAffinity")
    elif spec.sessionAffinity not in _AFFINITIES:
        yield not_supported("spec.sessionAffinity", spec.sessionAffinity, _AFFINITIES)
    if spec.sessionAffinity == "ClientIP":
        config = spec.sessionAffinityConfig
        if config is None:
            yield required(path, "when session affinity type is ClientIP")
        elif config.clientIP is None:
            yield required(f"{path}.clientIP", "when session affinity type is ClientIP")
        elif config.clientIP.timeoutSeconds is None:
            yield required(f"{path}.clientIP.timeoutSeconds", "when session affinity type is ClientIP")
        elif not 0 < config.clientIP.timeoutSeconds <= _LONGEST_AFFINITY:
            detail = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            yield invalid_value(f"{path}.clientIP.timeoutSeconds", config.clientIP.timeoutSeconds, detail)
    elif spec.sessionAffinity == "None" and spec.sessionAffinityConfig is not None:
        yield forbidden(path, "must not be set when session affinity is None")


def validate_cluster_ips(service: Service) -> Iterator[FieldError]:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy must agree with each other."""
    spec = service.spec
    if spec.type == "ExternalName":
        return
    wrong = False
    addresses = list(spec.clusterIPs)
    if addresses and not spec.clusterIP:
        wrong = True
        yield invalid_value("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    elif addresses and spec.clusterIP != addresses[0]:
        wrong = True
        yield invalid_value("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    seen: set[str] = set()
    for index, name in enumerate(spec.ipFamilies):
        if name not in _FAMILIES:
            wrong = True
            yield not_supported(f"spec.ipFamilies[{index}]", name, _FAMILIES)
        if name in seen:
            wrong = True
            yield duplicate(f"spec.ipFamilies[{index}]", name)
        seen.add(name)
    if spec.ipFamilyPolicy is not None and spec.ipFamilyPolicy not in _POLICIES:
        wrong = True
        yield not_supported("spec.ipFamilyPolicy", spec.ipFamilyPolicy, _POLICIES)
    invalid = False
    for index, text in enumerate(addresses):
        if index == 0 and text == NONE:
            if len(addresses) > 1:
                invalid = True
                yield invalid_value("spec.clusterIPs", addresses, "'None' must be the first and only value")
            continue
        for complaint in address(text):
            invalid = True
            yield invalid_value(f"spec.clusterIPs[{index}]", text, complaint)
    if len(addresses) > 2:
        wrong = True
        yield invalid_value("spec.clusterIPs", addresses, "may only hold up to 2 values")
    if invalid:
        return
    if len(addresses) > 1 and len({family(text) for text in addresses}) != len(addresses):
        wrong = True
        yield invalid_value("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family")
    if wrong or is_headless(service):
        return
    for index, (text, wanted) in enumerate(zip(addresses, spec.ipFamilies, strict=False)):
        if family(text) != wanted:
            detail = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            yield invalid_value(f"spec.clusterIPs[{index}]", text, detail)


def _validate_node_ports(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    if spec.type == "ClusterIP":
        for index, port in enumerate(spec.ports):
            if port.nodePort:
                yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    taken: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        if port.nodePort:
            if (port.protocol, port.nodePort) in taken:
                yield duplicate(f"spec.ports[{index}].nodePort", port.nodePort)
            taken.add((port.protocol, port.nodePort))
    taken = set()
    for index, port in enumerate(spec.ports):
        if (port.protocol, port.port) in taken:
            yield duplicate(f"spec.ports[{index}]", _port_shown(port))
        taken.add((port.protocol, port.port))


def _port_shown(port: ServicePort) -> dict[str, Any]:
    # Kubernetes quotes its internal form of a port that has nothing but protocol and number.
    return {
        "Name": "",
        "Protocol": port.protocol,
        "AppProtocol": None,
        "Port": port.port,
        "TargetPort": 0,
        "NodePort": 0,
    }


def _validate_load_balancer(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    balanced = spec.type == "LoadBalancer"
    if spec.loadBalancerSourceRanges:
        path = "spec.LoadBalancerSourceRanges"
        if not balanced:
            yield forbidden(path, _ONLY_BALANCED)
        for index, text in enumerate(spec.loadBalancerSourceRanges):
            for complaint in network(text.strip()):
                yield invalid_value(f"{path}[{index}]", text.strip(), complaint)
    elif _SOURCE_RANGES in service.metadata.annotations:
        path, ranges = f"metadata.annotations[{_SOURCE_RANGES}]", service.metadata.annotations[_SOURCE_RANGES].strip()
        if not balanced:
            yield forbidden(path, _ONLY_BALANCED)
        for text in ranges.split(",") if ranges else ():
            for complaint in network(text.strip()):
                yield invalid_value(path, text.strip(), complaint)
    if spec.allocateLoadBalancerNodePorts is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCED)
    if balanced and spec.allocateLoadBalancerNodePorts is None:
        yield required("spec.allocateLoadBalancerNodePorts")
    if spec.loadBalancerClass is not None:
        if not balanced:
            yield forbidden("spec.loadBalancerClass", _ONLY_BALANCED)
        for complaint in qualified(spec.loadBalancerClass) if balanced else ():
            yield invalid_value("spec.loadBalancerClass", spec.loadBalancerClass, complaint)


def _validate_traffic(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    policy = spec.externalTrafficPolicy
    if not is_external(service):
        if policy:
            detail = "may only be set for externally-accessible services"
            yield invalid_value("spec.externalTrafficPolicy", policy, detail)
    elif not policy:
        yield required("spec.externalTrafficPolicy")
    elif policy not in _TRAFFIC:
        yield not_supported("spec.externalTrafficPolicy", policy, _TRAFFIC)
    if spec.healthCheckNodePort:
        if not needs_health_check_port(service):
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield invalid_value("spec.healthCheckNodePort", spec.healthCheckNodePort, detail)
        else:
            for complaint in port_number(spec.healthCheckNodePort):
                yield invalid_value("spec.healthCheckNodePort", spec.healthCheckNodePort, complaint)
    inside = spec.internalTrafficPolicy
    if inside is None:
        if needs_cluster_ip(service):
            yield required("spec.internalTrafficPolicy")
    elif inside not in _TRAFFIC:
        yield not_supported("spec.internalTrafficPolicy", inside, _TRAFFIC)
    if spec.trafficDistribution is not None and spec.trafficDistribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", spec.trafficDistribution, _DISTRIBUTIONS)


def validate_service_change(new: Service, old: Service) -> Iterator[FieldError]:
    """Addresses and families stay as they are; a second one may come and go (KEP-563)."""
    if new.spec.type != "ExternalName" and old.spec.type != "ExternalName":
        if not (is_headless(new) and is_headless(old)):
            yield from _validate_kept(new, new.spec.clusterIPs, old.spec.clusterIPs, "clusterIP")
        if not is_headless(new) and not is_headless(old):
            yield from _validate_kept(new, new.spec.ipFamilies, old.spec.ipFamilies, "ipFamily")
    if new.spec.type == old.spec.type == "LoadBalancer" and new.spec.loadBalancerClass != old.spec.loadBalancerClass:
        yield invalid_value("spec.loadBalancerClass", new.spec.loadBalancerClass, "may not change once set")
    checked = needs_health_check_port(new) and needs_health_check_port(old)
    if checked and new.spec.healthCheckNodePort != old.spec.healthCheckNodePort:
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _validate_kept(service: Service, new: list[str], old: list[str], name: str) -> Iterator[FieldError]:
    of_addresses = name == "clusterIP"
    path = "spec.clusterIPs" if of_addresses else "spec.ipFamilies"
    if len(new) == len(old):
        for index, value in enumerate(old):
            if value != new[index]:
                where = f"{path}[{index if of_addresses else 0}]"
                yield invalid_value(where, list(new), "may not change once set")
        return
    if not service.spec.clusterIPs and len(old) > len(new):
        yield invalid_value(f"{path}[0]", list(new), f"primary {name} can not be unset")
    if old and new and new[0] != old[0]:
        # Kubernetes quotes the addresses here, whichever of the two it is about.
        yield invalid_value(f"{path}[0]", list(service.spec.clusterIPs), "may not change once set")
    if len(old) > len(new) == 1 and service.spec.ipFamilyPolicy != "SingleStack":
        detail = f"must be set to 'SingleStack' when releasing the secondary {name}"
        yield invalid_value("spec.ipFamilyPolicy", service.spec.ipFamilyPolicy, detail)


def validate_load_balancer_status(service: Service) -> Iterator[FieldError]:
    path = "status.loadBalancer.ingress"
    ingress = service.status.loadBalancer.ingress
    if ingress and service.spec.type != "LoadBalancer":
        yield forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, entry in enumerate(ingress):
        where = f"{path}[{index}]"
        if entry.ip:
            for complaint in address(entry.ip):
                yield invalid_value(f"{where}.ip", entry.ip, complaint)
            if entry.ipMode is None:
                yield required(f"{where}.ipMode", "must be specified when `ip` is set")
        elif entry.ipMode is not None:
            yield forbidden(f"{where}.ipMode", "may not be specified when `ip` is not set")
        if entry.ip and entry.ipMode not in (None, "Proxy", "VIP"):
            yield not_supported(f"{where}.ipMode", entry.ipMode, ("Proxy", "VIP"))
        if entry.hostname:
            for complaint in subdomain(entry.hostname):
                yield invalid_value(f"{where}.hostname", entry.hostname, complaint)
            if parse(entry.hostname) is not None:
                yield invalid_value(f"{where}.hostname", entry.hostname, "must be a DNS name, not an IP address")
