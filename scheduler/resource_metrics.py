"""/metrics/resources: what every pod requests and may use at most.

https://kubernetes.io/docs/concepts/cluster-administration/system-metrics/#kube-scheduler-metrics
"""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import Pod
from api.quantity import parse
from api.resources import HUGE_PAGES, add_amounts, pod_total
from client.metrics import Gauge, Registry

_LABELS = ("namespace", "pod", "node", "scheduler", "priority", "resource", "unit")
_UNITS = {"cpu": "cores", "memory": "bytes", "storage": "bytes", "ephemeral-storage": "bytes"}


def render(pods: Iterable[Pod]) -> str:
    """In the text format; of pods that are not over.  A pod that waits for a node has an empty one."""
    registry = Registry()
    requests = registry.gauge("kube_pod_resource_request", "What the pod requests.", _LABELS)
    limits = registry.gauge("kube_pod_resource_limit", "What the pod may use at most.", _LABELS)
    for pod in pods:
        if pod.status.phase in ("Succeeded", "Failed"):
            continue
        overhead = pod.spec.overhead
        asked = pod_total(pod.spec)
        add_amounts(asked, overhead)
        most = pod_total(pod.spec, "limits")
        add_amounts(most, {name: amount for name, amount in overhead.items() if name in most})
        _write(requests, pod, asked)
        _write(limits, pod, most)
    return registry.render()


def _write(metric: Gauge, pod: Pod, amounts: dict[str, str]) -> None:
    spec = pod.spec
    priority = "" if spec.priority is None else str(spec.priority)
    whose = (pod.metadata.namespace, pod.metadata.name, spec.nodeName, spec.schedulerName, priority)
    for name, amount in amounts.items():
        unit = "bytes" if name.startswith(HUGE_PAGES) else _UNITS.get(name, "integer")
        if (value := float(parse(amount))) != 0:
            metric.set(value, *whose, name, unit)
