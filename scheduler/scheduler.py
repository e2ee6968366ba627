"""The loop: take the next pod, choose its node, count it there at once, and bind it in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from api.clock import Clock
from api.core_v1 import Pod, PodCondition
from api.errors import Conflict, NotFound, StatusError
from scheduler.algorithm import Algorithm
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.diagnosis import NoNodesAvailable, Unfit
from scheduler.framework import Code, CycleState, PluginError, PostFilterResult, Status
from scheduler.handle import Handle
from scheduler.pod_info import PodInfo
from scheduler.queue import QueuedPod, SchedulingQueue
from scheduler.runtime import Framework

log = logging.getLogger(__name__)

_IN_FLIGHT = 24
"""Bindings and status updates under way at once; beyond that the loop waits."""


class Scheduler:
    """Decides for the pods of its profiles' schedulerNames; `run` works until cancelled."""

    def __init__(
        self,
        handle: Handle,
        queue: SchedulingQueue,
        algorithm: Algorithm,
    ) -> None:
        self._handle = handle
        self._cache = handle.cache
        self._queue = queue
        self._algorithm = algorithm
        self._nominations = handle.nominations
        self._writer = handle.writer
        self._clock = handle.clock
        self._metrics = handle.metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)

    async def run(self) -> None:
        try:
            while True:
                queued = await self._queue.pop()
                await self.schedule_one(queued)
                await asyncio.sleep(0)  # let bindings and the watch go on between two pods
        finally:
            await self.settle()

    async def settle(self) -> None:
        """Wait for the bindings under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def schedule_one(self, queued: QueuedPod) -> None:
        """One scheduling cycle.  Returns when it is decided; the binding goes on in the background."""
        pod = queued.info
        if pod.terminating or self._cache.pod(pod.uid) is not None:
            self._queue.delete(pod.uid)
            return
        for late in self._cache.expire_assumed():
            log.warning("the binding of %s to %s was never seen; taken back", late.key, late.node_name)
        framework = self._handle.framework_of(pod)
        profile = framework.scheduler_name
        state = CycleState()
        started = self._clock.monotonic()
        try:
            if pod.claims:
                await self._handle.storage.synced()
            if pod.wants_devices:
                await self._find_devices(pod)
                if framework.gate(pod) is not None:
                    self._queue.put_back(queued)
                    return
            extenders = [e for e in self._handle.extenders if e.is_interested(pod)]
            if extenders:
                choice = await self._algorithm.schedule_with(extenders, framework, state, pod)
            else:
                choice = self._algorithm.schedule(framework, state, pod)
        except NoNodesAvailable as problem:
            self._metrics.attempt("unschedulable", self._clock.monotonic() - started, profile)
            self._turn_down(queued, str(problem), set())
            return
        except Unfit as problem:
            await self._make_room(framework, state, queued, problem)
            self._metrics.attempt("unschedulable", self._clock.monotonic() - started, profile)
            return
        except Exception as problem:
            if isinstance(problem, PluginError):
                log.warning("scheduling %s: %s", pod.key, problem)
            else:
                log.exception("scheduling %s", pod.key)
            self._metrics.attempt("error", self._clock.monotonic() - started, profile)
            self._failed(queued, str(problem) or type(problem).__name__)
            return
        if self._queue.get(pod.uid) is not queued:
            return  # gone, or bound by someone else, while others were asked
        self._cache.assume(pod, choice.node_name)
        since = framework.now()
        refusal = await framework.run_reserve(state, pod, choice.node_name)
        framework.took("Reserve", since, refusal)
        if refusal is not None:
            self._cache.forget(pod)
            self._after_refusal(queued, refusal)
            return
        self._metrics.algorithm(self._clock.monotonic() - started)
        await self._slots.acquire()
        task = asyncio.create_task(self._bind(framework, state, queued, choice.node_name, started))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def _find_devices(self, pod: PodInfo) -> None:
        """Learn which devices there are, and which of the pod's extended resources stand for devices."""
        devices = self._handle.devices
        await devices.synced()
        pod.stand_for_devices(name for name in pod.scalars if devices.class_of(name) is not None)

    # --- binding ------------------------------------------------------------------------------------

    async def _bind(
        self, framework: Framework, state: CycleState, queued: QueuedPod, node_name: str, started: float
    ) -> None:
        pod = queued.info
        problem: Status | None
        try:
            if framework.binds_later(state, pod, node_name):
                await self._tell_where(pod, node_name)
            binder = next((extender.bind for extender in self._handle.extenders if extender.binds(pod)), None)
            problem = await framework.run_binding(state, pod, node_name, binder)
        except (StatusError, OSError) as error:
            problem = Status(Code.ERROR, (f"binding rejected: {error}",))
            if isinstance(error, NotFound | Conflict):
                log.info("binding %s: %s", pod.key, error)
            else:
                log.warning("binding %s: %s", pod.key, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("binding %s", pod.key)
            problem = Status(Code.ERROR, (str(error) or type(error).__name__,))
        if problem is None:
            self._cache.binding_finished(pod.uid)
            self._queue.delete(pod.uid)
            self._nominations.drop(pod.uid)
            now = self._clock.monotonic()
            self._metrics.attempt("scheduled", now - started, framework.scheduler_name)
            self._metrics.scheduled(queued.attempts, now - (queued.first_try or now))
            message = f"Successfully assigned {pod.key} to {node_name}"
            self._writer.event(pod.pod, "Normal", "Scheduled", message, "Binding")
            return
        await framework.run_unreserve(state, pod, node_name)
        was_assumed = self._cache.is_assumed(pod.uid)
        self._cache.forget(pod)
        if was_assumed:  # the room it took is free again
            self._queue.move(ClusterEvent(Change.POD_DELETED, pod=pod.pod))
        result = "unschedulable" if problem.rejected else "error"
        self._metrics.attempt(result, self._clock.monotonic() - started, framework.scheduler_name)
        self._after_refusal(queued, problem)

    async def _tell_where(self, pod: PodInfo, node_name: str) -> None:
        """Let others know which node a pod is about to be bound to (KEP-5278); that they do is not necessary."""
        if pod.pod.status.nominatedNodeName != node_name:
            try:
                await self._writer.patch_status(pod.pod, {"nominatedNodeName": node_name})
            except (StatusError, OSError) as error:
                log.warning("nominating a node for %s: %s", pod.key, error)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._slots.release()
        self._done(task)

    # --- failure ------------------------------------------------------------------------------------

    async def _make_room(self, framework: Framework, state: CycleState, queued: QueuedPod, problem: Unfit) -> None:
        try:
            since = framework.now()
            result = await framework.run_post_filter(state, queued.info, problem.statuses)
            framework.took("PostFilter", since, result.status)
        except Exception as error:
            log.exception("making room for %s", queued.info.key)
            result = PostFilterResult(Status(Code.ERROR, (str(error) or type(error).__name__,)))
        if self._queue.get(queued.info.uid) is not queued:
            return
        if result.status is not None:
            problem.post_filter = result.status.message
        if result.nominated_node is not None:
            self._nominations.set(queued.info, result.nominated_node)
        self._turn_down(queued, str(problem), problem.plugins, nominated=result.nominated_node)
        if result.action is not None:
            self._spawn(self._act(queued, result.action))

    async def _act(self, queued: QueuedPod, action: Callable[[], Awaitable[None]]) -> None:
        """Make room.  If that fails the promise is off, and the pod is tried again after its back-off."""
        try:
            await action()
        except (StatusError, OSError) as error:
            log.warning("making room for %s: %s", queued.info.key, error)
            self._nominations.drop(queued.info.uid)
            self._queue.update(queued.info, retry=True)

    def _after_refusal(self, queued: QueuedPod, status: Status) -> None:
        if status.rejected:
            self._turn_down(queued, status.message, {status.plugin} if status.plugin else set())
        else:
            self._failed(queued, status.message)

    def _turn_down(self, queued: QueuedPod, message: str, plugins: set[str], nominated: str | None = None) -> None:
        self._queue.turn_down(queued, plugins)
        self._report(queued.info, "Unschedulable", message, nominated)

    def _failed(self, queued: QueuedPod, message: str) -> None:
        self._queue.failed(queued)
        self._report(queued.info, "SchedulerError", message, None)

    def _report(self, pod: PodInfo, reason: str, message: str, nominated: str | None) -> None:
        if self._queue.get(pod.uid) is None:
            return  # gone, or bound by someone else meanwhile
        self._writer.event(pod.pod, "Warning", "FailedScheduling", message[:1024], "Scheduling")
        patch = failure_patch(pod.pod, reason, message, nominated, self._clock)
        if patch:
            self._spawn(self._patch(pod.pod, patch))

    async def _patch(self, pod: Pod, patch: Mapping[str, Any]) -> None:
        async with self._slots:
            try:
                await self._writer.patch_status(pod, patch)
            except NotFound:
                pass
            except (StatusError, OSError) as error:
                log.warning("status of %s/%s: %s", pod.metadata.namespace, pod.metadata.name, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("in the background: %s", error, exc_info=error)


def failure_patch(pod: Pod, reason: str, message: str, nominated: str | None, clock: Clock) -> dict[str, Any]:
    """What to change in the pod's status so that it says why the pod waits; empty if it says so already."""
    known = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
    patch: dict[str, Any] = {}
    if nominated is not None and nominated != pod.status.nominatedNodeName:
        patch["nominatedNodeName"] = nominated or None
    if known is not None and (known.status, known.reason, known.message) == ("False", reason, message):
        return patch
    condition = PodCondition(
        type="PodScheduled",
        status="False",
        reason=reason,
        message=message,
        lastTransitionTime=clock.now() if known is None or known.status != "False" else known.lastTransitionTime,
        observedGeneration=pod.metadata.generation,
    )
    patch["conditions"] = [condition.to_dict() | {"lastProbeTime": None}]
    return patch
