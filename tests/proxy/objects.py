"""Services and EndpointSlices in a few words."""

from __future__ import annotations

from typing import Any

from api.core_v1 import Service
from api.discovery_v1 import EndpointSlice
from proxy.service_map import ServiceMap, service_map


def service(name: str = "web", ip: str = "10.96.0.10", port: int = 80, **more: Any) -> Service:
    """A ClusterIP service of one port; node_port= makes it a NodePort, the rest goes into the spec."""
    node_port = more.pop("node_port", 0)
    protocol = more.pop("protocol", "TCP")
    spec = {
        "type": "NodePort" if node_port else "ClusterIP",
        "clusterIP": ip,
        "clusterIPs": [ip],
        "ports": [{"name": "http", "port": port, "protocol": protocol, "nodePort": node_port}],
        **more,
    }
    status = {"loadBalancer": {"ingress": [{"ip": i} for i in spec.pop("ingress", [])]}}
    return Service.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": spec, "status": status})


def slice_of(name: str, *endpoints: Any, port: int = 8080, protocol: str = "TCP") -> EndpointSlice:
    """Endpoints are addresses, or dictionaries as in the API."""
    listed = [e if isinstance(e, dict) else {"addresses": [e], "conditions": {"ready": True}} for e in endpoints]
    return EndpointSlice.from_dict(
        {
            "metadata": {
                "name": f"{name}-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": listed,
            "ports": [{"name": "http", "port": port, "protocol": protocol}],
        }
    )


def mapped(
    *objects: Service | EndpointSlice, nodes: tuple[str, ...] = ("node",), zones: tuple[str, ...] = ()
) -> ServiceMap:
    """The service map of these objects."""
    services = [o for o in objects if isinstance(o, Service)]
    return service_map(services, [o for o in objects if isinstance(o, EndpointSlice)], nodes, zones=zones)
