"""Where the server itself connects to when it must reach a Service: webhooks, servers of aggregated APIs.

Kubernetes goes to the Service's cluster address, or with `--enable-aggregator-routing` to one of its endpoints.  Here
it is always an endpoint: the API server may run where no proxy has made cluster addresses reachable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.core_v1 import Service
from api.errors import ServiceUnavailable
from apiserver.endpoint import API
from apiserver.storage.watch_cache import WatchCache, key_prefix

SLICES = key_prefix("endpointslices.discovery.k8s.io")
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """One thing that answers for a Service.  `name` is what its certificate must be for."""

    host: str
    port: int
    name: str

    @property
    def authority(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def service_targets(api: API, namespace: str, name: str, port: int) -> list[ServiceTarget]:
    """All that answer for a Service's port and are ready; at least one.

    Raises NotFound without such a Service, ServiceUnavailable when it has no such port or nothing that is ready.
    """
    endpoint = api.endpoint_of(Service)
    spec: dict[str, Any] = endpoint.find(namespace, name).document["spec"]
    certified = f"{name}.{namespace}.svc"
    if spec.get("type") == "ExternalName":
        return [ServiceTarget(spec["externalName"], port, certified)]
    named = next((each.get("name") or "" for each in spec.get("ports", ()) if each["port"] == port), None)
    if named is None:
        raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
    found = [
        ServiceTarget(address, number, certified)
        for document in slices(api.cache, namespace, name)
        for number in ports(document, named)
        for address in ready_addresses(document)
    ]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return found


def service_target(api: API, namespace: str, name: str, port: int) -> ServiceTarget:
    """Any one of them."""
    return api.random.choice(service_targets(api, namespace, name, port))


def slices(cache: WatchCache, namespace: str, name: str) -> list[dict[str, Any]]:
    """The EndpointSlices of a Service."""
    return [entry.document for entry in cache.list(SLICES, namespace) if entry.labels.get(SERVICE_NAME) == name]


def ports(document: dict[str, Any], named: str) -> list[int]:
    """The numbers that a slice has for a port of that name."""
    return [each["port"] for each in document.get("ports") or () if each.get("name", "") == named and each.get("port")]


def ready_addresses(document: dict[str, Any]) -> Iterator[str]:
    """Of each endpoint of a slice that is ready, or does not say, the address to use."""
    if document["addressType"] == "FQDN":
        return
    for each in document.get("endpoints") or ():
        if each.get("conditions", {}).get("ready") is not False:
            yield each["addresses"][0]
