"""Keeps the objects about Services' addresses in step with the Services: IPAddresses, and the default ServiceCIDR.

A write of a Service does this itself (`handlers.companions`).  Left to here is what was made before the server served,
what somebody has deleted, and what a server that was stopped in the middle of a write has left.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from api.core_v1 import Service
from api.errors import AlreadyExists
from api.scheme import Resource, resource_of, resource_of_kind
from apiserver.endpoint import API, Endpoint
from apiserver.handlers.companions import create_companions
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.write import Write
from apiserver.registry.addresses import parse
from apiserver.registry.service_addresses import DEFAULT_RANGES, MANAGED_BY, MANAGER, address_objects, default_ranges
from apiserver.registry.strategy import Network
from apiserver.request import User
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import KeyMissing, RevisionMismatch, StoreError

if TYPE_CHECKING:
    from apiserver.registry.services import Services

_PERIOD = 180.0  # seconds; Kubernetes' own
log = logging.getLogger(__name__)


async def keep_in_step(api: API, user: User, networks: Sequence[Network]) -> None:
    """For ever, once every three minutes."""
    while True:
        await api.clock.sleep(_PERIOD)
        try:
            await bring_in_step(api, user, networks)
        except StoreError as error:
            log.warning("the addresses of services could not be recorded: %s", error)


async def bring_in_step(api: API, user: User, networks: Sequence[Network]) -> None:
    """Where all is in step nothing is loaded for it."""
    services, addresses, ranges = (_endpoint(api, r) for r in (resource_of(Service), *_resources()))
    write = Write(api, services, user, WriteOptions(), "", [])
    if api.cache.get(ranges.key("", DEFAULT_RANGES)) is None:
        with suppress(AlreadyExists):
            await create_companions(write, [default_ranges(networks, api.clock.now().replace(microsecond=0))])
    for entry in api.cache.list(services.prefix):
        missing = [name for name in _addresses(entry) if api.cache.get(addresses.key("", name)) is None]
        if missing:
            with suppress(AlreadyExists):
                await create_companions(write, address_objects(services.decode(entry), missing))
    in_use = {name for entry in api.cache.list(services.prefix) for name in _addresses(entry)}
    for entry in api.cache.list(addresses.prefix):
        ours = entry.document["metadata"].get("labels", {}).get(MANAGED_BY) == MANAGER
        if ours and entry.name not in in_use and not _is_allocated(services, entry.name):
            with suppress(RevisionMismatch, KeyMissing):
                await api.cache.delete(entry.key, entry.value, entry.revision)


def _resources() -> Iterator[Resource]:
    for kind in ("IPAddress", "ServiceCIDR"):
        resource = resource_of_kind("networking.k8s.io/v1", kind)
        assert resource is not None
        yield resource


def _endpoint(api: API, resource: Resource) -> Endpoint:
    return api.endpoints[resource.group, resource.group_version.version, resource.plural]


def _addresses(service: Entry) -> Iterator[str]:
    """The addresses of a stored Service, as IPAddresses are called."""
    spec = service.document["spec"]
    for text in spec.get("clusterIPs", ()) if spec.get("type") != "ExternalName" else ():
        if (found := parse(text)) is not None:
            yield str(found)


def _is_allocated(services: Endpoint, name: str) -> bool:
    """Whether an address is taken for a Service that is only about to be stored."""
    address, strategy = parse(name), cast("Services", services.strategy)
    return address is not None and any(address in known for known in strategy.allocation.addresses.values())
