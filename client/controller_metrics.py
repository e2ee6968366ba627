"""Kubernetes' metrics of controllers and their queues.

https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from client.controller import Controller
from client.metrics import Registry, powers

_WAITS = powers(10e-9, 10, 10)


class ControllerMetrics:
    """Of one process; every controller is `measure`d as it starts."""

    def __init__(self, registry: Registry, process: str, queues: Mapping[str, str] | None = None) -> None:
        """`queues` are names of queues, by controller, where they are not the controller's."""
        self._registry = registry
        self._queues = queues or {}
        self._controllers: list[Controller] = []
        self._waited = registry.histogram(
            "workqueue_queue_duration_seconds", "Seconds a key was ready before work on it began.", ("name",), _WAITS
        )
        self._worked = registry.histogram(
            "workqueue_work_duration_seconds", "Seconds of work on a key.", ("name",), _WAITS
        )
        self._gauge("depth", "Keys that are ready to be worked on.", lambda c: len(c.queue))
        self._gauge("adds_total", "Keys that were added.", lambda c: c.queue.adds, "counter")
        self._gauge("retries_total", "Keys that were added again because work failed.", lambda c: c.failures, "counter")
        self._gauge("unfinished_work_seconds", "Seconds of work on keys not done.", lambda c: sum(c.queue.under_way()))
        self._gauge(
            "longest_running_processor_seconds",
            "Seconds of work on the key that takes longest now.",
            lambda c: max(c.queue.under_way(), default=0),
        )
        registry.gauge(
            "running_managed_controllers",
            "Controllers that run.",
            ("manager", "name"),
            lambda: [((process, c.name), 1.0) for c in self._controllers],
        )

    def _gauge(self, name: str, help: str, read: Callable[[Controller], float], kind: str = "gauge") -> None:
        self._registry.gauge(
            f"workqueue_{name}",
            help,
            ("name",),
            lambda: [((self._queue(c),), float(read(c))) for c in self._controllers],
        ).kind = kind

    def _queue(self, controller: Controller) -> str:
        return self._queues.get(controller.name, controller.name)

    def measure(self, controller: Controller) -> None:
        self._controllers.append(controller)
        controller.queue.waited = partial(self._observe_wait, self._queue(controller))
        controller.queue.worked = partial(self._observe_work, self._queue(controller))
        for metric in controller.measures:
            self._registry.add(metric)

    def _observe_wait(self, name: str, seconds: float) -> None:
        self._waited.observe(seconds, name)

    def _observe_work(self, name: str, seconds: float) -> None:
        self._worked.observe(seconds, name)
