"""What the components of a running cluster use: processor time and memory, sampled beside the measurement."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.cluster import Cluster, family, processor_seconds, proportional_megabytes
from client.rest import RestClient

CONTROL_PLANE = ("apiserver", "controller-manager", "scheduler")
_EVERY = 2.0
"""Seconds between two looks at the memory: the kernel walks all pages for each."""


def processor_times(cluster: Cluster) -> dict[str, float]:
    """Seconds of processor time used so far, by component."""
    return {name: sum(map(processor_seconds, family(pid))) for name, pid in _components(cluster).items()}


def memory(cluster: Cluster) -> dict[str, float]:
    """Megabytes (proportional set size), by component."""
    return {name: sum(map(proportional_megabytes, family(pid))) for name, pid in _components(cluster).items()}


def of_control_plane(figures: dict[str, float]) -> float:
    """The sum over the components of the control plane; kubelets are counted apart."""
    return sum(figures[name] for name in CONTROL_PLANE)


def _components(cluster: Cluster) -> dict[str, int]:
    return {name: pid for name, pid in cluster.processes().items() if name != "launcher"}


@dataclass
class Usage:
    """Of a stretch of time: processor seconds by component, and the most megabytes the control plane had at once."""

    processor: dict[str, float] = field(default_factory=dict)
    peak: float = 0.0


@contextmanager
def watched(cluster: Cluster) -> Iterator[Usage]:
    """Watch the cluster during the block; the result is complete after it."""
    usage, over = Usage(), threading.Event()

    def look() -> None:
        while True:
            usage.peak = max(usage.peak, of_control_plane(memory(cluster)))
            if over.wait(_EVERY):
                return

    before = processor_times(cluster)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield usage
    finally:
        over.set()
        looking.join()
    after = processor_times(cluster)
    usage.processor = {name: after[name] - before[name] for name in after}
    usage.peak = max(usage.peak, of_control_plane(memory(cluster)))


async def requests_served(client: RestClient) -> float:
    """How many requests the API server has answered; those that stay open are not counted."""
    text = (await client.raw("GET", "/metrics", accept="text/plain")).text
    counts = re.findall(r"^apiserver_request_total\{([^}]*)\} ([\d.e+]+)$", text, re.MULTILINE)
    return sum(float(count) for labels, count in counts if 'verb="WATCH"' not in labels)
