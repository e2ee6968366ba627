"""The addresses of Services as objects for everybody to see: IPAddresses, and the ServiceCIDRs they come from.

https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/, KEP-1880
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.core_v1 import Service
from api.meta_v1 import ManagedFieldsEntry, ObjectMeta
from api.scheme import resource_of_kind
from apiserver.registry.addresses import Address, parse, parse_network
from apiserver.registry.strategy import Context, Network

if TYPE_CHECKING:
    from api.networking_v1 import IPAddress, ServiceCIDR

# The types are imported where there is something to make or to read: a server starts without them.
MANAGED_BY, MANAGER = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
_FAMILY = "ipaddress.kubernetes.io/ip-family"
_READY = "Ready"
_RANGES_CONTROLLER = "kubernetes-service-cidr-controller"
DEFAULT_RANGES = "kubernetes"
"""The name of the ServiceCIDR of `--service-cluster-ip-range`."""


class ClusterAddresses:
    """What IPAddresses and ServiceCIDRs say about addresses."""

    def __init__(self, context: Context) -> None:
        self._context = context
        resource = resource_of_kind("networking.k8s.io/v1", "IPAddress")
        assert resource is not None
        self._resource = resource

    def is_taken(self, address: Address) -> bool:
        return self._context.exists(self._resource, "", str(address))

    def ranges(self) -> Iterator[Network]:
        """Those in use: not of ServiceCIDRs that are being deleted or are not ready."""
        from api.networking_v1 import ServiceCIDR

        for obj in self._context.list(ServiceCIDR, ""):
            ready = all(c.status == "True" for c in obj.status.conditions if c.type == _READY)
            if ready and obj.metadata.deletionTimestamp is None:
                yield from (found for text in obj.spec.cidrs if (found := parse_network(text)) is not None)


def address_objects(service: Service, addresses: Iterable[str]) -> list[IPAddress]:
    """The IPAddresses of a service that has these addresses."""
    from api.networking_v1 import IPAddress, IPAddressSpec, ParentReference

    found = filter(None, map(parse, addresses))
    parent = ParentReference(resource="services", namespace=service.metadata.namespace, name=service.metadata.name)
    return [
        IPAddress(
            metadata=ObjectMeta(name=str(address), labels={_FAMILY: f"IPv{address.version}", MANAGED_BY: MANAGER}),
            spec=IPAddressSpec(parentRef=parent),
        )
        for address in found
    ]


def default_ranges(networks: Iterable[Network], now: datetime) -> ServiceCIDR:
    """The ServiceCIDR of `--service-cluster-ip-range`."""
    from api.meta_v1 import Condition
    from api.networking_v1 import ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus

    ready = Condition(
        type=_READY,
        status="True",
        lastTransitionTime=now,
        reason="",
        message="Kubernetes default Service CIDR is ready",
    )
    # In Kubernetes a controller inside the API server applies the status.
    said: dict[str, Any] = {f"f:{name}": {} for name in ("lastTransitionTime", "message", "status", "type")}
    of_status = {"f:status": {"f:conditions": {f'k:{{"type":"{_READY}"}}': {".": {}, **said}}}}
    owners = [
        _owner(_RANGES_CONTROLLER, "Apply", now, of_status, subresource="status"),
        _owner("kube-apiserver", "Update", now, {"f:spec": {"f:cidrs": {}}}),
    ]
    return ServiceCIDR(
        metadata=ObjectMeta(name=DEFAULT_RANGES, managedFields=owners),
        spec=ServiceCIDRSpec(cidrs=[str(network) for network in networks]),
        status=ServiceCIDRStatus(conditions=[ready]),
    )


def _owner(
    manager: str, operation: str, time: datetime, fields: dict[str, Any], subresource: str = ""
) -> ManagedFieldsEntry:
    return ManagedFieldsEntry(
        manager=manager,
        operation=operation,
        apiVersion="networking.k8s.io/v1",
        time=time,
        fieldsType="FieldsV1",
        fieldsV1=fields,
        subresource=subresource,
    )
