"""A measured figure with its goal, and tables of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Several measurements of one thing.  The median is compared with `goal`, the most it may be.

    With `more_is_better` the goal is the least it may be; without a goal the figure is only shown.
    """

    name: str
    unit: str
    values: list[float]
    goal: float | None = None
    more_is_better: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def good(self) -> bool:
        if self.goal is None:
            return True
        return self.median >= self.goal if self.more_is_better else self.median <= self.goal

    @property
    def wanted(self) -> str:
        if self.goal is None:
            return ""
        return f"{'≥' if self.more_is_better else '≤'} {self.goal:g} {self.unit}"


def table(figures: list[Figure]) -> str:
    rows = [("figure", "median", "range", "goal", "")]
    for figure in figures:
        spread = f"{min(figure.values):.2f} to {max(figure.values):.2f}" if len(figure.values) > 1 else ""
        verdict = "" if figure.good else "missed"
        rows.append((figure.name, f"{figure.median:.2f} {figure.unit}", spread, figure.wanted, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
