"""IPAddresses: the addresses in use, each an object whose name is the address (KEP-1880)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.errors import FieldError, invalid_value, required
from api.networking_v1 import IPAddress
from api.scheme import resource_of
from apiserver.registry.addresses import canonical_address
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import subdomain
from apiserver.registry.strategy import Column, Strategy
from apiserver.registry.typed_references import validate_segment


class IPAddresses(Strategy[IPAddress]):
    resource = resource_of(IPAddress)
    revalidates_metadata = True
    columns = (NAME, Column("ParentRef", lambda a, now: _parent(a), description="The object that uses it."), AGE)

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return canonical_address(name)

    def validate(self, new: IPAddress) -> Iterator[FieldError]:
        parent, path = new.spec.parentRef, "spec.parentRef"
        if parent is None:
            yield required(path)
            return
        if parent.group:
            for complaint in subdomain(parent.group):
                yield invalid_value(f"{path}.group", parent.group, complaint)
        yield from validate_segment(parent.resource, f"{path}.resource")
        yield from validate_segment(parent.name, f"{path}.name")
        yield from validate_segment(parent.namespace, f"{path}.namespace", needed=False)

    def validate_update(self, new: IPAddress, old: IPAddress) -> Iterator[FieldError]:
        if new.spec.parentRef != old.spec.parentRef:
            yield invalid_value("spec.parentRef", new.spec.parentRef, "field is immutable")


def _parent(address: IPAddress) -> str:
    parent = address.spec.parentRef
    if parent is None:
        return "<none>"
    resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
    return "/".join(part for part in (resource.lower(), parent.namespace, parent.name) if part)
