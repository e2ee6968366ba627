"""Quantities: `quantity('1Gi').isGreaterThan(quantity('500Mi'))`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from api import quantity
from cel.errors import EvaluationError
from cel.functions import Library
from cel.types import Type, opaque
from cel.values import Opaque

_QUANTITY = opaque("kubernetes.Quantity")


@dataclass(frozen=True, slots=True)
class Quantity(Opaque):
    type: ClassVar[Type] = _QUANTITY
    value: Decimal

    @property
    def is_integer(self) -> bool:
        return self.value == self.value.to_integral_value() and -(2**63) <= self.value < 2**63


def as_quantity(text: str) -> Quantity:
    try:
        return Quantity(quantity.parse(text))
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _as_integer(of: Quantity) -> int:
    if not of.is_integer:
        raise EvaluationError("cannot convert value to integer")
    return int(of.value)


def _value(of: Quantity | int) -> Decimal:
    return of.value if isinstance(of, Quantity) else Decimal(of)


def _compare(one: Quantity, other: Quantity) -> int:
    return (one.value > other.value) - (one.value < other.value)


QUANTITY = Library()
QUANTITY.add_type(_QUANTITY)
QUANTITY.add("quantity", "(string) -> kubernetes.Quantity", call=as_quantity)
QUANTITY.add("isQuantity", "(string) -> bool", call=_is_quantity)
QUANTITY.add(
    "sign",
    "kubernetes.Quantity.() -> int",
    "(kubernetes.Quantity) -> int",
    call=lambda of: (of.value > 0) - (of.value < 0),
)
QUANTITY.add("isInteger", "kubernetes.Quantity.() -> bool", call=lambda of: of.is_integer)
QUANTITY.add("asInteger", "kubernetes.Quantity.() -> int", call=_as_integer)
QUANTITY.add("asApproximateFloat", "kubernetes.Quantity.() -> double", call=lambda of: float(of.value))
for _other in ("kubernetes.Quantity", "int"):
    _signature = f"kubernetes.Quantity.({_other}) -> kubernetes.Quantity"
    QUANTITY.add("add", _signature, call=lambda one, other: Quantity(one.value + _value(other)))
    QUANTITY.add("sub", _signature, call=lambda one, other: Quantity(one.value - _value(other)))
_SIGNATURE = "kubernetes.Quantity.(kubernetes.Quantity) -> "
QUANTITY.add("isGreaterThan", _SIGNATURE + "bool", call=lambda one, other: one.value > other.value)
QUANTITY.add("isLessThan", _SIGNATURE + "bool", call=lambda one, other: one.value < other.value)
QUANTITY.add("compareTo", _SIGNATURE + "int", call=_compare)
