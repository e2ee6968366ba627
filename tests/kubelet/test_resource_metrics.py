"""What pods use, as Prometheus and metrics-server read it."""

from datetime import UTC, datetime

from kubelet.runtime.protocol import ContainerStats
from kubelet.server.backend import PodStats
from kubelet.server.resource_metrics import resource_metrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_containers_pods_and_the_node() -> None:
    started = datetime(2025, 12, 31, tzinfo=UTC)
    stats = {"c": ContainerStats("1", 1_500_000_000, 2048), "d": ContainerStats("2", 500_000_000, 1024)}
    lines = resource_metrics([PodStats("ns", "p", "u", stats, {"c": started})], NOW).decode().splitlines()
    time = int(NOW.timestamp() * 1000)
    for wanted in (
        f'container_cpu_usage_seconds_total{{container="c",namespace="ns",pod="p"}} 1.5 {time}',
        f'container_start_time_seconds{{container="c",namespace="ns",pod="p"}} {int(started.timestamp())} {time}',
        f'pod_memory_working_set_bytes{{namespace="ns",pod="p"}} 3072 {time}',
        f"node_cpu_usage_seconds_total 2 {time}",
        f"resource_scrape_error 0 {time}",
        "# TYPE pod_cpu_usage_seconds_total counter",
    ):
        assert wanted in lines
    assert not any('start_time_seconds{container="d"' in line for line in lines)


def test_a_node_without_pods() -> None:
    text = resource_metrics([], NOW).decode()
    assert "node_memory_working_set_bytes 0 " in text
    assert "container_" not in text.replace("getting container", "")
