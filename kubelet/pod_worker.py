"""One worker per pod: brings what runs to what is wanted, step by step, and reports what is.

The worker is level-triggered: anything that changes (the object, a container, a probe, a timer) calls `wake`,
and one task, which exists only while there is something to do, looks at everything anew.  It never runs twice
at once.  What takes long (grace periods) happens in tasks beside it that wake it when they are done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from api.core_v1 import Pod
from api.errors import StatusError
from api.meta_v1 import ObjectMeta
from client.rest import Unreachable
from kubelet.containers import ContainerStarter
from kubelet.host import Host
from kubelet.killing import Killer
from kubelet.pod_actions import next_actions
from kubelet.pod_view import PodView, Rejection, Waiting, by_name, has_ended, is_running
from kubelet.probes.pod_probes import PodProbes
from kubelet.runtime.protocol import (
    ContainerEvent,
    ContainerEventType,
    ContainerStatus,
    RuntimeFailure,
    Sandbox,
    SandboxFailed,
    SandboxState,
)
from kubelet.status import pod_ips, pod_status
from kubelet.status_writer import StatusEntry, StatusWriter
from kubelet.timers import Timer
from kubelet.volumes.plugin import VolumeError

log = logging.getLogger(__name__)

_RETRY = 2.0
_SLOW = 0.3
"""Seconds after which a start that is still going on is reported as such; quicker ones are reported once, done."""
_DEADLINE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """The life of one pod (one uid) on this node.  `on_finished` is called when nothing is left of it here."""

    def __init__(
        self,
        host: Host,
        writer: StatusWriter,
        pod: Pod,
        on_finished: Callable[[str], None],
        sandboxes: Iterable[Sandbox] = (),
        runs: Iterable[ContainerStatus] = (),
    ) -> None:
        self.host = host
        self.pod = pod
        self.sandbox: Sandbox | None = max(sandboxes, key=lambda s: s.config.attempt, default=None)
        self.runs: dict[str, ContainerStatus] = {run.id: run for run in runs}
        self.waiting: dict[str, Waiting] = {}
        self.messages: dict[str, str] = {}
        self.failure: Waiting | None = None
        self.terminating = False
        self.probes = PodProbes(host, lambda: self.pod, self.ip, self.wake)
        self.entry = StatusEntry(pod, self._written)
        self._writer = writer
        self._on_finished = on_finished
        self._starter = ContainerStarter(self)
        self._killer = Killer(self)
        self._seen_at = host.clock.monotonic()
        self._reported_start = False
        self._removed = False
        self._released = False
        self._mounted = False
        self._stale = False
        self._dirty = False
        self._task: asyncio.Task[None] | None = None
        self._timers: dict[str, Timer] = {}
        self.ending = asyncio.Event()
        """Set when the pod has to end: what is only there to start it is broken off."""
        for run in self.runs.values():
            self._note_end(run)

    # --- what comes from outside -----------------------------------------------------------------

    def update(self, pod: Pod) -> None:
        """The object changed (perhaps only by our own write)."""
        if _not_newer(pod, self.pod):
            return
        before, self.pod = self.pod.metadata, pod
        self.entry.pod = pod
        if before.labels != pod.metadata.labels or before.annotations != pod.metadata.annotations:
            self.refresh_volumes()
        if pod.metadata.deletionTimestamp is not None:
            self.ending.set()
        self.wake()

    def removed(self) -> None:
        """The object is gone from the API: end everything and leave no trace."""
        self._removed = self.entry.gone = True
        self.ending.set()
        self.wake()

    def runtime_event(self, event: ContainerEvent) -> None:
        """Something happened to a container of the pod."""
        if event.type == ContainerEventType.REMOVED or event.status is None:
            return
        known = self.runs.get(event.container_id)
        if known is not None and has_ended(known):
            self.wake()  # it ended so soon that its start has seen it; nobody has acted on it yet
            return
        if known is not None and known.state == event.status.state:
            return
        self.runs[event.container_id] = event.status
        self._note_end(event.status)
        self.wake()

    def wake(self) -> None:
        """Look at everything again."""
        self._dirty = True
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    def wake_after(self, why: str, seconds: float) -> None:
        """Look again later; one timer per reason."""
        if why in self._timers:
            self._timers[why].cancel()
        self._timers[why] = self.host.timers.call_after(seconds, self.wake)

    def stop(self) -> None:
        """The kubelet leaves; the pod goes on."""
        for timer in self._timers.values():
            timer.cancel()
        self.probes.stop()
        self._killer.cancel()
        if self._task is not None:
            self._task.cancel()

    # --- what is known ---------------------------------------------------------------------------

    def ip(self) -> str:
        """The pod's first address, "" before it has one."""
        ips = pod_ips(self.view())
        return ips[0] if ips else self.pod.status.podIP

    def view(self) -> PodView:
        return PodView(
            pod=self.pod,
            sandbox=self.sandbox,
            history=by_name(self.runs.values()),
            waiting=self.waiting,
            not_started=self.probes.not_started(),
            unready=self.probes.unready(),
            unhealthy=self.probes.unhealthy(),
            messages=self.messages,
            failure=self.failure,
            terminating=self.terminating,
            host_ips=self.host.host_ips,
            runtime_name=self.host.runtime.version.name,
        )

    def _note_end(self, run: ContainerStatus) -> None:
        if not has_ended(run):
            return
        self.probes.forget(run.id)
        if run.id not in self.messages:
            for container in [*self.pod.spec.initContainers, *self.pod.spec.containers]:
                if container.name == run.name:
                    self.messages[run.id] = self.host.preparation.termination_message(self.pod, container, run)

    async def refresh(self, container_id: str) -> ContainerStatus | None:
        """Ask the runtime about one container; None when it knows of none."""
        try:
            run = await self.host.runtime.container_status(container_id)
        except RuntimeFailure:
            self.runs.pop(container_id, None)
            return None
        known = self.runs.get(container_id)
        self.runs[container_id] = run
        self._note_end(run)
        if has_ended(run) and not has_ended(known):
            self.wake()  # its event will find nothing new any more
        return run

    # --- the work --------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                begun = self.host.clock.monotonic()
                await self._sync()
                kind = "terminating_pod" if self.terminating else "sync"
                self.host.metrics.pod_workers.observe(self.host.clock.monotonic() - begun, kind)
        except (StatusError, Unreachable, RuntimeFailure, OSError) as error:
            name = f"{self.pod.metadata.namespace}/{self.pod.metadata.name}"
            log.warning("pod %s: %s", name, error)
            self.wake_after("retry", _RETRY)
        except Exception:
            log.exception("pod %s/%s", self.pod.metadata.namespace, self.pod.metadata.name)
            self.wake_after("retry", _RETRY * 5)
        finally:
            self._task = None
        if self._dirty:
            self.wake()

    async def _sync(self) -> None:
        if not self.terminating:
            self._check_end()
        if self.terminating:
            await self._end()
            return
        slow = self.host.timers.call_after(_SLOW, self.publish)
        try:
            await self._run()
        finally:
            slow.cancel()
        self.publish()

    def _check_end(self) -> None:
        """Find reasons for the pod to end that do not lie in its containers."""
        status = self.pod.status
        if self._removed or self.pod.metadata.deletionTimestamp is not None or status.phase in ("Succeeded", "Failed"):
            self._begin_end()
            return
        limit = self.pod.spec.activeDeadlineSeconds
        if limit is None or status.startTime is None:
            return
        left = limit - (self.host.clock.now() - status.startTime).total_seconds()
        if left > 0:
            self.wake_after("deadline", left)
            return
        self.host.tell(self.pod, "Normal", "DeadlineExceeded", _DEADLINE)
        self.failure = Waiting("DeadlineExceeded", _DEADLINE)
        self._begin_end()

    def reject(self, reason: str, message: str) -> None:
        """The node will not run this pod."""
        self.host.tell(self.pod, "Warning", reason, message)
        self.failure = Rejection(reason, f"Pod was rejected: {message}")
        self._begin_end()

    def _begin_end(self) -> None:
        self.terminating = True
        self.ending.set()
        self.probes.wind_down()

    async def _run(self) -> None:
        actions = next_actions(self.view())
        if actions.finish:
            self._begin_end()
            self.wake()
            return
        self._watch_probes()
        for container_id, why in actions.kill.items():
            self._killer.kill(self.runs[container_id], why)
        await self._refresh_volumes()
        if not actions.start and not actions.create_sandbox and self._mounted:
            return
        if not await self._prepared(create_sandbox=actions.create_sandbox):
            return
        for container in actions.start:
            if self.ending.is_set():
                return
            await self._starter.start(container)
        self._watch_probes()
        self._report_start()
        if self.pod.spec.initContainers and self.sandbox is not None:
            following = next_actions(self.view())  # a sidecar that needs no probe lets the next container start
            if [c.name for c in following.start if c.name not in self.waiting and self.view().latest(c.name) is None]:
                self.wake()

    async def _prepared(self, *, create_sandbox: bool) -> bool:
        """Have sandbox and volumes, made side by side; False when one of them has to be waited for."""
        work = [self.host.preparation.prepare(self.pod)]
        if create_sandbox:
            work.append(self._make_sandbox())
        results = await asyncio.gather(*work, return_exceptions=True)
        for error in results:
            if isinstance(error, VolumeError):
                self.host.tell(self.pod, "Warning", "FailedMount", str(error))
            elif isinstance(error, SandboxFailed):
                message = f"Failed to create pod sandbox: {error.message}"
                self.host.tell(self.pod, "Warning", "FailedCreatePodSandBox", message)
            elif error is not None:
                raise error
        if any(results):
            self.wake_after("retry", _RETRY)
            return False
        self._mounted = True
        self._renew_later()
        return True

    def refresh_volumes(self) -> None:
        """Something that the pod mounts has changed."""
        if self._mounted:
            self._stale = True
            self.wake()

    async def _refresh_volumes(self) -> None:
        if not self._stale:
            return
        self._stale = False
        try:
            await self.host.preparation.refresh(self.pod)
        except VolumeError as error:
            log.info("pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, error)
            self.host.timers.call_after(_RETRY * 5, self.refresh_volumes)
        self._renew_later()

    def _renew_later(self) -> None:
        moment = self.host.preparation.renew_at(self.pod)
        if moment is None:
            return
        if "renew" in self._timers:
            self._timers["renew"].cancel()
        seconds = max(1.0, (moment - self.host.clock.now()).total_seconds())
        self._timers["renew"] = self.host.timers.call_after(seconds, self.refresh_volumes)

    async def _make_sandbox(self) -> None:
        attempt = 0
        if self.sandbox is not None:
            self.host.tell(
                self.pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
            attempt = self.sandbox.config.attempt + 1
            await self.host.runtime.stop_sandbox(self.sandbox.id)
            for run_id in [*self.runs]:
                await self.refresh(run_id)
            self.host.metrics.restarted_pods.inc()
        config = self.host.preparation.sandbox_config(self.pod, attempt)
        self.sandbox = await self.host.runtime.run_sandbox(config)

    def _watch_probes(self) -> None:
        for container in [*self.pod.spec.initContainers, *self.pod.spec.containers]:
            if container.readinessProbe or container.livenessProbe or container.startupProbe:
                run = self.view().latest(container.name)
                if run is not None and is_running(run) and not self.host.quiet:
                    self.probes.watch(container, run)

    def _report_start(self) -> None:
        if not self._reported_start and all(is_running(self.view().latest(c.name)) for c in self.pod.spec.containers):
            self._reported_start = True
            self.host.metrics.pod_start.observe(self.host.clock.monotonic() - self._seen_at)

    # --- the end ---------------------------------------------------------------------------------

    async def _end(self) -> None:
        if not await self._killer.all_ended(self._grace()):
            self.publish()
            return
        self.probes.stop()
        if self.sandbox is not None and self.sandbox.state == SandboxState.READY:
            await self.host.runtime.stop_sandbox(self.sandbox.id)
            for sandbox in await self.host.runtime.list_sandboxes():
                if sandbox.id == self.sandbox.id:
                    self.sandbox = sandbox
        if not self._released:
            await self.host.preparation.release(self.pod.metadata.uid)
            self._released = True
        self.host.restarts.forget(self.pod.metadata.uid)
        self.host.image_retries.forget(self.pod.metadata.uid)
        if not self._removed:
            self.entry.delete = self.pod.metadata.deletionTimestamp is not None
            self.publish()
            return
        await self._clean_up()

    async def _clean_up(self) -> None:
        uid = self.pod.metadata.uid
        for sandbox in await self.host.runtime.list_sandboxes():
            if sandbox.config.pod_uid == uid:
                await self.host.runtime.remove_sandbox(sandbox.id)
        await self.host.preparation.remove(self.pod)
        for timer in self._timers.values():
            timer.cancel()
        self._on_finished(uid)

    def _grace(self) -> float:
        """Seconds the containers have from now on."""
        meta, spec = self.pod.metadata, self.pod.spec
        if meta.deletionTimestamp is not None and meta.deletionGracePeriodSeconds is not None:
            return float(max(1, meta.deletionGracePeriodSeconds))
        return float(30 if spec.terminationGracePeriodSeconds is None else max(1, spec.terminationGracePeriodSeconds))

    # --- the report ------------------------------------------------------------------------------

    def publish(self) -> None:
        """Compute the status and have it written if it differs."""
        if self._removed:
            return
        self.entry.wanted = pod_status(self.view(), self.host.clock.now())
        self._writer.submit(self.entry)

    def _written(self, pod: Pod) -> None:
        """The answer to our write may tell of others' changes before the watch does, which then tells nothing new."""
        if _not_newer(pod, self.pod):
            return
        if _asks_for_more(pod.metadata, self.pod.metadata):
            self.update(pod)
            return
        started = self.pod.status.startTime
        self.pod = self.entry.pod = pod
        if started is None and self.pod.spec.activeDeadlineSeconds is not None:
            self.wake()


def _asks_for_more(new: ObjectMeta, old: ObjectMeta) -> bool:
    """Whether somebody has changed what we act on."""
    return (
        new.generation != old.generation
        or new.deletionTimestamp != old.deletionTimestamp
        or new.labels != old.labels
        or new.annotations != old.annotations
    )


def _not_newer(pod: Pod, than: Pod) -> bool:
    """Whether an object is no newer than another version of it (revisions of one object only grow)."""
    new, old = pod.metadata.resourceVersion, than.metadata.resourceVersion
    if new.isdigit() and old.isdigit():
        return int(new) <= int(old)
    return new == old
