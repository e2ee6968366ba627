"""What is counted of flow control, under Kubernetes' metric names.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#metrics
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiserver.flow_control.priority_level import PriorityLevel

_BUCKETS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_PREFIX = "apiserver_flowcontrol"


class Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels}}} {total}"


class SchemaStatistics:
    """Of one flow schema at one level: how long requests waited that began, how long they took."""

    __slots__ = ("begun", "executed", "rejected", "waiting")

    def __init__(self) -> None:
        self.begun = Histogram()
        self.executed = Histogram()
        self.rejected: Counter[str] = Counter()
        self.waiting = 0

    @property
    def dispatched(self) -> int:
        return sum(self.begun.counts)


Statistics = dict[tuple[str, str], SchemaStatistics]
"""By level and schema."""


def metrics(statistics: Statistics, levels: Iterable[PriorityLevel]) -> Iterator[str]:
    """Lines of the Prometheus text format."""
    schemas = [(f'flow_schema="{s}",priority_level="{p}"', found) for (p, s), found in sorted(statistics.items())]
    yield f"# TYPE {_PREFIX}_dispatched_requests_total counter"
    for labels, each in schemas:
        yield f"{_PREFIX}_dispatched_requests_total{{{labels}}} {each.dispatched}"
    yield f"# TYPE {_PREFIX}_rejected_requests_total counter"
    for labels, each in schemas:
        for reason, count in sorted(each.rejected.items()):
            yield f'{_PREFIX}_rejected_requests_total{{{labels},reason="{reason}"}} {count}'
    yield f"# TYPE {_PREFIX}_current_inqueue_requests gauge"
    for labels, each in schemas:
        yield f"{_PREFIX}_current_inqueue_requests{{{labels}}} {each.waiting}"
    yield f"# TYPE {_PREFIX}_current_executing_requests gauge"
    for labels, each in schemas:
        yield f"{_PREFIX}_current_executing_requests{{{labels}}} {each.dispatched - sum(each.executed.counts)}"
    yield f"# TYPE {_PREFIX}_request_wait_duration_seconds histogram"
    for labels, each in schemas:
        yield from each.begun.lines(f"{_PREFIX}_request_wait_duration_seconds", f'execute="true",{labels}')
    yield f"# TYPE {_PREFIX}_request_execution_seconds histogram"
    for labels, each in schemas:
        yield from each.executed.lines(f"{_PREFIX}_request_execution_seconds", labels)
    ordered = sorted(levels, key=lambda level: level.name)
    values: tuple[tuple[str, Callable[[PriorityLevel], int]], ...] = (
        ("nominal_limit_seats", lambda level: level.limits.nominal),
        ("lower_limit_seats", lambda level: level.limits.lower),
        ("upper_limit_seats", lambda level: level.limits.upper),
        ("current_limit_seats", lambda level: level.seats),
        ("current_executing_seats", lambda level: level.seats_in_use),
        ("current_inqueue_seats", lambda level: level.seats_waiting),
        ("demand_seats_high_watermark", lambda level: level.demand.highest),
    )
    for name, value in values:
        yield f"# TYPE {_PREFIX}_{name} gauge"
        for level in ordered:
            yield f'{_PREFIX}_{name}{{priority_level="{level.name}"}} {value(level)}'
