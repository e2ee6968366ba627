"""All that is known of one pod at one moment: what its status and the next actions are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from api.core_v1 import Container, Pod
from kubelet.restart import is_sidecar, should_restart
from kubelet.runtime.protocol import ContainerState, ContainerStatus, Sandbox, SandboxState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container is not running (yet)."""

    reason: str
    message: str = ""


class Rejection(Waiting):
    """Why the node does not take the pod: nothing of it will ever run."""


@dataclass(frozen=True, slots=True)
class PodView:
    """`history` has each container's runs by name, newest first.

    `not_started` and `unready` name running containers (by id) whose startup or readiness probe has not
    succeeded; `unhealthy` those (by id) that a probe condemned, with the sentence that says so.
    """

    pod: Pod
    sandbox: Sandbox | None = None
    history: Mapping[str, Sequence[ContainerStatus]] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    not_started: frozenset[str] = frozenset()
    unready: frozenset[str] = frozenset()
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    failure: Waiting | None = None
    terminating: bool = False
    host_ips: tuple[str, ...] = ()
    runtime_name: str = ""

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest run of a container."""
        runs = self.history.get(name)
        return runs[0] if runs else None

    @property
    def sandbox_ready(self) -> bool:
        return self.sandbox is not None and self.sandbox.state == SandboxState.READY

    def started(self, run: ContainerStatus | None) -> bool:
        return is_running(run) and run is not None and run.id not in self.not_started

    def ready(self, run: ContainerStatus | None) -> bool:
        return self.started(run) and run is not None and run.id not in self.unready


def is_running(run: ContainerStatus | None) -> bool:
    return run is not None and run.state == ContainerState.RUNNING


def has_ended(run: ContainerStatus | None) -> bool:
    return run is not None and run.state in (ContainerState.EXITED, ContainerState.UNKNOWN)


def by_name(runs: Iterable[ContainerStatus]) -> dict[str, list[ContainerStatus]]:
    """Group runs by container, newest first."""
    history: dict[str, list[ContainerStatus]] = {}
    for run in sorted(runs, key=lambda run: (run.attempt, run.created_at), reverse=True):
        history.setdefault(run.name, []).append(run)
    return history


def is_initialized(view: PodView) -> bool:
    """Whether every init container has done its part: ended well, or, a sidecar, has started."""
    if any(view.latest(c.name) for c in view.pod.spec.containers):
        return True
    for container in view.pod.spec.initContainers:
        run = view.latest(container.name)
        if is_sidecar(container):
            if not view.started(run):
                return False
        elif not (has_ended(run) and run is not None and run.exit_code == 0):
            return False
    return True


def is_over(view: PodView) -> bool:
    """Whether nothing of the pod will run (again) but sidecars: it has succeeded or failed."""
    pod = view.pod
    for container in pod.spec.initContainers:
        run = view.latest(container.name)
        if is_sidecar(container) or run is None or not has_ended(run) or run.exit_code == 0:
            continue
        if not should_restart(pod, container, run, init=True) and not any(
            view.latest(c.name) for c in pod.spec.containers
        ):
            return True
    return all(_is_done(pod, c, view.latest(c.name)) for c in pod.spec.containers)


def _is_done(pod: Pod, container: Container, run: ContainerStatus | None) -> bool:
    return run is not None and has_ended(run) and not should_restart(pod, container, run, init=False)
