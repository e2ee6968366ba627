"""Kubernetes' metrics of the scheduler (https://kubernetes.io/docs/reference/instrumentation/metrics/)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from client.metrics import Registry


class SchedulerMetrics:
    def __init__(
        self,
        registry: Registry,
        pending: Callable[[], Mapping[str, int]] = dict,
        turned_down: Callable[[], Mapping[tuple[str, str], int]] = dict,
        known: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """What is counted only when asked for: pods by place, by (plugin, profile) that objected, objects by type."""
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
        self._point_seconds = registry.histogram(
            "scheduler_framework_extension_point_duration_seconds",
            "Seconds of an extension point for a pod, all its plugins together.",
            ("extension_point", "status", "profile"),
            (0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048),
        )
        self._tries = registry.histogram(
            "scheduler_pod_scheduling_attempts", "Attempts until a pod was scheduled.", (), (1, 2, 4, 8, 16)
        )
        self._sli_seconds = registry.histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "Seconds from a pod's first attempt to its binding.",
            ("attempts",),
        )
        self._preemptions = registry.counter("scheduler_preemption_attempts_total", "Attempts to make room for pods.")
        self._victims = registry.histogram(
            "scheduler_preemption_victims", "Pods removed to make room.", (), (1, 2, 4, 8, 16, 32, 64)
        )
        self._incoming = registry.counter(
            "scheduler_queue_incoming_pods_total", "Pods put into the queue, by place and cause.", ("queue", "event")
        )
        self._claims_made = registry.counter(
            "scheduler_resourceclaim_creates_total",
            "ResourceClaims made for extended resources.",
            ("status", "admin_access"),
        )
        self._device_waits = registry.counter(
            "scheduler_dra_bindingconditions_allocations_total",
            "Devices with binding conditions that pods waited for, by what came of it.",
            ("profile", "driver", "status"),
        )
        self._device_wait_seconds = registry.histogram(
            "scheduler_dra_bindingconditions_wait_duration_seconds",
            "Seconds of waiting for binding conditions of devices.",
            ("profile", "driver", "status"),
        )
        registry.gauge(
            "scheduler_unschedulable_pods",
            "Pods that a plugin turned down.",
            ("plugin", "profile"),
            lambda: [(labels, float(count)) for labels, count in turned_down().items()],
        )
        registry.gauge(
            "scheduler_cache_size",
            "Nodes, pods and assumed pods that are known.",
            ("type",),
            lambda: [((kind,), float(count)) for kind, count in known().items()],
        )
        registry.gauge(
            "scheduler_pending_pods",
            "Pods that wait, by place in the queue.",
            ("queue",),
            lambda: [((place,), float(count)) for place, count in pending().items()],
        )

    def attempt(self, result: str, seconds: float, profile: str) -> None:
        """`result` is scheduled, unschedulable or error."""
        self._attempts.inc(result, profile)
        self._attempt_seconds.observe(seconds, result, profile)

    def preempted(self, victims: int) -> None:
        """Room was made by removing so many pods."""
        self._preemptions.inc()
        self._victims.observe(victims)

    def entered(self, place: str, event: str) -> None:
        """A pod came to a place of the queue because of an event."""
        self._incoming.inc(place, event)

    def extension_point(self, point: str, status: str, profile: str, seconds: float) -> None:
        self._point_seconds.observe(seconds, point, status, profile)

    def algorithm(self, seconds: float) -> None:
        self._algorithm_seconds.observe(seconds)

    def claim_made(self, status: str) -> None:
        """A ResourceClaim for extended resources was created, with success or failure."""
        self._claims_made.inc(status, "false")

    def waited_for_devices(self, profile: str, drivers: Mapping[str, int], status: str, seconds: float) -> None:
        """A pod waited for so many devices with binding conditions; `status` is success, failure, timeout or error."""
        for driver, count in drivers.items():
            self._device_waits.inc(profile, driver, status, by=count)
            self._device_wait_seconds.observe(seconds, profile, driver, status)

    def scheduled(self, attempts: int, seconds: float) -> None:
        self._tries.observe(attempts)
        self._sli_seconds.observe(seconds, str(attempts))
