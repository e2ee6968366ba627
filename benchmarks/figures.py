"""A measured figure with its goal, and tables of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Several measurements of one thing.  The median is compared with `goal`, the most it may be."""

    name: str
    unit: str
    values: list[float]
    goal: float

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def good(self) -> bool:
        return self.median <= self.goal


def table(figures: list[Figure]) -> str:
    rows = [("figure", "median", "range", "goal", "")]
    for figure in figures:
        spread = f"{min(figure.values):.2f} to {max(figure.values):.2f}" if len(figure.values) > 1 else ""
        verdict = "" if figure.good else "missed"
        rows.append(
            (figure.name, f"{figure.median:.2f} {figure.unit}", spread, f"≤ {figure.goal:g} {figure.unit}", verdict)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
