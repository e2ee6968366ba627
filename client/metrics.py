"""Counters, gauges and histograms in the Prometheus text format, small enough to keep in every process.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Labels = tuple[str, ...]
T = TypeVar("T", bound="Metric")
SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384)


class Metric:
    """One named family of series.  Label values are given in the order of `labels` at every use."""

    kind = "untyped"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)

    def samples(self) -> Iterable[tuple[str, str, float]]:
        """(suffix of the name, rendered labels, value)"""
        raise NotImplementedError

    def _rendered(self, values: Labels, extra: str = "") -> str:
        pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True)]
        if extra:
            pairs.append(extra)
        return "{" + ",".join(pairs) + "}" if pairs else ""


class Counter(Metric):
    """A number that only grows."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def inc(self, *labels: str, by: float = 1.0) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + by

    def value(self, *labels: str) -> float:
        return self._values.get(labels, 0.0)

    def samples(self) -> Iterable[tuple[str, str, float]]:
        for labels, value in self._values.items():
            yield "", self._rendered(labels), value


class Gauge(Counter):
    """A number that goes up and down; or, with `read`, one that is asked for when the metrics are read.

    `read` returns (label values, number) pairs.
    """

    kind = "gauge"

    def __init__(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        read: Callable[[], Iterable[tuple[Labels, float]]] | None = None,
    ) -> None:
        super().__init__(name, help, labels)
        self._read = read

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value

    def samples(self) -> Iterable[tuple[str, str, float]]:
        if self._read is None:
            yield from super().samples()
            return
        for labels, value in self._read():
            yield "", self._rendered(labels), value


class Histogram(Metric):
    """Observations (usually seconds) counted in cumulative buckets."""

    kind = "histogram"

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> None:
        super().__init__(name, help, labels)
        self._bounds = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def samples(self) -> Iterable[tuple[str, str, float]]:
        for labels, counts in self._counts.items():
            total = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield "_bucket", self._rendered(labels, f'le="{bound}"'), total
            yield "_sum", self._rendered(labels), self._sums[labels]
            yield "_count", self._rendered(labels), total


def powers(first: float, factor: float, count: int) -> tuple[float, ...]:
    """Bounds of buckets, each so many times the one before."""
    bounds = [first]
    while len(bounds) < count:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


class Registry:
    """All metrics of a process.  `usage` gives name, kind and value of what needs no keeping."""

    def __init__(self, usage: Callable[[], Iterable[tuple[str, str, float]]] = tuple) -> None:
        self._metrics: dict[str, Metric] = {}
        self._usage = usage

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        return self.add(Counter(name, help, labels))

    def gauge(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        read: Callable[[], Iterable[tuple[Labels, float]]] | None = None,
    ) -> Gauge:
        return self.add(Gauge(name, help, labels, read))

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        return self.add(Histogram(name, help, labels, buckets))

    def add(self, metric: T) -> T:
        """Register.  ValueError: the name is taken."""
        if metric.name in self._metrics:
            raise ValueError(f"a metric called {metric.name} exists")
        self._metrics[metric.name] = metric
        return metric

    def render(self) -> str:
        """Everything, in the text format."""
        parts = []
        for name, metric in sorted(self._metrics.items()):
            parts.append(f"# HELP {name} {_escaped(metric.help)}\n# TYPE {name} {metric.kind}\n")
            parts += [f"{name}{suffix}{labels} {_number(value)}\n" for suffix, labels, value in metric.samples()]
        parts += [f"# TYPE {name} {kind}\n{name} {_number(value)}\n" for name, kind, value in self._usage()]
        return "".join(parts)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
