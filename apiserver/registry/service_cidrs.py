"""ServiceCIDRs: the ranges that addresses of services come from (KEP-1880)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.errors import FieldError, invalid_value, required
from api.model import Model
from api.networking_v1 import ServiceCIDR
from api.scheme import resource_of
from apiserver.registry.addresses import canonical_network, parse_network
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Status, Strategy

_ONE_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


@dataclass(frozen=True)
class ServiceCIDRStatusUpdate(Status):
    """`/status` of ServiceCIDRs: spec is put back, but not before it is seen who wrote what."""

    writes_metadata = False

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {}


class ServiceCIDRs(Strategy[ServiceCIDR]):
    resource = resource_of(ServiceCIDR)
    revalidates_metadata = False
    subresources = (ServiceCIDRStatusUpdate(),)
    columns = (NAME, Column("CIDRs", lambda c, now: ",".join(c.spec.cidrs), description="The ranges."), AGE)

    @property
    def unowned(self) -> Mapping[str, Any]:
        # Unlike elsewhere status can be written here as well, and is the writer's.
        return {}

    def validate(self, new: ServiceCIDR) -> Iterator[FieldError]:
        cidrs, path = new.spec.cidrs, "spec.cidrs"
        if not cidrs:
            yield required(path, "at least one CIDR required")
            return
        if len(cidrs) > 2:
            yield invalid_value(path, {"CIDRs": list(cidrs)}, "may only hold up to 2 values")
            return
        for index, text in enumerate(cidrs):
            for complaint in canonical_network(text):
                yield invalid_value(f"{path}[{index}]", text, complaint)
        found = [parse_network(text) for text in cidrs]
        if len(found) == 2 and found[0] and found[1] and found[0].version == found[1].version:
            yield invalid_value(path, list(cidrs), _ONE_EACH)

    def validate_changed(self, new: ServiceCIDR, old: ServiceCIDR) -> Iterator[FieldError]:
        after, before = new.spec.cidrs, old.spec.cidrs
        if len(after) != len(before) and (len(before), len(after)) != (1, 2):
            yield invalid_value("spec.cidrs", list(after) or None, "field is immutable")
            return
        for index, text in enumerate(before):
            if text != after[index]:
                yield invalid_value(f"spec.cidrs[{index}]", after[index], "field is immutable")
        if len(after) > len(before):  # a range of the other family may be added
            yield from self.validate(new)
