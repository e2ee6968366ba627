"""Selectors of devices: expressions over `device`, in DeviceClasses and in the requests of ResourceClaims.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass.  The API server
compiles them to judge them, the scheduler to choose devices.
"""

from __future__ import annotations

from functools import cache

from cel.cost_estimate import estimate_cost
from cel.declared import Declared, size_at
from cel.environment import Environment
from cel.program import Program
from cel.refusals import Refused, TooCostly, compiled, shown
from cel.types import BOOL, STRING, Field, Type, map_of, object_type, opaque

_LONGEST_DRIVER, _LONGEST_DOMAIN, _LONGEST_NAME, _LONGEST_ATTRIBUTE = 63, 63, 32, 64
_MOST_ATTRIBUTES = 32
_MOST_FOR_SELECTOR = 1_000_000
ANY = Type("dyn", "any")


def _by_name(element: Declared) -> Declared:
    """A map with at most as many entries as a device has attributes."""
    return Declared(map_of(STRING, element.type), _MOST_ATTRIBUTES, 2, element)


@cache
def _device() -> Declared:
    quantity = Declared(opaque("kubernetes.Quantity"))
    fields = {
        "driver": Declared(STRING, _LONGEST_DRIVER),
        "attributes": _by_name(_by_name(Declared(ANY, _LONGEST_ATTRIBUTE))),
        "capacity": _by_name(_by_name(quantity)),
        "allowMultipleAllocations": Declared(BOOL),
    }
    of = object_type("kubernetes.DRADevice", {name: Field(each.type, name) for name, each in fields.items()})
    return Declared(of, fields=fields)


@cache
def _device_environment() -> Environment:
    return Environment({"device": _device().type}, bindings=True)


def device_selector(expression: str) -> Program:
    """A selector of devices, over `device`.  Raises Refused."""
    program = compiled(_device_environment(), expression)
    if program.type not in (BOOL, ANY):
        raise Refused(f"must evaluate to bool or the unknown type, not {shown(program.type)}")
    if estimate_cost(program.tree, _device_size).most > _MOST_FOR_SELECTOR:
        raise TooCostly("too complex, exceeds cost limit")
    return program


def _device_size(path: tuple[str, ...]) -> int | None:
    if path[:1] != ("device",):
        return None
    if path[-1:] == ("@keys",):
        return _LONGEST_DOMAIN if len(path) < 4 else _LONGEST_NAME
    if path[1:2] == ("attributes",) and len(path) == 4:  # whatever the attribute is called
        return _LONGEST_ATTRIBUTE
    return size_at(_device(), path)
