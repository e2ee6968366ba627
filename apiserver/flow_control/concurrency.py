"""How the server's seats are shared out among the priority levels, and lent from those that need less.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#seats-borrowing and KEP-1040.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Limits(NamedTuple):
    """Seats of one level: its share, and between what it moves by lending and borrowing."""

    nominal: int
    lower: int
    upper: int


def share_out(seats: int, specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Limits]:
    """The limits of each level.  `specs` are those of PriorityLevelConfigurations, by name."""
    parts = {name: _part(spec) for name, spec in specs.items()}
    total = sum(part.get("nominalConcurrencyShares", 0) for part in parts.values()) or 1
    return {name: _limits(seats, total, part) for name, part in parts.items()}


def _part(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    part: Mapping[str, Any] = spec.get("exempt" if spec["type"] == "Exempt" else "limited") or {}
    return part


def _limits(seats: int, total: int, part: Mapping[str, Any]) -> Limits:
    nominal = math.ceil(seats * part.get("nominalConcurrencyShares", 0) / total)
    lent = _rounded(nominal * part.get("lendablePercent", 0) / 100)
    borrowed = part.get("borrowingLimitPercent")
    upper = seats if borrowed is None else nominal + _rounded(nominal * borrowed / 100)
    return Limits(nominal, nominal - lent, upper)


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


class Demand(NamedTuple):
    """What one level has wanted: at most in the last period, and smoothed over many."""

    limits: Limits
    highest: int
    smoothed: float

    @property
    def floor(self) -> int:
        """What it is given at least, when there is enough: its share as far as that was wanted."""
        return max(self.limits.lower, min(self.limits.nominal, self.highest))


def allocate(seats: int, demands: Mapping[str, Demand]) -> dict[str, int]:
    """The seats that each level has in the next period."""
    names = list(demands)
    lower = sum(demand.limits.lower for demand in demands.values())
    floors = sum(demand.floor for demand in demands.values())
    if seats <= lower:
        shares = [float(demands[name].limits.lower) for name in names]
    elif seats <= floors:
        part = (seats - lower) / (floors - lower)
        shares = [d.limits.lower + (d.floor - d.limits.lower) * part for d in demands.values()]
    else:
        shares = _proportional(seats, list(demands.values()))
    return {name: _rounded(share) for name, share in zip(names, shares, strict=True)}


def _proportional(seats: int, demands: Sequence[Demand]) -> list[float]:
    """Everybody the same multiple of what they want, within their bounds, so that the sum is `seats`."""
    wanted = [max(demand.floor, demand.smoothed, 1e-6) for demand in demands]

    def given(multiple: float) -> list[float]:
        bounds = zip(wanted, demands, strict=True)
        return [min(max(multiple * want, demand.floor), demand.limits.upper) for want, demand in bounds]

    highest = max((demand.limits.upper / want for want, demand in zip(wanted, demands, strict=True)), default=0.0)
    if sum(given(highest)) <= seats:
        return given(highest)
    low, high = 0.0, highest
    for _ in range(60):  # the sum grows with the multiple: halving finds it
        middle = (low + high) / 2
        if sum(given(middle)) < seats:
            low = middle
        else:
            high = middle
    return given(high)
