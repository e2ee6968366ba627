"""Where to reach a service from the API server.

It dials what is ready behind the service and not the service's own address, which only works on machines where a proxy
makes it work: the API server need not be on one (as with Kubernetes' `--enable-aggregator-routing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from api.core_v1 import Endpoints, Service
from api.discovery_v1 import EndpointSlice
from api.errors import NotFound, ServiceUnavailable, StatusError

if TYPE_CHECKING:
    from apiserver.endpoint import API

_SERVICE_NAME = "kubernetes.io/service-name"


def resolve_service(api: API, namespace: str, name: str, port: int) -> tuple[str, int]:
    """Host and port of something that is ready to answer for a service's port, any of them if there are several.

    Raises NotFound, ServiceUnavailable, StatusError.
    """
    service: Service | None = api.peek(Service, namespace, name)
    if service is None:
        raise NotFound(f'service "{name}" not found')
    if service.spec.type == "ExternalName":
        return service.spec.externalName, port
    named = next((each.name for each in service.spec.ports if each.port == port), None)
    if named is None:
        raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
    if service.spec.type not in ("ClusterIP", "LoadBalancer", "NodePort"):
        raise StatusError(f'unsupported service type "{service.spec.type}"')
    choices = list(_in_slices(api, namespace, name, named)) or list(_in_endpoints(api, namespace, name, named))
    if not choices:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return api.random.choice(choices)


def _in_slices(api: API, namespace: str, name: str, port: str) -> Iterator[tuple[str, int]]:
    endpoint = api.endpoint_of(EndpointSlice)
    for entry in api.cache.list(endpoint.prefix, namespace):
        if entry.labels.get(_SERVICE_NAME) != name:
            continue
        part: EndpointSlice = endpoint.decode(entry)
        ports = [each.port for each in part.ports if (each.name or "") == port and each.port is not None]
        for place in part.endpoints:
            if place.conditions.ready is not False:
                yield from ((place.addresses[0], number) for number in ports)


def _in_endpoints(api: API, namespace: str, name: str, port: str) -> Iterator[tuple[str, int]]:
    """Of services without a selector, whose Endpoints somebody writes by hand."""
    found: Endpoints | None = api.peek(Endpoints, namespace, name)
    for subset in found.subsets if found is not None else ():
        for each in subset.ports:
            if each.name == port:
                yield from ((place.ip, each.port) for place in subset.addresses)
