"""Runs the pods of a Job until enough of them have succeeded, and counts them.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from api.batch_v1 import Job, JobCondition
from api.core_v1 import Pod
from api.errors import NotFound
from client.controller import Controller, Key, Watches, controller_of, owner
from client.store import key_of
from controller_manager.claim import OWNER, by_controller, claim
from controller_manager.expectations import Expectations
from controller_manager.job import tracking
from controller_manager.job.backoff import Failures, finished_at, remaining
from controller_manager.job.conditions import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
    find,
    finished,
    is_indexed,
    is_managed_elsewhere,
    new_condition,
    replaces_only_failed,
    set_condition,
)
from controller_manager.job.metrics import JobMetrics
from controller_manager.job.pods import TRACKING, is_tracked, new_pod, surplus, times_failed
from controller_manager.job.progress import (
    Progress,
    is_complete,
    look,
    outcome,
    pending_indexes,
    seconds_to_deadline,
    wanted_active,
)
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_state import is_ready
from controller_manager.selectors import matches
from controller_manager.slow_start import slow_start
from controller_manager.written import Written

_BURST = 500
_AT_ONCE = 64
_COALESCE = 0.03
"""Seconds within which a job's pod events become one reconcile."""
_LEFT_BEHIND = "pod "
"""Begins the keys of pods whose finalizer no reconcile of a job will take away."""


class JobController(Controller):
    name = "job-controller"

    def setup(self, watch: Watches) -> None:
        self.expectations = Expectations(self.clock)
        self.written = Written()
        self.metrics = JobMetrics()
        self.measures = self.metrics.all
        self._coming_off: dict[Key, set[str]] = defaultdict(set)
        self._failures: dict[Key, Failures] = {}
        self.jobs = watch(Job, enqueue=self._job_changed)
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={OWNER: by_controller}, delay=_COALESCE)

    def _job_changed(self, old: Job | None, new: Job | None) -> Iterable[Key]:
        job = new or old
        assert job is not None
        if new is None:
            self._forget(key_of(job))
        yield key_of(job)
        if new is None or (old is not None and finished(new)):  # of jobs known from the start, the pods come next
            yield from (_LEFT_BEHIND + key_of(pod) for pod in self.pods.by_index(OWNER, job.metadata.uid))

    def _forget(self, key: Key) -> None:
        self.expectations.forget(key)
        self.written.forget(key)
        self._coming_off.pop(key, None)
        self._failures.pop(key, None)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        pod = new or old
        assert pod is not None
        keys = [*_owner_keys(old, new)]
        for key in keys:
            if old is None and pod.metadata.deletionTimestamp is None:
                self.expectations.created(key)
            elif new is None or pod.metadata.deletionTimestamp is not None:
                self.expectations.deleted(key, pod.metadata.uid)
            if key in self._coming_off and (new is None or not is_tracked(new)):
                self._coming_off[key].discard(pod.metadata.uid)
        yield from keys
        if new is None:
            return
        if self._is_left_behind(new):
            yield _LEFT_BEHIND + key_of(new)
        if controller_of(new.metadata) is None:
            candidates = self.jobs.in_namespace(new.metadata.namespace)
            yield from (key_of(job) for job in candidates if matches(job.spec.selector, new.metadata.labels))

    def _is_left_behind(self, pod: Pod) -> bool:
        """It has the finalizer, and there is no job at work that would take it away."""
        if not is_tracked(pod):
            return False
        reference = controller_of(pod.metadata)
        if reference is None:
            return True
        if [*_owner_keys(None, pod)] == []:
            return False  # another kind's
        job = self.jobs.get(f"{pod.metadata.namespace}/{reference.name}")
        if job is None or job.metadata.uid != reference.uid:
            return True
        return finished(job) is not None and not is_managed_elsewhere(job)

    async def reconcile(self, key: Key) -> None:
        if key.startswith(_LEFT_BEHIND):
            pod = self.pods.get(key.removeprefix(_LEFT_BEHIND))
            if pod is not None and self._is_left_behind(pod):
                await self._free(pod, unchanged=True)  # nobody may have adopted it meanwhile
            return
        job = self.jobs.get(key)
        if job is None or is_managed_elsewhere(job) or not self.written.is_shown(job):
            return
        if finished(job):
            self._forget(key)
            return
        acting = self.expectations.met(key)  # asked before the pods are read: later is safe, earlier is not
        coming_off = frozenset(self._coming_off[key])  # of these very pods: what is heard from now on is of later ones
        pods = await claim(self.client, job, job.spec.selector, self.pods, finalizer=TRACKING)
        progress = look(job, pods, coming_off, self._failures.get(key, Failures()))
        began, failed = self.clock.monotonic(), True
        try:
            await self._advance(key, job, progress, acting)
            failed = False
        finally:
            action = progress.action if acting else "reconciling"
            self.metrics.synced(job, action, self.clock.monotonic() - began, failed=failed)

    async def _advance(self, key: Key, before: Job, progress: Progress, acting: bool) -> None:
        """Do what is due, and write down how far the job has come."""
        now, job = self.clock.now(), progress.job
        if job.status.startTime is None and not job.spec.suspend:
            job.status.startTime = now.replace(microsecond=0)
        end = outcome(progress, now)
        error: Exception | None = None
        if end is not None:
            error = await self._delete(key, progress, progress.active_pods if acting else (), free=False)
            if progress.active or not acting:
                end = None  # pods may run yet that are not known to end, or not known at all
        else:
            wait = seconds_to_deadline(job, now)
            if wait is not None:
                self.queue.add_after(key, wait)
            if acting and job.metadata.deletionTimestamp is None:
                error = await self._scale(key, progress, now)
            if is_complete(progress):
                message = "Reached expected number of succeeded pods"
                end = new_condition(SUCCESS_CRITERIA_MET, "CompletionsReached", message, now)
            elif acting and job.metadata.deletionTimestamp is None:
                self._note_suspension(job, now)
        status = job.status
        status.active, status.ready, status.terminating = progress.active, progress.ready, progress.terminating
        await self._track(key, before, progress, end)
        if error is not None:
            raise error

    def _note_suspension(self, job: Job, now: datetime) -> None:
        state = "Suspended" if job.spec.suspend else "Resumed"
        status, message = str(bool(job.spec.suspend)), f"Job {state.lower()}"
        if set_condition(job, new_condition(SUSPENDED, f"Job{state}", message, now, status)):
            self.events.event(job, "Normal", state, message)
            if not job.spec.suspend:
                job.status.startTime = now.replace(microsecond=0)  # its deadline begins anew

    # --- pods ------------------------------------------------------------------------------------

    async def _scale(self, key: Key, progress: Progress, now: datetime) -> Exception | None:
        """Delete pods that are too many, or else make those that are missing.  Returns what went wrong."""
        job, wanted = progress.job, wanted_active(progress)
        doomed = surplus(job, progress.active_pods, max(0, progress.active - wanted), now)
        if doomed:
            return await self._delete(key, progress, doomed if job.spec.suspend else doomed[:_BURST], free=True)
        missing = wanted - progress.active
        if replaces_only_failed(job):
            missing -= progress.terminating
        if missing <= 0:
            return None
        missing = min(missing, _BURST)
        if progress.failed_indexes is None:
            wait = remaining(progress.failures.count, progress.failures.last, now)
            if wait > 0:
                self.queue.add_after(key, wait)
                return None
        if not is_indexed(job):
            return await self._create(key, progress, [None] * missing)
        waits = {index: _wait(progress.kept.get(index), now) for index in pending_indexes(progress, missing)}
        later = [wait for wait in waits.values() if wait > 0]
        if later:
            self.queue.add_after(key, min(later))
        return await self._create(key, progress, [index for index, wait in waits.items() if wait <= 0])

    async def _create(self, key: Key, progress: Progress, indexes: Sequence[int | None]) -> Exception | None:
        job = progress.job
        progress.action = "pods_created"
        self.expectations.expect(key, creations=len(indexes))

        async def create(number: int) -> None:
            index = indexes[number]
            replaced = None if index is None else progress.kept.get(index)
            try:
                created = await self.client.create(new_pod(job, index, replaced))
            except Exception as error:
                if not namespace_is_ending(error):
                    self.events.event(job, "Warning", "FailedCreate", f"Error creating: {error}")
                raise
            self.events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {created.metadata.name}")

        done, error = await slow_start(len(indexes), create)
        progress.active += done
        self.expectations.created(key, len(indexes) - done)
        return None if error is None or namespace_is_ending(error) else error

    async def _delete(self, key: Key, progress: Progress, pods: Sequence[Pod], *, free: bool) -> Exception | None:
        """Delete active pods; `free` takes their finalizers first: they did not fail, and are not counted."""
        if not pods:
            return None
        job = progress.job
        progress.action = "pods_deleted"
        self.expectations.expect(key, deletions=[pod.metadata.uid for pod in pods])

        async def delete(pod: Pod) -> None:
            meta = pod.metadata
            try:
                if free:
                    await self._free(pod)
                await self.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid)
                self.events.event(job, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")
            except NotFound:
                self.expectations.deleted(key, meta.uid)
            except Exception as error:
                self.expectations.deleted(key, meta.uid)
                self.events.event(job, "Warning", "FailedDelete", f"Error deleting: {error}")
                raise
            progress.active -= 1
            progress.terminating += 1
            progress.ready -= is_ready(pod)

        return await _each(pods, delete)

    async def _free(self, pod: Pod, *, unchanged: bool = False) -> None:
        """Take the finalizer away.  Raises Conflict when the name is another pod's by now, or when the pod is to be
        `unchanged` and is not."""
        meta = pod.metadata
        body: dict[str, Any] = {"uid": meta.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING]}
        if unchanged:
            body["resourceVersion"] = meta.resourceVersion
        with suppress(NotFound):
            await self.client.patch(Pod, meta.name, meta.namespace, {"metadata": body}, type="strategic")

    # --- counting --------------------------------------------------------------------------------

    async def _track(self, key: Key, before: Job, progress: Progress, end: JobCondition | None) -> None:
        job = progress.job
        with_finalizer = {pod.metadata.uid for pod in progress.pods if progress.has_finalizer(pod)}
        tracking.count(job.status, with_finalizer)
        free, all_named = tracking.name_uncounted(progress, end)
        if is_indexed(job):
            job.status.succeeded = len(progress.completed)
            job.status.completedIndexes = str(progress.completed)
            job.status.failedIndexes = None if progress.failed_indexes is None else str(progress.failed_indexes)
        if end is not None and end.type in (FAILURE_TARGET, SUCCESS_CRITERIA_MET):
            if find(job, end.type) is None:
                job.status.conditions.append(end)
            last = FAILED if end.type == FAILURE_TARGET else COMPLETE
            end = new_condition(last, end.reason, end.message, self.clock.now())
        if job.status != before.status:
            job = progress.job = await self._write(job, before)
            self._failures[key] = progress.failures
        before = job.copy_deep()
        error = await self._free_all(key, free, with_finalizer)
        tracking.count(job.status, with_finalizer)
        if error is None and end is not None and all_named and _is_settled(job):
            set_condition(job, end)
            if end.type == COMPLETE:
                job.status.completionTime = end.lastTransitionTime
        if job.status != before.status:
            job = await self._write(job, before)
            if finished(job):
                self._announce(job, end)
        if error is not None:
            raise error

    async def _write(self, job: Job, before: Job) -> Job:
        """Raises Conflict when the job has changed: the numbers are then counted from the new one."""
        written = await self.client.update(job, subresource="status")
        self.written.note(written)
        self.metrics.counted(written, before.status)
        return written

    async def _free_all(self, key: Key, pods: Sequence[Pod], with_finalizer: set[str]) -> Exception | None:
        """Take finalizers away, and the pods' UIDs out of `with_finalizer` where that succeeds."""
        coming_off = self._coming_off[key]
        coming_off.update(pod.metadata.uid for pod in pods)

        async def free(pod: Pod) -> None:
            try:
                await self._free(pod)
            except Exception:
                coming_off.discard(pod.metadata.uid)
                raise
            with_finalizer.discard(pod.metadata.uid)

        return await _each(pods, free)

    def _announce(self, job: Job, end: JobCondition | None) -> None:
        assert end is not None
        self.metrics.finished(job, end)
        if end.type == FAILED:
            self.events.event(job, "Warning", end.reason, end.message)
            return
        if job.spec.completions is not None and job.status.succeeded > job.spec.completions:
            message = "Too many succeeded pods running after completion count reached"
            self.events.event(job, "Warning", "TooManySucceededPods", message)
        self.events.event(job, "Normal", "Completed", "Job completed")


_owner_keys: Any = owner(Job)


def _wait(failed: Pod | None, now: datetime) -> float:
    """Seconds until a pod may be made for an index, the last of which failed."""
    return 0.0 if failed is None else remaining(times_failed(failed) + 1, finished_at(failed), now)


def _is_settled(job: Job) -> bool:
    """All its pods have ended and are counted."""
    uncounted = job.status.uncountedTerminatedPods
    return not job.status.terminating and (uncounted is None or not (uncounted.succeeded or uncounted.failed))


async def _each(pods: Sequence[Pod], act: Callable[[Pod], Awaitable[None]]) -> Exception | None:
    """Do it to all of them, many at a time.  Returns the first exception."""
    first: Exception | None = None
    for start in range(0, len(pods), _AT_ONCE):
        results = await asyncio.gather(*map(act, pods[start : start + _AT_ONCE]), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                first = first or result
            elif isinstance(result, BaseException):
                raise result
    return first
