"""Starts one container: image, configuration, creation, start, hook; or notes why it has to wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.core_v1 import Container
from kubelet.backoff import go_duration
from kubelet.environment import ConfigurationError
from kubelet.images import ensure_image
from kubelet.lifecycle import HookFailed, run_hook
from kubelet.pod_view import Waiting, has_ended
from kubelet.runtime.protocol import (
    ContainerState,
    ContainerStatus,
    CreateContainerFailed,
    StartContainerFailed,
)
from kubelet.status import pod_ips
from kubelet.volumes.plugin import VolumeError

if TYPE_CHECKING:
    from kubelet.pod_worker import PodWorker

_FIRST_RETRY, _LAST_RETRY = 1.0, 10.0
_AT_ONCE = 0.01


class ContainerStarter:
    """Starts containers of one pod, one after another."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._told: dict[str, str] = {}
        self._failures: dict[str, int] = {}

    async def start(self, container: Container) -> None:
        """Try once; afterwards the container runs or `worker.waiting` says why not, with a timer set to try again."""
        worker = self._worker
        last = worker.view().latest(container.name)
        if self._must_back_off(container, last):
            return
        image = await ensure_image(worker.host, worker.pod, container, worker.waiting.get(container.name))
        if isinstance(image, Waiting):
            key = f"{worker.pod.metadata.uid}_{container.image}"
            left = worker.host.image_retries.waiting(key) or _LAST_RETRY
            self._wait(container, image, _FIRST_RETRY if image.reason == "ErrImagePull" else left)
            return
        try:
            config = await worker.host.preparation.container_config(
                worker.pod, container, self._attempt(container, last), image, pod_ips(worker.view())
            )
        except (ConfigurationError, VolumeError) as error:
            self._fail(container, "CreateContainerConfigError", str(error))
            return
        sandbox = worker.sandbox
        assert sandbox is not None
        runtime = worker.host.runtime
        if last is not None and last.state == ContainerState.CREATED:
            await runtime.remove_container(last.id)
            worker.runs.pop(last.id, None)
        try:
            container_id = await runtime.create_container(sandbox.id, config)
        except CreateContainerFailed as error:
            self._fail(container, "CreateContainerError", error.message)
            return
        worker.host.tell(worker.pod, "Normal", "Created", "Container created", container.name)
        try:
            await runtime.start_container(container_id)
        except StartContainerFailed as error:
            await worker.refresh(container_id)
            await self._forget_old(container)
            self._fail(container, "RunContainerError", error.message, _AT_ONCE)
            return
        await self._started(container, container_id)

    async def _started(self, container: Container, container_id: str) -> None:
        worker = self._worker
        worker.host.tell(worker.pod, "Normal", "Started", "Container started", container.name)
        is_init = any(c.name == container.name for c in worker.pod.spec.initContainers)
        worker.host.metrics.started.inc("init_container" if is_init else "container")
        worker.waiting.pop(container.name, None)
        self._failures.pop(container.name, None)
        await worker.refresh(container_id)
        await self._forget_old(container)
        handler = container.lifecycle.postStart if container.lifecycle is not None else None
        if handler is None:
            return
        hook = asyncio.ensure_future(run_hook(worker.host, container, container_id, worker.ip(), handler))
        ending = asyncio.ensure_future(worker.ending.wait())
        try:
            await asyncio.wait((hook, ending), return_when=asyncio.FIRST_COMPLETED)
            if hook.done():
                hook.result()
        except HookFailed as error:
            message = f"PostStartHook failed: {error}"
            worker.host.tell(worker.pod, "Warning", "FailedPostStartHook", message, container.name)
            worker.host.tell(worker.pod, "Normal", "Killing", "FailedPostStartHook", container.name)
            await worker.host.runtime.stop_container(container_id, worker.pod.spec.terminationGracePeriodSeconds or 30)
            await worker.refresh(container_id)
            self._wait(container, Waiting("PostStartHookError", message), _AT_ONCE)
        finally:
            hook.cancel()
            ending.cancel()

    def _must_back_off(self, container: Container, last: ContainerStatus | None) -> bool:
        """Whether a container that ended has to wait before it is run again; says so when it begins."""
        worker = self._worker
        if last is None or not has_ended(last):
            return False
        key = f"{worker.pod.metadata.uid}_{container.name}"
        ended = last.finished_at or last.created_at
        left = worker.host.restarts.remaining(key, ended)
        if left <= 0:
            if worker.waiting.get(container.name, Waiting("")).reason not in ("ErrImagePull", "ImagePullBackOff"):
                worker.host.restarts.next(key, ended)
            return False
        meta = worker.pod.metadata
        delay = go_duration(worker.host.restarts.delay(key))
        pod = f"{meta.name}_{meta.namespace}({meta.uid})"
        message = f"back-off {delay} restarting failed container={container.name} pod={pod}"
        worker.waiting[container.name] = Waiting("CrashLoopBackOff", message)
        worker.wake_after(f"start {container.name}", left)
        if self._told.get(container.name) != last.id:
            self._told[container.name] = last.id
            worker.host.tell(
                worker.pod,
                "Warning",
                "BackOff",
                f"Back-off restarting failed container {container.name} in pod {pod}",
                container.name,
            )
        return True

    def _attempt(self, container: Container, last: ContainerStatus | None) -> int:
        """The number of restarts this run makes; known from the API where the runtime has no memory of the last."""
        if last is not None:
            return last.attempt if last.state == ContainerState.CREATED else last.attempt + 1
        status = self._worker.pod.status
        for known in [*status.containerStatuses, *status.initContainerStatuses]:
            if known.name == container.name:
                ran = known.state.running or known.state.terminated or known.lastState.terminated
                return known.restartCount + 1 if ran else known.restartCount
        return 0

    async def _forget_old(self, container: Container) -> None:
        """Keep the run before this one, for its logs; remove those before it."""
        worker = self._worker
        for run in worker.view().history.get(container.name, [])[2:]:
            await worker.host.runtime.remove_container(run.id)
            worker.runs.pop(run.id, None)
            worker.messages.pop(run.id, None)
            worker.host.preparation.forget_run(worker.pod, run)

    def _fail(self, container: Container, reason: str, message: str, retry: float = 0.0) -> None:
        """Wait after an error; what is missing may appear at any moment, so the first retries come soon."""
        worker = self._worker
        failures = self._failures[container.name] = self._failures.get(container.name, 0) + 1
        retry = retry or min(_FIRST_RETRY * 2 ** min(failures - 1, 10), _LAST_RETRY)
        worker.host.metrics.start_errors.inc(reason)
        worker.host.tell(worker.pod, "Warning", "Failed", f"Error: {message}", container.name)
        self._wait(container, Waiting(reason, message), retry)

    def _wait(self, container: Container, waiting: Waiting, seconds: float) -> None:
        self._worker.waiting[container.name] = waiting
        self._worker.wake_after(f"start {container.name}", seconds)
