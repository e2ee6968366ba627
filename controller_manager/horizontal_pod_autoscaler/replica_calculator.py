"""How many replicas a measure asks for.  Pure functions; values are in thousandths.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from api.core_v1 import Pod
from api.quantity import milli
from api.resources import add_amounts, is_pod_level, is_sidecar, pod_total
from controller_manager.horizontal_pod_autoscaler.metrics_client import MetricsError, PodMetric, PodMetrics
from controller_manager.pod_state import condition, is_ready

_NO_PODS = "no pods returned by selector while calculating replica count"
MOST_REPLICAS = 2**31 - 1
MOST_USAGE = 2**63 - 1


@dataclass(frozen=True)
class Tolerances:
    """How far a measure may be off its target, as a fraction, before anything happens."""

    down: float = 0.1
    up: float = 0.1

    def allow(self, ratio: float) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


@dataclass(frozen=True)
class Readiness:
    """How long after its start a pod's use of CPU may be that of starting, and how late its first readiness counts."""

    cpu_initialization: timedelta = timedelta(minutes=5)
    delay: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Groups:
    """Pods by what their measures are good for."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True)
class Situation:
    """What all measures of one autoscaler have in common: the pods, and how many replicas are wanted now."""

    pods: list[Pod]
    replicas: int
    tolerances: Tolerances
    readiness: Readiness
    now: datetime


def by_utilization(
    situation: Situation, metrics: PodMetrics, resource: str, target: int, container: str
) -> tuple[int, int, int]:
    """(replicas, utilization in percent, use per pod) for a target in percent of what pods request."""
    groups, metrics = _usable(situation, metrics, resource)
    wanted = requests(situation.pods, container, resource)

    def ratio(values: PodMetrics) -> tuple[float, int, int]:
        known = [name for name in values if name in wanted]
        used, asked = sum(values[name].value for name in known), sum(wanted[name] for name in known)
        if not asked:
            raise MetricsError("no metrics returned matched known pods")
        utilization = used * 100 // asked
        return utilization / target, utilization, used // len(known)

    first, utilization, usage = ratio(metrics)
    # Pods of which nothing is known are taken to use all they may when that keeps replicas, and nothing when it does
    # not ask for more.
    fallback = {name: wanted[name] * max(100, target) // 100 for name in groups.missing}
    replicas = _replicas(situation, groups, metrics, first, fallback, lambda values: ratio(values)[0])
    return replicas, utilization, usage


def by_usage(situation: Situation, metrics: PodMetrics, target: int, resource: str = "") -> tuple[int, int]:
    """(replicas, usage per pod) for a target of so much per pod."""
    groups, metrics = _usable(situation, metrics, resource)

    def average(values: PodMetrics) -> int:
        return sum(each.value for each in values.values()) // len(values)

    usage = average(metrics)
    fallback = dict.fromkeys(groups.missing, target)
    replicas = _replicas(situation, groups, metrics, usage / target, fallback, lambda values: average(values) / target)
    return replicas, usage


def by_value(situation: Situation, usage: int, target: int) -> int:
    """Replicas for a measure of the whole, which is in proportion to the pods that are ready."""
    ratio = usage / target
    if situation.replicas == 0:
        return min(ceil(ratio), MOST_REPLICAS)
    if situation.tolerances.allow(ratio):
        return situation.replicas
    if not situation.pods:
        raise MetricsError(
            "unable to calculate ready pods: no pods returned by selector while calculating replica count"
        )
    ready = sum(pod.status.phase == "Running" and is_ready(pod) for pod in situation.pods)
    return min(ceil(ratio * ready), MOST_REPLICAS)


def by_average(tolerances: Tolerances, replicas: int, usage: int, target: int) -> tuple[int, int]:
    """(replicas, usage per replica) for a measure of the whole that is to be so much for each of the replicas."""
    usage = min(usage, MOST_USAGE)
    if not replicas:
        return min(ceil(usage / target), MOST_REPLICAS), 0
    average = usage if usage == MOST_USAGE else ceil(usage / replicas)
    if tolerances.allow(usage / (target * replicas)):
        return replicas, average
    return min(ceil(usage / target), MOST_REPLICAS), average


def _usable(situation: Situation, metrics: PodMetrics, resource: str) -> tuple[Groups, PodMetrics]:
    if not situation.pods:
        raise MetricsError(_NO_PODS)
    groups = group(situation.pods, metrics, resource, situation.readiness, situation.now)
    out = groups.ignored | groups.unready
    metrics = {name: metric for name, metric in metrics.items() if name not in out}
    if not metrics:
        raise MetricsError("did not receive metrics for targeted pods (pods might be unready)")
    return groups, metrics


def _replicas(
    situation: Situation,
    groups: Groups,
    metrics: PodMetrics,
    ratio: float,
    fallback: Mapping[str, int],
    ratio_of: Callable[[PodMetrics], float],
) -> int:
    """`fallback` is what pods without a measure are taken to use where the others say that fewer replicas will do."""
    grows_with_unready = bool(groups.unready) and ratio > 1
    if not grows_with_unready and not groups.missing:
        return situation.replicas if situation.tolerances.allow(ratio) else ceil(ratio * groups.ready)
    assumed: dict[str, int] = {}
    if ratio < 1:
        assumed |= fallback
    elif ratio > 1:
        assumed |= dict.fromkeys(groups.missing, 0)
    if grows_with_unready:
        assumed |= dict.fromkeys(groups.unready, 0)
    metrics = {**metrics, **{name: PodMetric(value, situation.now) for name, value in assumed.items()}}
    again = ratio_of(metrics)
    if situation.tolerances.allow(again) or (ratio < 1 < again) or (again < 1 < ratio):
        return situation.replicas
    wanted = ceil(again * len(metrics))
    turned = (again < 1 and wanted > situation.replicas) or (again > 1 and wanted < situation.replicas)
    return situation.replicas if turned else wanted


def group(
    pods: Iterable[Pod], metrics: Mapping[str, PodMetric], resource: str, readiness: Readiness, now: datetime
) -> Groups:
    ready = 0
    unready, missing, ignored = set(), set(), set()
    for pod in pods:
        name = pod.metadata.name
        if pod.metadata.deletionTimestamp is not None or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif name not in metrics:
            missing.add(name)
        elif resource == "cpu" and _is_starting(pod, metrics[name], readiness, now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Pod, metric: PodMetric, readiness: Readiness, now: datetime) -> bool:
    """Whether a pod's use of CPU says more of its start than of its load."""
    ready, started = condition(pod, "Ready"), pod.status.startTime
    if ready is None or started is None or ready.lastTransitionTime is None:
        return True
    if started + readiness.cpu_initialization > now:
        return ready.status == "False" or metric.time < ready.lastTransitionTime + metric.window
    return ready.status == "False" and started + readiness.delay > ready.lastTransitionTime


def requests(pods: Iterable[Pod], container: str, resource: str) -> dict[str, int]:
    """What each pod, or one container of it, requests of a resource.  Raises MetricsError where it does not say."""
    return {pod.metadata.name: _request(pod, container, resource) for pod in pods}


def _request(pod: Pod, container: str, resource: str) -> int:
    spec, name = pod.spec, pod.metadata.name
    if not container and spec.resources is not None and any(map(is_pod_level, spec.resources.requests)):
        total = pod_total(spec)
        add_amounts(total, spec.overhead)
        if resource not in total:
            raise MetricsError(f"missing pod-level request for {resource} in Pod {name}")
        return milli(total[resource])
    containers = [*spec.containers, *filter(is_sidecar, spec.initContainers)]
    chosen = [each for each in containers if container in ("", each.name)]
    if container and not chosen:
        raise MetricsError(f"container {container} not found in Pod {name}")
    for each in chosen:
        if resource not in each.resources.requests:
            raise MetricsError(f"missing request for {resource} in container {each.name} of Pod {name}")
    return sum(milli(each.resources.requests[resource]) for each in chosen)
