"""EndpointSlices: where a service is served from (KEP-752)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from api.discovery_v1 import EndpointSlice, ForNode, ForZone
from api.errors import FieldError, duplicate, invalid_value, not_supported, required, too_many
from api.scheme import resource_of
from apiserver.registry.addresses import address, family, warn_of_spelling
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.endpoints import PROTOCOLS, is_api_server, not_special
from apiserver.registry.names import Complaints, label, label_value, qualified, subdomain
from apiserver.registry.strategy import Column, Context, Strategy

_FAMILIES = ("FQDN", "IPv4", "IPv6")
_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_PORTS = 20000
_MOST_HINTS = 8
_SHOWN = 3


class EndpointSlices(Strategy[EndpointSlice]):
    resource = resource_of(EndpointSlice)
    revalidates_metadata = False
    columns = (
        NAME,
        Column("AddressType", lambda s, now: s.addressType, description="IPv4, IPv6 or FQDN."),
        Column("Ports", lambda s, now: _ports(s), description="The ports, or <unset> when every port is meant."),
        Column("Endpoints", lambda s, now: _endpoints(s), description="The first addresses."),
        AGE,
    )

    def default(self, obj: EndpointSlice) -> None:
        for port in obj.ports:
            if port.name is None:
                port.name = ""
            if port.protocol is None:
                port.protocol = "TCP"

    def prepare_for_create(self, new: EndpointSlice, context: Context) -> None:
        new.metadata.generation = 1
        _drop_topology(new)

    def prepare_for_update(self, new: EndpointSlice, old: EndpointSlice, context: Context) -> None:
        if new.endpoints != old.endpoints:
            _drop_topology(new)
        changed = (
            new.endpoints != old.endpoints
            or new.ports != old.ports
            or new.addressType != old.addressType
            or new.metadata.labels != old.metadata.labels
            or new.metadata.annotations != old.metadata.annotations
        )
        new.metadata.generation = old.metadata.generation + changed

    def validate(self, new: EndpointSlice) -> Iterator[FieldError]:
        if not new.addressType:
            yield required("addressType")
        elif new.addressType not in _FAMILIES:
            yield not_supported("addressType", new.addressType, _FAMILIES)
        if len(new.endpoints) > _MOST_ENDPOINTS:
            yield too_many("endpoints", len(new.endpoints), _MOST_ENDPOINTS)
        else:
            yield from _validate_endpoints(new, self.options.is_local or is_api_server(new.metadata))
        if len(new.ports) > _MOST_PORTS:
            yield too_many("ports", len(new.ports), _MOST_PORTS)
        else:
            yield from _validate_ports(new)

    def validate_update(self, new: EndpointSlice, old: EndpointSlice) -> Iterator[FieldError]:
        if new.addressType != old.addressType:
            yield invalid_value("addressType", new.addressType, "field is immutable")

    def warnings(self, new: EndpointSlice, old: EndpointSlice | None) -> Iterable[str]:
        if new.addressType == "FQDN":
            yield "spec.addressType: FQDN endpoints are deprecated"
        for index, endpoint in enumerate(new.endpoints):
            for position, text in enumerate(endpoint.addresses if new.addressType == "IPv6" else ()):
                yield from warn_of_spelling(text, f"endpoints[{index}].addresses[{position}]")


def _drop_topology(slice_: EndpointSlice) -> None:
    """What the beta API had a map for has fields of its own now: the map is no longer written."""
    for endpoint in slice_.endpoints:
        if endpoint.deprecatedTopology:
            endpoint.deprecatedTopology = {}


def _validate_endpoints(new: EndpointSlice, local: bool) -> Iterator[FieldError]:
    for index, endpoint in enumerate(new.endpoints):
        where = f"endpoints[{index}]"
        if not endpoint.addresses:
            yield required(f"{where}.addresses", "must contain at least 1 address")
        elif len(endpoint.addresses) > _MOST_ADDRESSES:
            yield too_many(f"{where}.addresses", len(endpoint.addresses), _MOST_ADDRESSES)
        for position, text in enumerate(endpoint.addresses):
            yield from _validate_address(new.addressType, text, f"{where}.addresses[{position}]", local)
        if endpoint.nodeName is not None:
            for complaint in subdomain(endpoint.nodeName):
                yield invalid_value(f"{where}.nodeName", endpoint.nodeName, complaint)
        if endpoint.hostname is not None:
            for complaint in label(endpoint.hostname):
                yield invalid_value(f"{where}.hostname", endpoint.hostname, complaint)
        if endpoint.hints is not None:
            yield from _validate_hints(endpoint.hints.forZones, label_value, f"{where}.hints.forZones")
            yield from _validate_hints(endpoint.hints.forNodes, subdomain, f"{where}.hints.forNodes")


def _validate_hints(
    hints: Sequence[ForZone | ForNode], rule: Callable[[str], Complaints], path: str
) -> Iterator[FieldError]:
    """Where an endpoint is best used from (KEP-2433, KEP-3015)."""
    if len(hints) > _MOST_HINTS:
        yield too_many(path, len(hints), _MOST_HINTS)
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        where = f"{path}[{index}].name"
        if hint.name in seen:
            yield duplicate(where, hint.name)
        seen.add(hint.name)
        for complaint in rule(hint.name):
            yield invalid_value(where, hint.name, complaint)


def _validate_domain(text: str, path: str) -> Iterator[FieldError]:
    """A fully qualified domain name; of several complaints there is one."""
    name = text.removesuffix(".")
    labels = name.split(".")
    wrong = next((part for part in labels if label(part)), None)
    if not text:
        yield required(path)
    elif complaints := list(subdomain(name)):
        yield invalid_value(path, name, ",".join(complaints))
    elif len(labels) < 2:
        yield invalid_value(path, name, "should be a domain with at least two segments separated by dots")
    elif wrong is not None:
        yield invalid_value(path, wrong, ",".join(label(wrong)))


def _validate_address(kind: str, text: str, path: str, local: bool) -> Iterator[FieldError]:
    if kind == "FQDN":
        yield from _validate_domain(text, path)
        return
    complaints = address(text)
    for complaint in complaints:
        yield invalid_value(path, text, complaint)
    if complaints:
        return
    if kind in ("IPv4", "IPv6") and family(text) != kind:
        yield invalid_value(path, text, f"must be an {kind} address")
    yield from not_special(text, path, local=local)


def _validate_ports(new: EndpointSlice) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(new.ports):
        where = f"ports[{index}]"
        name = port.name or ""
        if name:
            for complaint in label(name):
                yield invalid_value(f"{where}.name", name, complaint)
        if name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)
        if not port.protocol:
            yield required(f"{where}.protocol")
        elif port.protocol not in PROTOCOLS:
            yield not_supported(f"{where}.protocol", port.protocol, PROTOCOLS)
        if port.port is not None and not 1 <= port.port <= 65535:
            yield invalid_value(f"{where}.port", port.port, "must be between 1 and 65535, inclusive")
        if port.appProtocol is not None:
            for complaint in qualified(port.appProtocol):
                yield invalid_value(f"{where}.appProtocol", port.appProtocol, complaint)


def _ports(slice_: EndpointSlice) -> str:
    if not slice_.ports:
        return "<unset>"
    shown = ["*" if port.port is None else str(port.port) for port in slice_.ports[:_SHOWN]]
    more = f" + {len(slice_.ports) - _SHOWN} more..." if len(slice_.ports) > _SHOWN else ""
    return ",".join(shown) + more


def _endpoints(slice_: EndpointSlice) -> str:
    addresses = [text for endpoint in slice_.endpoints for text in endpoint.addresses]
    if not addresses:
        return "<unset>"
    more = f" + {len(addresses) - _SHOWN} more..." if len(addresses) > _SHOWN else ""
    return ",".join(addresses[:_SHOWN]) + more
