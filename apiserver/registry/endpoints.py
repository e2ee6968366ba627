"""Endpoints: the older form of a service's addresses.  EndpointSlices took their place (KEP-752)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.core_v1 import Endpoints, EndpointSubset
from api.errors import FieldError, invalid_value, not_supported, required
from api.meta_v1 import ObjectMeta
from api.scheme import resource_of
from apiserver.registry.addresses import address, parse, warn_of_spelling
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import label, port_number, qualified, subdomain
from apiserver.registry.strategy import Column, Strategy

_SHOWN = 3
PROTOCOLS = ("SCTP", "TCP", "UDP")


class EndpointsStrategy(Strategy[Endpoints]):
    resource = resource_of(Endpoints)
    create_on_update = True
    revalidates_metadata = False
    columns = (
        NAME,
        Column("Endpoints", lambda e, now: format_endpoints(e), description="The first addresses that are ready."),
        AGE,
    )

    def default(self, obj: Endpoints) -> None:
        for subset in obj.subsets:
            for port in subset.ports:
                if not port.protocol:
                    port.protocol = "TCP"

    def validate(self, new: Endpoints) -> Iterator[FieldError]:
        local = self.options.is_local or is_api_server(new.metadata)
        for index, subset in enumerate(new.subsets):
            yield from _validate_subset(subset, f"subsets[{index}]", local)

    def warnings(self, new: Endpoints, old: Endpoints | None) -> Iterable[str]:
        for index, subset in enumerate(new.subsets):
            for part in ("addresses", "notReadyAddresses"):
                for position, endpoint in enumerate(getattr(subset, part)):
                    yield from warn_of_spelling(endpoint.ip, f"subsets[{index}].{part}[{position}].ip")


def _validate_subset(subset: EndpointSubset, path: str, local: bool) -> Iterator[FieldError]:
    if not subset.addresses and not subset.notReadyAddresses:
        yield required(path, "must specify `addresses` or `notReadyAddresses`")
    for part in ("addresses", "notReadyAddresses"):
        for index, endpoint in enumerate(getattr(subset, part)):
            where = f"{path}.{part}[{index}]"
            for complaint in address(endpoint.ip):
                yield invalid_value(f"{where}.ip", endpoint.ip, complaint)
            if endpoint.hostname:
                for complaint in label(endpoint.hostname):
                    yield invalid_value(f"{where}.hostname", endpoint.hostname, complaint)
            if endpoint.nodeName is not None:
                for complaint in subdomain(endpoint.nodeName):
                    yield invalid_value(f"{where}.nodeName", endpoint.nodeName, complaint)
            yield from not_special(endpoint.ip, f"{where}.ip", local=local)
    for index, port in enumerate(subset.ports):
        where = f"{path}.ports[{index}]"
        if not port.name:
            if len(subset.ports) > 1:
                yield required(f"{where}.name")
        else:
            for complaint in label(port.name):
                yield invalid_value(f"{where}.name", port.name, complaint)
        for complaint in port_number(port.port):
            yield invalid_value(f"{where}.port", port.port, complaint)
        if not port.protocol:
            yield required(f"{where}.protocol")
        elif port.protocol not in PROTOCOLS:
            yield not_supported(f"{where}.protocol", port.protocol, PROTOCOLS)
        if port.appProtocol is not None:
            for complaint in qualified(port.appProtocol):
                yield invalid_value(f"{where}.appProtocol", port.appProtocol, complaint)


def is_api_server(meta: ObjectMeta) -> bool:
    """Whether an object says where the API server itself is; that may be on this machine only."""
    return meta.namespace == "default" and meta.name == "kubernetes"


def not_special(text: str, path: str, *, local: bool = False) -> Iterator[FieldError]:
    """Addresses that would lead traffic back into the node or onto its link are no endpoints.

    In a `local` cluster, all of one machine, loopback addresses are like any others.
    """
    found = parse(text)
    if found is None:
        yield invalid_value(path, text, "must be a valid IP address")
        return
    if found.is_unspecified:
        yield invalid_value(path, text, f"may not be unspecified ({text})")
    if found.is_loopback and not local:
        yield invalid_value(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield invalid_value(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found.is_multicast and (str(found).startswith("224.0.0.") or found.packed[:2] == b"\xff\x02"):
        yield invalid_value(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def format_endpoints(endpoints: Endpoints) -> str:
    """The first three addresses with their ports, and how many more there are."""
    shown: list[str] = []
    count = 0
    for subset in endpoints.subsets:
        for place in subset.addresses:
            for port in [p.port for p in subset.ports] or [0]:
                count += 1
                if len(shown) < _SHOWN:
                    host = f"[{place.ip}]" if ":" in place.ip else place.ip
                    shown.append(place.ip if not port else f"{host}:{port}")
    if not shown:
        return "<none>"
    more = f" + {count - _SHOWN} more..." if count > _SHOWN else ""
    return ",".join(shown) + more
