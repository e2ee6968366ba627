"""A pod's conditions: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.core_v1 import ContainerStatus, PodCondition, PodStatus
from kubelet.pod_view import PodView, is_initialized, is_running
from kubelet.restart import is_sidecar

OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod_conditions(view: PodView, status: PodStatus, now: datetime) -> list[PodCondition]:
    """The conditions that are the kubelet's to set, in Kubernetes' order."""
    containers = _containers_ready(view, status)
    found = [
        _condition("PodReadyToStartContainers", _has_sandbox(view)),
        _initialized(view, status),
        _ready(view, status, containers),
        containers,
        _condition("PodScheduled", True),
    ]
    before = {c.type: c for c in view.pod.status.conditions}
    for condition in found:
        old = before.get(condition.type)
        same = old is not None and old.status == condition.status
        condition.lastTransitionTime = old.lastTransitionTime if same and old is not None else now
        condition.observedGeneration = view.pod.metadata.generation
    return found


def _condition(kind: str, status: bool, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(type=kind, status="True" if status else "False", reason=reason, message=message)


def _has_sandbox(view: PodView) -> bool:
    return view.sandbox_ready and not (view.terminating and not _any_running(view))


def _any_running(view: PodView) -> bool:
    return any(is_running(runs[0]) for runs in view.history.values() if runs)


def _go_list(names: Sequence[str]) -> str:
    return "[" + " ".join(names) + "]"


def _initialized(view: PodView, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if is_initialized(view):
        return _condition("Initialized", True)
    by_name = {s.name: s for s in status.initContainerStatuses}
    incomplete = [
        c.name
        for c in view.pod.spec.initContainers
        if not (by_name[c.name].started if is_sidecar(c) else by_name[c.name].ready)
    ]
    if not incomplete:
        return _condition("Initialized", True)
    if status.phase == "Failed":
        return _condition("Initialized", False, "PodFailed")
    message = f"containers with incomplete status: {_go_list(incomplete)}"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _containers_ready(view: PodView, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("ContainersReady", False, "PodCompleted")
    if status.phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    sidecars = {c.name for c in view.pod.spec.initContainers if is_sidecar(c)}
    watched: list[ContainerStatus] = [s for s in status.initContainerStatuses if s.name in sidecars]
    unready = [s.name for s in [*watched, *status.containerStatuses] if not s.ready]
    if unready:
        message = f"containers with unready status: {_go_list(unready)}"
        return _condition("ContainersReady", False, "ContainersNotReady", message)
    return _condition("ContainersReady", True)


def _ready(view: PodView, status: PodStatus, containers: PodCondition) -> PodCondition:
    if containers.status != "True":
        return _condition("Ready", False, containers.reason, containers.message)
    present = {c.type: c.status for c in view.pod.status.conditions}
    problems = []
    for gate in view.pod.spec.readinessGates:
        kind = gate.conditionType
        if kind not in present:
            problems.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif present[kind] != "True":
            problems.append(f'the status of pod readiness gate "{kind}" is not "True", but {present[kind]}')
    if problems:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(problems))
    return _condition("Ready", True)
