"""A pod's status from what is known of it: phase, conditions, container statuses.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    HostIP,
    LinuxContainerUser,
    Pod,
    PodIP,
    PodStatus,
    ResourceRequirements,
    VolumeMountStatus,
)
from kubelet.annotations import IMAGE_ID
from kubelet.conditions import pod_conditions
from kubelet.phase import pod_phase
from kubelet.pod_view import PodView, Rejection, Waiting, has_ended, is_initialized, is_running
from kubelet.restart import is_sidecar, should_restart
from kubelet.runtime.protocol import ContainerState as RunState
from kubelet.runtime.protocol import ContainerStatus as Run

_UNKNOWN_EXIT = 137


def pod_status(view: PodView, now: datetime) -> PodStatus:
    """The whole status.  Times of unchanged conditions are taken over from the pod's present status."""
    pod, old = view.pod, view.pod.status
    if isinstance(view.failure, Rejection):
        return PodStatus(
            phase="Failed",
            reason=view.failure.reason,
            message=view.failure.message,
            startTime=old.startTime or now,
            qosClass=old.qosClass or qos_class(pod),
            observedGeneration=pod.metadata.generation,
        )
    status = PodStatus(
        startTime=old.startTime or now,
        qosClass=old.qosClass or qos_class(pod),
        hostIP=view.host_ips[0] if view.host_ips else old.hostIP,
        hostIPs=[HostIP(ip=ip) for ip in view.host_ips] or old.hostIPs,
        observedGeneration=pod.metadata.generation,
        nominatedNodeName=old.nominatedNodeName,
        resize=old.resize,
        resourceClaimStatuses=old.resourceClaimStatuses,
    )
    ips = pod_ips(view)
    status.podIP = ips[0] if ips else old.podIP
    status.podIPs = [PodIP(ip=ip) for ip in ips] or old.podIPs
    spec = pod.spec
    olds = {s.name: s for s in [*old.initContainerStatuses, *old.containerStatuses]}
    status.initContainerStatuses = [_init_status(view, c, olds.get(c.name)) for c in spec.initContainers]
    status.containerStatuses = [
        _status(view, c, olds.get(c.name), init=False) for c in sorted(spec.containers, key=lambda c: c.name)
    ]
    status.phase = pod_phase(pod, status, over=view.terminating and _all_ended(view))
    if view.failure is not None:
        status.phase = "Failed"
        status.reason, status.message = view.failure.reason, view.failure.message
    if old.phase in ("Succeeded", "Failed"):
        status.phase = old.phase  # a pod never comes back from its end
        status.reason, status.message = status.reason or old.reason, status.message or old.message
    status.conditions = pod_conditions(view, status, now)
    return status


def pod_ips(view: PodView) -> tuple[str, ...]:
    if view.pod.spec.hostNetwork:
        return view.host_ips
    return view.sandbox.ips if view.sandbox is not None else ()


def qos_class(pod: Pod) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/."""
    guaranteed, any_set = True, False
    for container in [*pod.spec.containers, *pod.spec.initContainers]:
        requests, limits = container.resources.requests, container.resources.limits
        for name in ("cpu", "memory"):
            request, limit = requests.get(name), limits.get(name)
            any_set = any_set or request not in (None, "0") or limit not in (None, "0")
            if limit in (None, "0") or (request is not None and request != limit):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _all_ended(view: PodView) -> bool:
    return not any(is_running(run) for runs in view.history.values() for run in runs)


def _init_status(view: PodView, container: Container, old: ContainerStatus | None) -> ContainerStatus:
    status = _status(view, container, old, init=True)
    if not is_sidecar(container):
        status.ready = status.state.terminated is not None and status.state.terminated.exitCode == 0
    return status


def _status(view: PodView, container: Container, old: ContainerStatus | None, *, init: bool) -> ContainerStatus:
    runs = view.history.get(container.name, ())
    run = runs[0] if runs else None
    status = ContainerStatus(
        name=container.name,
        image=container.image,
        imageID=run.config.annotations.get(IMAGE_ID, "") if run else "",
        ready=view.ready(run),
        started=view.started(run),
        restartCount=run.attempt if run else (old.restartCount if old else 0),
        containerID=f"{view.runtime_name}://{run.id}" if run else "",
        volumeMounts=_mounts(container),
    )
    if run is None:
        _absent(view, container, old, status)
        return status
    status.state = _state(view, run)
    status.lastState = _last_state(view, runs, old)
    waiting = view.waiting.get(container.name)
    if waiting is not None and not is_running(run) and not view.terminating:
        restarts = not has_ended(run) or should_restart(view.pod, container, run, init=init)
        if restarts:
            if status.state.terminated is not None:
                status.lastState = status.state
            status.state = _waiting(waiting)
    if is_running(run):
        status.resources = ResourceRequirements(
            limits=container.resources.limits, requests=container.resources.requests
        )
        status.allocatedResources = container.resources.requests
        status.user = _user(run)
    return status


def _absent(view: PodView, container: Container, old: ContainerStatus | None, status: ContainerStatus) -> None:
    """The state of a container the runtime knows nothing of."""
    if old is not None and (old.state.terminated is not None or (old.state.running is not None and view.terminating)):
        # It did run: what is known of it must not be lost with the runtime's own record.
        status.restartCount, status.imageID, status.containerID = old.restartCount, old.imageID, old.containerID
        status.lastState = old.lastState
        status.state = old.state if old.state.terminated else _lost(old)
        return
    if view.terminating and view.failure is None and old is not None:
        status.state = _lost(old)
        return
    if old is not None:
        status.lastState = old.lastState if old.state.running is None else _lost(old)
    initializing = bool(view.pod.spec.initContainers) and not is_initialized(view)
    regular = all(c.name != container.name for c in view.pod.spec.initContainers)
    default = "PodInitializing" if (initializing or view.pod.spec.initContainers) and regular else "ContainerCreating"
    if view.pod.spec.initContainers and not regular:
        default = "PodInitializing"
    status.state = _waiting(view.waiting.get(container.name) or Waiting(default))


def _lost(old: ContainerStatus) -> ContainerState:
    message = "The container could not be located when the pod was terminated"
    started = old.state.running.startedAt if old.state.running else None
    return ContainerState(
        terminated=ContainerStateTerminated(
            exitCode=_UNKNOWN_EXIT,
            reason="ContainerStatusUnknown",
            message=message,
            startedAt=started,
            containerID=old.containerID,
        )
    )


def _waiting(waiting: Waiting) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=waiting.reason, message=waiting.message))


def _state(view: PodView, run: Run) -> ContainerState:
    if is_running(run):
        return ContainerState(running=ContainerStateRunning(startedAt=run.started_at))
    if has_ended(run):
        return _terminated(view, run)
    return _waiting(view.waiting.get(run.name) or Waiting("ContainerCreating"))


def _terminated(view: PodView, run: Run) -> ContainerState:
    code = run.exit_code
    unknown = run.state == RunState.UNKNOWN
    return ContainerState(
        terminated=ContainerStateTerminated(
            exitCode=_UNKNOWN_EXIT if unknown else code,
            signal=run.signal,
            reason="ContainerStatusUnknown" if unknown else run.reason or ("Error" if code else "Completed"),
            message=view.messages.get(run.id) or run.message,
            startedAt=run.started_at,
            finishedAt=run.finished_at,
            containerID=f"{view.runtime_name}://{run.id}",
        )
    )


def _last_state(view: PodView, runs: Sequence[Run], old: ContainerStatus | None) -> ContainerState:
    ended = next((run for run in runs[1:] if has_ended(run)), None)
    if ended is not None:
        return _terminated(view, ended)
    if old is not None and runs[0].attempt > 0:
        if old.state.terminated is not None and old.restartCount < runs[0].attempt:
            return ContainerState(terminated=old.state.terminated)
        return old.lastState
    return ContainerState()


def _mounts(container: Container) -> list[VolumeMountStatus]:
    return [
        VolumeMountStatus(
            name=mount.name,
            mountPath=mount.mountPath,
            readOnly=mount.readOnly,
            recursiveReadOnly=(mount.recursiveReadOnly or "Disabled") if mount.readOnly else None,
        )
        for mount in container.volumeMounts
    ]


def _user(run: Run) -> ContainerUser | None:
    security = run.config.security
    if security.run_as_user is None:
        return None
    group = security.run_as_group or 0
    groups = sorted({group, *security.supplemental_groups})
    return ContainerUser(linux=LinuxContainerUser(uid=security.run_as_user, gid=group, supplementalGroups=groups))
