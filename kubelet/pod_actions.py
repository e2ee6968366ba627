"""What has to happen next with a pod's containers: a pure function of what is known.

The order of things is that of https://kubernetes.io/docs/concepts/workloads/pods/init-containers/ and
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from api.core_v1 import Container
from kubelet.annotations import HASH
from kubelet.pod_view import PodView, has_ended, is_initialized, is_over, is_running
from kubelet.restart import is_sidecar, should_restart
from kubelet.runtime.protocol import ContainerState, ContainerStatus


@dataclass(slots=True)
class PodActions:
    """`start` is in order; `kill` gives, by container id, the sentence for the Killing event."""

    create_sandbox: bool = False
    start: list[Container] = field(default_factory=list)
    kill: dict[str, str] = field(default_factory=dict)
    finish: bool = False


def container_hash(container: Container) -> str:
    """Changes with what may be changed in a running pod and needs a new container: its image."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def next_actions(view: PodView) -> PodActions:
    """Decide for a pod that is meant to run.  Back-off is not considered: it delays a start, nothing else."""
    actions = PodActions()
    if is_over(view):
        actions.finish = True
        return actions
    if not view.sandbox_ready:
        actions.create_sandbox = True
    initialized = _init_containers(view, actions)
    if initialized:
        for container in view.pod.spec.containers:
            _container(view, container, actions, init=False)
    return actions


def _init_containers(view: PodView, actions: PodActions) -> bool:
    """Returns whether the regular containers' turn has come."""
    if is_initialized(view):
        for container in view.pod.spec.initContainers:
            if is_sidecar(container):
                _container(view, container, actions, init=True)
        return True
    blocked = False
    for container in view.pod.spec.initContainers:
        run = view.latest(container.name)
        if blocked:
            if is_sidecar(container) and run is not None:
                _container(view, container, actions, init=True)
            continue
        done = view.started(run) if is_sidecar(container) else run is not None and has_ended(run) and not run.exit_code
        if not done or is_sidecar(container):
            _container(view, container, actions, init=True)
        blocked = not done
    return not blocked


def _container(view: PodView, container: Container, actions: PodActions, *, init: bool) -> None:
    run = view.latest(container.name)
    if run is None or run.state == ContainerState.CREATED:
        actions.start.append(container)
    elif is_running(run):
        reason = _condemned(view, container, run)
        if reason:
            actions.kill[run.id] = reason
    elif should_restart(view.pod, container, run, init=init):
        actions.start.append(container)


def _condemned(view: PodView, container: Container, run: ContainerStatus) -> str:
    """Why a running container has to end, or ""."""
    wanted = run.config.annotations.get(HASH)
    if wanted and wanted != container_hash(container):
        return f"Container {container.name} definition changed, will be restarted"
    return view.unhealthy.get(run.id, "")
