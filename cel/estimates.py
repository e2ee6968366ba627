"""Estimates of sizes and costs: the least and the most, both below 2**64."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

MOST = 2**64 - 1


class Estimate(NamedTuple):
    least: int
    most: int

    def plus(self, other: Estimate) -> Estimate:
        return Estimate(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def times(self, other: Estimate) -> Estimate:
        return Estimate(min(self.least * other.least, MOST), min(self.most * other.most, MOST))

    def scaled(self, factor: float) -> Estimate:
        """By a factor for each unit, rounded up."""
        return Estimate(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: Estimate) -> Estimate:
        """What covers both."""
        return Estimate(min(self.least, other.least), max(self.most, other.most))


def _scaled(value: int, factor: float) -> int:
    return min(ceil(float(value) * factor), MOST)


def fixed(value: int) -> Estimate:
    return Estimate(value, value)


UNKNOWN = Estimate(0, MOST)
ZERO, ONE = fixed(0), fixed(1)
