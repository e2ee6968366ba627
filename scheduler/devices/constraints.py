"""What devices of a claim must have in common (matchAttribute), or may not (distinctAttribute, KEP-5075)."""

from __future__ import annotations

from api.resource_v1 import DeviceAttribute, DeviceConstraint
from scheduler.devices.pools import Offer

Value = tuple[str, object]
"""An attribute's value with its type: values of different types differ."""


class Constraint:
    """Takes devices one by one, and back in the reverse order.  What it refuses, it refuses with more devices, too."""

    def __init__(self, of: DeviceConstraint) -> None:
        self._requests = frozenset(of.requests)
        self._attribute = of.matchAttribute or of.distinctAttribute or ""
        self._distinct = of.matchAttribute is None
        self._values: list[Value | None] = []

    def concerns(self, request: str, full_name: str) -> bool:
        """`full_name` is "request/subrequest" for one of several alternatives."""
        return not self._requests or request in self._requests or full_name in self._requests

    def add(self, offer: Offer) -> bool:
        """Whether the device may come to those that were added before."""
        found = lookup(offer, self._attribute)
        if found is None:
            return False
        value = _value(found)
        if self._values:
            if value is None:
                return False
            if self._distinct and value in self._values:
                return False
            if not self._distinct and value != self._values[0]:
                return False
        self._values.append(value)
        return True

    def remove(self) -> None:
        self._values.pop()


def lookup(offer: Offer, name: str) -> DeviceAttribute | None:
    """An attribute by its name with a domain; the driver's own need not have one in the slice."""
    found = offer.device.attributes.get(name)
    if found is not None:
        return found
    domain, _, rest = name.partition("/")
    return offer.device.attributes.get(rest) if domain == offer.id[0] else None


def _value(of: DeviceAttribute) -> Value | None:
    for kind, value in (("string", of.string), ("int", of.int_), ("bool", of.bool_), ("version", of.version)):
        if value is not None:
            return kind, value
    return None
