"""/stats/summary: what pods use, in the form of the kubelet's stats/v1alpha1 API
(https://kubernetes.io/docs/reference/instrumentation/node-metrics/)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from kubelet.server.backend import PodStats


def summary(node_name: str, pods: list[PodStats], now: datetime) -> bytes:
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def usage(nanoseconds: int, memory: int) -> dict[str, Any]:
        return {
            "cpu": {"time": time, "usageCoreNanoSeconds": nanoseconds},
            "memory": {"time": time, "workingSetBytes": memory, "rssBytes": memory},
        }

    def total(pod: PodStats) -> tuple[int, int]:
        stats = pod.containers.values()
        return sum(s.cpu_nanoseconds for s in stats), sum(s.memory_bytes for s in stats)

    totals = [total(pod) for pod in pods]
    found = [
        {
            "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "containers": [
                {"name": name, **usage(stats.cpu_nanoseconds, stats.memory_bytes)}
                for name, stats in pod.containers.items()
            ],
            **usage(*sums),
        }
        for pod, sums in zip(pods, totals, strict=True)
    ]
    node = {"nodeName": node_name, **usage(sum(cpu for cpu, _ in totals), sum(memory for _, memory in totals))}
    return orjson.dumps({"node": node, "pods": found})
