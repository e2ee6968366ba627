"""Kubernetes' metrics of the scheduler (https://kubernetes.io/docs/reference/instrumentation/metrics/)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from client.metrics import Registry

_PROFILE = "default-scheduler"


class SchedulerMetrics:
    def __init__(self, registry: Registry, pending: Callable[[], Mapping[str, int]] = dict) -> None:
        self._attempts = registry.counter(
            "scheduler_schedule_attempts_total", "Attempts to schedule pods, by result.", ("result", "profile")
        )
        self._attempt_seconds = registry.histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Seconds of an attempt, binding included.",
            ("result", "profile"),
        )
        self._algorithm_seconds = registry.histogram(
            "scheduler_scheduling_algorithm_duration_seconds", "Seconds to choose a node."
        )
        self._tries = registry.histogram(
            "scheduler_pod_scheduling_attempts", "Attempts until a pod was scheduled.", (), (1, 2, 4, 8, 16)
        )
        self._sli_seconds = registry.histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "Seconds from a pod's first attempt to its binding.",
            ("attempts",),
        )
        registry.gauge(
            "scheduler_pending_pods",
            "Pods that wait, by place in the queue.",
            ("queue",),
            lambda: [((place,), float(count)) for place, count in pending().items()],
        )

    def attempt(self, result: str, seconds: float) -> None:
        """`result` is scheduled, unschedulable or error."""
        self._attempts.inc(result, _PROFILE)
        self._attempt_seconds.observe(seconds, result, _PROFILE)

    def algorithm(self, seconds: float) -> None:
        self._algorithm_seconds.observe(seconds)

    def scheduled(self, attempts: int, seconds: float) -> None:
        self._tries.observe(attempts)
        self._sli_seconds.observe(seconds, str(attempts))
