"""/metrics/resource: what pods use, in the Prometheus text format; metrics-server reads it
(https://kubernetes.io/docs/reference/instrumentation/node-metrics/, KEP-727)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kubelet.server.backend import PodStats

_Sample = tuple[str, str, float]
"""(name of the metric, labels, value)"""

_KINDS = {
    "container_cpu_usage_seconds_total": (
        "counter",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    ),
    "container_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the container in bytes"),
    "container_start_time_seconds": (
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
    ),
    "node_cpu_usage_seconds_total": (
        "counter",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    ),
    "node_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the node in bytes"),
    "pod_cpu_usage_seconds_total": (
        "counter",
        "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    ),
    "pod_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the pod in bytes"),
    "resource_scrape_error": ("gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
}


def resource_metrics(pods: list[PodStats], now: datetime) -> bytes:
    """What a node uses is the sum of what its pods use."""
    samples: dict[str, list[str]] = {name: [] for name in _KINDS}
    time = int(now.timestamp() * 1000)
    for name, labels, value in _samples(pods):
        samples[name].append(f"{name}{labels} {value:.10g} {time}")
    lines = []
    for name, (kind, help_text) in _KINDS.items():
        if samples[name]:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *samples[name]]
    return ("\n".join(lines) + "\n").encode()


def _samples(pods: list[PodStats]) -> Iterator[_Sample]:
    total_cpu = total_memory = 0
    for pod in pods:
        cpu = memory = 0
        of_pod = f'namespace="{pod.namespace}",pod="{pod.name}"'
        for name, stats in pod.containers.items():
            labels = f'{{container="{name}",{of_pod}}}'
            cpu += stats.cpu_nanoseconds
            memory += stats.memory_bytes
            yield "container_cpu_usage_seconds_total", labels, stats.cpu_nanoseconds / 1e9
            yield "container_memory_working_set_bytes", labels, stats.memory_bytes
            if (started := pod.started.get(name)) is not None:
                yield "container_start_time_seconds", labels, started.timestamp()
        yield "pod_cpu_usage_seconds_total", f"{{{of_pod}}}", cpu / 1e9
        yield "pod_memory_working_set_bytes", f"{{{of_pod}}}", memory
        total_cpu, total_memory = total_cpu + cpu, total_memory + memory
    yield "node_cpu_usage_seconds_total", "", total_cpu / 1e9
    yield "node_memory_working_set_bytes", "", total_memory
    yield "resource_scrape_error", "", 0
