"""How `kubectl get pods` sees a pod: READY, STATUS, RESTARTS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from api.core_v1 import ContainerStatus, Pod
from api.resources import is_sidecar
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.human_duration import human_duration, since
from apiserver.registry.strategy import Column

_NONE = "<none>"


class PodSummary:
    """One pod's line, worked out in one pass over its containers.

    `reason` is the STATUS column: the phase, or what is keeping the pod from it.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        status = pod.status
        self.total = len(pod.spec.containers)
        self.ready = 0
        self.restarts = 0
        self.last_restart: datetime | None = None
        self._sidecar_restarts = 0
        self._sidecar_last: datetime | None = None
        self.reason = status.reason or status.phase
        if any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in status.conditions):
            self.reason = "SchedulingGated"
        initializing = self._init_containers()
        if not initializing or _condition(pod, "Initialized"):
            self._containers()
        if pod.metadata.deletionTimestamp is not None:
            if status.reason == "NodeLost":
                self.reason = "Unknown"
            elif status.phase not in ("Succeeded", "Failed"):
                self.reason = "Terminating"

    def _init_containers(self) -> bool:
        """Look at the init containers; True while one of them has not finished (or, a sidecar, not started)."""
        specs = {container.name: container for container in self.pod.spec.initContainers}
        self.total += sum(1 for container in specs.values() if is_sidecar(container))
        for index, status in enumerate(self.pod.status.initContainerStatuses):
            self.restarts += status.restartCount
            self._remember_restart(status)
            spec = specs.get(status.name)
            sidecar = spec is not None and is_sidecar(spec)
            if sidecar:
                self._sidecar_restarts += status.restartCount
                self._sidecar_last = _later(self._sidecar_last, _finished(status))
            terminated, waiting = status.state.terminated, status.state.waiting
            if terminated is not None and terminated.exitCode == 0:
                continue
            if sidecar and status.started:
                if status.ready:
                    self.ready += 1
                continue
            if terminated is not None:
                if terminated.reason:
                    self.reason = f"Init:{terminated.reason}"
                elif terminated.signal:
                    self.reason = f"Init:Signal:{terminated.signal}"
                else:
                    self.reason = f"Init:ExitCode:{terminated.exitCode}"
            elif waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
                self.reason = f"Init:{waiting.reason}"
            else:
                self.reason = f"Init:{index}/{len(self.pod.spec.initContainers)}"
            return True
        return False

    def _containers(self) -> None:
        # Once a pod is initialised, only those init containers count that go on running.
        self.restarts, self.last_restart = self._sidecar_restarts, self._sidecar_last
        running = False
        for status in reversed(self.pod.status.containerStatuses):
            self.restarts += status.restartCount
            self._remember_restart(status)
            waiting, terminated = status.state.waiting, status.state.terminated
            if waiting is not None and waiting.reason:
                self.reason = waiting.reason
            elif terminated is not None and terminated.reason:
                self.reason = terminated.reason
            elif terminated is not None:
                code = f"Signal:{terminated.signal}" if terminated.signal else f"ExitCode:{terminated.exitCode}"
                self.reason = code
            elif status.ready and status.state.running is not None:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if _condition(self.pod, "Ready") else "NotReady"

    def _remember_restart(self, status: ContainerStatus) -> None:
        self.last_restart = _later(self.last_restart, _finished(status))

    def restarts_text(self, now: datetime) -> str:
        if self.restarts and self.last_restart is not None:
            return f"{self.restarts} ({human_duration(now - self.last_restart)} ago)"
        return str(self.restarts)

    def readiness_gates(self) -> str:
        gates = self.pod.spec.readinessGates
        if not gates:
            return _NONE
        met = sum(1 for gate in gates if _condition(self.pod, gate.conditionType))
        return f"{met}/{len(gates)}"

    def cells(self, now: datetime) -> list[Any]:
        pod = self.pod
        address = pod.status.podIPs[0].ip if pod.status.podIPs else pod.status.podIP
        return [
            pod.metadata.name,
            f"{self.ready}/{self.total}",
            self.reason,
            self.restarts_text(now),
            since(pod.metadata.creationTimestamp, now),
            address or _NONE,
            pod.spec.nodeName or _NONE,
            pod.status.nominatedNodeName or _NONE,
            self.readiness_gates(),
        ]


def _finished(status: ContainerStatus) -> datetime | None:
    terminated = status.lastState.terminated
    return None if terminated is None else terminated.finishedAt


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    if first is None or second is None:
        return first or second
    return max(first, second)


def _condition(pod: Pod, kind: str) -> bool:
    return any(condition.type == kind and condition.status == "True" for condition in pod.status.conditions)


def row_conditions(pod: Pod) -> list[dict[str, str]]:
    """Marks the rows of finished pods, so that clients can leave them out."""
    message = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }.get(pod.status.phase)
    if message is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": pod.status.phase, "message": message}]


def _cell(index: int) -> Callable[[Pod, datetime], Any]:
    return lambda pod, now: PodSummary(pod).cells(now)[index]


COLUMNS: tuple[Column[Pod], ...] = (
    NAME,
    Column("Ready", _cell(1), description="Containers that are ready, of all containers."),
    Column("Status", _cell(2), description="The phase, or what keeps the pod from getting on."),
    Column("Restarts", _cell(3), description="How often containers were restarted, and when the last time was."),
    AGE,
    Column("IP", _cell(5), description="The pod's first address.", priority=1),
    Column("Node", _cell(6), description="The node it is bound to.", priority=1),
    Column("Nominated Node", _cell(7), description="Where preemption is making room for it.", priority=1),
    Column("Readiness Gates", _cell(8), description="Conditions met, of those that must be.", priority=1),
)
