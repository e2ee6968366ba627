"""The objects that every cluster has from its first moment on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.core_v1 import (
    ConfigMap,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from api.discovery_v1 import Endpoint, EndpointConditions, EndpointSlice
from api.discovery_v1 import EndpointPort as SlicePort
from api.meta_v1 import ObjectMeta

if TYPE_CHECKING:
    from api.scheduling_v1 import PriorityClass

BuiltIn = Namespace | Service | Endpoints | EndpointSlice
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME, _PORT_NAME, _PORT = "kubernetes", "https", 443
_LABELS = {"component": "apiserver", "provider": "kubernetes"}
_OWN_ENDPOINTS = {"endpointslice.kubernetes.io/skip-mirror": "true"}


def objects(advertise_address: str, port: int, service_range: str) -> Iterator[BuiltIn]:
    """The namespaces, and the Service through which pods find the API server at `advertise_address:port`.

    `service_range` is `--service-cluster-ip-range`; the Service has its first address.
    """
    for name in NAMESPACES:
        yield Namespace(metadata=ObjectMeta(name=name))
    yield kubernetes_service(port, service_range)
    yield kubernetes_endpoints(advertise_address, port)
    yield kubernetes_endpoint_slice(advertise_address, port)


def later_objects(now: datetime) -> Iterator[PriorityClass | ConfigMap]:
    """What every cluster has, too, but nobody waits for."""
    from api.scheduling_v1 import PriorityClass
    from apiserver.registry.priority_classes import SYSTEM_CLASSES

    for name, (value, description) in SYSTEM_CLASSES.items():
        yield PriorityClass(metadata=ObjectMeta(name=name), value=value, description=description)
    # Since when every use of a token in a Secret has been noted: others tell by it which ones nobody uses.
    tracking = ObjectMeta(name="kube-apiserver-legacy-service-account-token-tracking", namespace="kube-system")
    yield ConfigMap(metadata=tracking, data={"since": f"{now.astimezone(UTC):%Y-%m-%d}"})


def kubernetes_service(port: int, service_range: str) -> Service:
    """`default/kubernetes`; it has no selector: its endpoints are the API servers themselves."""
    primary = ipaddress.ip_network(service_range.split(",")[0].strip())
    address = str(primary.network_address + 1)
    return Service(
        metadata=ObjectMeta(name=_NAME, namespace="default", labels=dict(_LABELS)),
        spec=ServiceSpec(
            type="ClusterIP",
            clusterIP=address,
            ipFamilyPolicy="SingleStack",
            sessionAffinity="None",
            internalTrafficPolicy="Cluster",
            ports=[ServicePort(name=_PORT_NAME, protocol="TCP", port=_PORT, targetPort=port)],
        ),
    )


def kubernetes_endpoints(address: str, port: int) -> Endpoints:
    subset = EndpointSubset(
        addresses=[EndpointAddress(ip=address)], ports=[EndpointPort(name=_PORT_NAME, port=port, protocol="TCP")]
    )
    return Endpoints(
        metadata=ObjectMeta(name=_NAME, namespace="default", labels=dict(_OWN_ENDPOINTS)), subsets=[subset]
    )


def kubernetes_endpoint_slice(address: str, port: int) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=_NAME, namespace="default", labels={"kubernetes.io/service-name": _NAME}),
        addressType=f"IPv{ipaddress.ip_address(address).version}",
        endpoints=[Endpoint(addresses=[address], conditions=EndpointConditions(ready=True))],
        ports=[SlicePort(name=_PORT_NAME, protocol="TCP", port=port)],
    )
