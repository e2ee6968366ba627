"""Ends containers gracefully: hook, signal, patience, kill.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from api.core_v1 import Container
from kubelet.lifecycle import HookFailed, run_hook
from kubelet.pod_view import has_ended, is_running
from kubelet.restart import is_sidecar
from kubelet.runtime.protocol import ContainerState, ContainerStatus, RuntimeFailure

if TYPE_CHECKING:
    from kubelet.pod_worker import PodWorker

log = logging.getLogger(__name__)

_LEAST = 2.0
"""Seconds between signal and kill, however long the hook took."""
_RETRY = 1.0


class Killer:
    """The ends of one pod's containers, each in a task of its own that wakes the worker when it is done."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._kills: dict[str, asyncio.Task[None]] = {}
        self._all: asyncio.Task[None] | None = None
        self._grace = 0.0
        self._hooked: set[str] = set()

    def cancel(self) -> None:
        for task in [*self._kills.values(), *([self._all] if self._all else [])]:
            task.cancel()

    def kill(self, run: ContainerStatus, why: str) -> None:
        """End one container (again and again until it worked); nothing happens when that is going on already."""
        if run.id in self._kills:
            return
        worker = self._worker
        container = self._spec(run)
        if container is None:
            return
        probe = worker.probes.condemned_by(run.id, container)
        own = probe.terminationGracePeriodSeconds if probe is not None else None
        spec = worker.pod.spec.terminationGracePeriodSeconds
        grace = float(own if own is not None else 30 if spec is None else spec)
        self._kills[run.id] = asyncio.create_task(self._one(run, why, grace))

    async def all_ended(self, grace: float) -> bool:
        """Whether nothing runs any more; begins to end what does, sooner if the grace period was shortened."""
        worker = self._worker
        if self._all is not None and not self._all.done():
            if grace >= self._grace:
                return False
            self._all.cancel()
        for run in [*worker.runs.values()]:
            if not has_ended(run):
                await worker.refresh(run.id)
        if not any(is_running(run) for run in worker.runs.values()):
            return True
        for task in self._kills.values():
            task.cancel()
        self._kills.clear()
        self._grace = grace
        self._all = asyncio.create_task(self._everything(grace))
        return False

    async def _everything(self, grace: float) -> None:
        """Main containers side by side, then the sidecars in reverse order, within one grace period."""
        clock = self._worker.host.clock
        end = clock.monotonic() + grace
        sidecars = [c.name for c in self._worker.pod.spec.initContainers if is_sidecar(c)]
        running = [run for run in self._worker.runs.values() if is_running(run)]
        main = [run for run in running if run.name not in sidecars]
        try:
            await asyncio.gather(*(self._end(run, "", grace) for run in main))
            for name in reversed(sidecars):
                for run in [run for run in running if run.name == name]:
                    await self._end(run, "", max(end - clock.monotonic(), _LEAST if grace > _LEAST else grace))
        except (RuntimeFailure, OSError) as error:
            log.warning("ending pod %s: %s", self._worker.pod.metadata.name, error)
            await clock.sleep(_RETRY)
        self._worker.wake()

    async def _one(self, run: ContainerStatus, why: str, grace: float) -> None:
        try:
            await self._end(run, why, grace)
        except (RuntimeFailure, OSError) as error:
            log.warning("ending container %s: %s", run.name, error)
            await self._worker.host.clock.sleep(_RETRY)
        self._kills.pop(run.id, None)
        self._worker.wake()

    async def _end(self, run: ContainerStatus, why: str, grace: float) -> None:
        worker, host = self._worker, self._worker.host
        container = self._spec(run)
        message = why or f"Stopping container {run.name}"
        host.tell(worker.pod, "Normal", "Killing", message, run.name)
        if container is not None and grace > 0:
            spent = await self._pre_stop(container, run, grace)
            if spent:
                grace = max(grace - spent, min(_LEAST, grace))
        await host.runtime.stop_container(run.id, grace)
        await worker.refresh(run.id)

    async def _pre_stop(self, container: Container, run: ContainerStatus, grace: float) -> float:
        """Run the hook, if there is one, once; returns the seconds it took."""
        handler = container.lifecycle.preStop if container.lifecycle is not None else None
        if handler is None or run.id in self._hooked or run.state != ContainerState.RUNNING:
            return 0.0
        self._hooked.add(run.id)
        worker, host = self._worker, self._worker.host
        begun = host.clock.monotonic()
        hook = asyncio.ensure_future(run_hook(host, container, run.id, worker.ip(), handler))
        limit = asyncio.ensure_future(host.clock.sleep(grace))
        try:
            await asyncio.wait((hook, limit), return_when=asyncio.FIRST_COMPLETED)
            if hook.done():
                hook.result()
        except HookFailed as error:
            host.tell(worker.pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: {error}", container.name)
        finally:
            limit.cancel()
            hook.cancel()
            with contextlib.suppress(HookFailed, asyncio.CancelledError):
                if not hook.done():
                    await hook
        return host.clock.monotonic() - begun

    def _spec(self, run: ContainerStatus) -> Container | None:
        spec = self._worker.pod.spec
        return next((c for c in [*spec.containers, *spec.initContainers] if c.name == run.name), None)
