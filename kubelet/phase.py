"""The one-word summary of a pod: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase."""

from __future__ import annotations

from api.core_v1 import Container, ContainerStatus, Pod, PodStatus
from kubelet.restart import is_sidecar, restart_policy


def pod_phase(pod: Pod, status: PodStatus, *, over: bool) -> str:
    """Pending, Running, Succeeded or Failed from container statuses; `over` when nothing will be started any more."""
    statuses = {s.name: s for s in [*status.initContainerStatuses, *status.containerStatuses]}
    pending = False
    for container in pod.spec.initContainers:
        outcome = _initialization(container, statuses.get(container.name))
        if outcome == "failed" and (over or restart_policy(pod, container, init=True) == "Never"):
            return "Failed"
        pending = pending or outcome != "done"
    counts = {"running": 0, "waiting": 0, "ended": 0, "succeeded": 0}
    for container in pod.spec.containers:
        _count(statuses.get(container.name), counts)
    if over:
        ended_well = counts["succeeded"] == len(pod.spec.containers)
        return "Succeeded" if ended_well and not pending else "Failed"
    if pending and not counts["running"] and not counts["ended"]:
        return "Pending"
    if counts["waiting"]:
        return "Pending"
    if counts["running"]:
        return "Running"
    return _ended_phase(pod, statuses, counts)


def _ended_phase(pod: Pod, statuses: dict[str, ContainerStatus], counts: dict[str, int]) -> str:
    """The phase while no container runs and none waits for its first start."""
    for container in pod.spec.containers:
        terminated = statuses[container.name].state.terminated
        policy = restart_policy(pod, container, init=False)
        failed = terminated is None or terminated.exitCode != 0
        code = terminated.exitCode if terminated else -1
        ruled = any(
            rule.exitCodes is not None and (code in rule.exitCodes.values) == (rule.exitCodes.operator == "In")
            for rule in container.restartPolicyRules
            if rule.action == "Restart"
        )
        if ruled or policy == "Always" or (policy == "OnFailure" and failed):
            return "Running"
    for container in pod.spec.initContainers:
        if is_sidecar(container) and statuses[container.name].state.running is not None:
            return "Running"
    return "Succeeded" if counts["succeeded"] == counts["ended"] else "Failed"


def _initialization(container: Container, status: ContainerStatus | None) -> str:
    if status is None:
        return "pending"
    if is_sidecar(container):
        return "done" if status.started or status.state.terminated is not None else "pending"
    ended = status.state.terminated or (status.lastState.terminated if status.state.waiting else None)
    if ended is None:
        return "pending"
    return "failed" if ended.exitCode else "done"


def _count(status: ContainerStatus | None, counts: dict[str, int]) -> None:
    if status is None:
        counts["waiting"] += 1
    elif status.state.running is not None:
        counts["running"] += 1
    elif status.state.terminated is not None:
        counts["ended"] += 1
        counts["succeeded"] += status.state.terminated.exitCode == 0
    elif status.lastState.terminated is not None:
        counts["ended"] += 1
    else:
        counts["waiting"] += 1
