"""Keeps a range of Services' addresses from going while addresses of it are in use, and says that it is ready.

https://kubernetes.io/docs/reference/networking/virtual-ips/#ip-address-objects (KEP-1880)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from datetime import timedelta

from api.meta_v1 import PartialObjectMetadata
from api.networking_v1 import IPAddress, ServiceCIDR
from api.scheme import resource_of
from client.controller import Controller, Key, Watches, nothing

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
_MANAGED_BY, _MANAGER = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
_GRACE = timedelta(seconds=10)
"""How long API servers may take to notice that a range goes, and to take no more addresses of it."""
_IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
_READY = "Kubernetes Service CIDR is ready"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ServiceCIDRController(Controller):
    name = "service-cidr-controller"

    def setup(self, watch: Watches) -> None:
        self.ranges = watch(ServiceCIDR, enqueue=nothing)
        watch(ServiceCIDR, enqueue=self._range_changed)  # which may be told at once of what is known already
        self.addresses = watch(PartialObjectMetadata, enqueue=self._address_changed, resource=resource_of(IPAddress))

    def _range_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> Iterable[Key]:
        """A range that comes may take over another's addresses; one that goes may leave it with them."""
        changed = new or old
        assert changed is not None
        mine = [*networks(changed)]
        others = (each for each in self.ranges if any(_overlap(a, b) for a in mine for b in networks(each)))
        return {changed.metadata.name, *(each.metadata.name for each in others)}

    def _address_changed(self, old: PartialObjectMetadata | None, new: PartialObjectMetadata | None) -> Iterable[Key]:
        if (old is None) == (new is None):
            return []
        address = _address(new or old)
        return [] if address is None else [each.metadata.name for each in self._with(address)]

    def _with(self, address: Address) -> list[ServiceCIDR]:
        return [each for each in self.ranges if any(address in network for network in networks(each))]

    async def reconcile(self, key: Key) -> None:
        found = self.ranges.get(key)
        if found is None:
            return
        has_finalizer = FINALIZER in found.metadata.finalizers
        if found.metadata.deletionTimestamp is None:
            if not has_finalizer:
                await self._patch(key, {"finalizers": [FINALIZER]})
            await self._say(found, "True", "", _READY)
        elif not self._may_go(found):
            await self._say(found, "False", "Terminating", _IN_USE)
        elif has_finalizer:
            left = (found.metadata.deletionTimestamp + _GRACE - self.clock.now()).total_seconds()
            if left > 0:
                self.queue.add_after(key, left)
            else:
                await self._patch(key, {"$deleteFromPrimitiveList/finalizers": [FINALIZER]})

    def _may_go(self, going: ServiceCIDR) -> bool:
        """Whether every address would still be of another range."""
        others = [network for each in self.ranges if each is not going for network in networks(each)]
        if all(any(_contains(other, network) for other in others) for network in networks(going)):
            return True
        used = map(_address, self.addresses)
        return not any(address is not None and self._with(address) == [going] for address in used)

    async def _patch(self, name: str, metadata: dict[str, list[str]]) -> None:
        await self.client.patch(ServiceCIDR, name, "", {"metadata": metadata}, type="strategic")

    async def _say(self, found: ServiceCIDR, status: str, reason: str, message: str) -> None:
        known = next((each for each in found.status.conditions if each.type == "Ready"), None)
        if known is not None and (known.status, known.reason, known.message) == (status, reason, message):
            return
        condition = {
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": f"{self.clock.now():%FT%TZ}",
        }  # fmt: skip
        name = found.metadata.name
        body = {
            "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
            "metadata": {"name": name}, "status": {"conditions": [condition]},
        }  # fmt: skip
        await self.client.patch(
            ServiceCIDR, name, "", body, type="apply", subresource="status", field_manager=self.name, force=True
        )


def networks(found: ServiceCIDR) -> Iterator[Network]:
    return map(ipaddress.ip_network, found.spec.cidrs)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _contains(outer: Network, inner: Network) -> bool:
    return _overlap(outer, inner) and outer.prefixlen <= inner.prefixlen


def _address(found: PartialObjectMetadata | None) -> Address | None:
    """The address of an IPAddress that the API server took for a Service."""
    if found is None or found.metadata.labels.get(_MANAGED_BY) != _MANAGER:
        return None
    return ipaddress.ip_address(found.metadata.name)
