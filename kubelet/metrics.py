"""What the kubelet counts, under Kubernetes' names
(https://kubernetes.io/docs/reference/instrumentation/metrics/)."""

from __future__ import annotations

from client.metrics import Registry


class KubeletMetrics:
    def __init__(self, registry: Registry) -> None:
        self.pod_start = registry.histogram(
            "kubelet_pod_start_duration_seconds", "Seconds from a pod being seen to its containers running."
        )
        self.pod_workers = registry.histogram(
            "kubelet_pod_worker_duration_seconds", "Seconds of one sync of a pod.", ("operation_type",)
        )
        self.started = registry.counter("kubelet_started_containers_total", "Containers started.", ("container_type",))
        self.start_errors = registry.counter(
            "kubelet_started_containers_errors_total", "Containers that could not be started.", ("code",)
        )
        self.status_writes = registry.counter("kubelet_pod_status_writes_total", "Status patches sent.", ("result",))
        self.restarted_pods = registry.counter("kubelet_restarted_pods_total", "Sandboxes made again.")
