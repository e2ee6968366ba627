"""Makes a CronJob's jobs when they are due, and deletes old ones.

https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from api import cron
from api.batch_v1 import CronJob, Job
from api.errors import AlreadyExists, NotFound, StatusError
from api.meta_v1 import ObjectMeta
from client.controller import Controller, Key, Watches, controller_of, owner
from client.events import reference
from client.metrics import Histogram, powers
from client.store import key_of
from controller_manager.claim import OWNER, by_controller
from controller_manager.cron_job.times import NoTimes, Times
from controller_manager.job.conditions import COMPLETE, FAILED, finished
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_template import controller_reference
from controller_manager.written import Written

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_NEVER = datetime.max.replace(tzinfo=UTC)


class CronJobController(Controller):
    name = "cronjob-controller"

    def setup(self, watch: Watches) -> None:
        self.written = Written()
        self._skew = Histogram(
            "cronjob_controller_job_creation_skew_duration_seconds",
            "Seconds from the time a job was due to its creation.",
            buckets=powers(1, 2, 10),
        )
        self.measures = (self._skew,)
        self.cron_jobs = watch(CronJob)
        self.jobs = watch(Job, enqueue=owner(CronJob), indexers={OWNER: by_controller})

    async def reconcile(self, key: Key) -> None:
        stored = self.cron_jobs.get(key)
        if stored is None:
            self.written.forget(key)
            return
        if not self.written.is_shown(stored):
            return
        cron_job = stored.copy_deep()
        jobs = self.jobs.by_index(OWNER, stored.metadata.uid)
        await self._delete_old(cron_job, jobs)
        cron_job = await self._follow(cron_job, jobs)
        await self._forget_missing(cron_job, {job.metadata.uid for job in jobs})
        times = self._times(cron_job)
        try:
            if times is not None:
                due = self._due(cron_job, times)
                if due is not None:
                    await self._start(cron_job, due, times.shown(due))
                self.queue.add_after(key, times.seconds_to_next(self.clock.now()))
        except NoTimes as error:
            message = f"invalid schedule: {cron_job.spec.schedule} : {error}"
            self.events.event(cron_job, "Warning", "InvalidSchedule", message)
        finally:
            if cron_job.status != stored.status:
                self.written.note(await self.client.update(cron_job, subresource="status"))

    # --- jobs there are --------------------------------------------------------------------------

    async def _delete_old(self, cron_job: CronJob, jobs: Sequence[Job]) -> None:
        spec = cron_job.spec
        for limit, type in ((spec.successfulJobsHistoryLimit, COMPLETE), (spec.failedJobsHistoryLimit, FAILED)):
            if limit is None:
                continue
            ended = [job for job in jobs if (end := finished(job)) is not None and end.type == type]
            ended.sort(key=lambda job: (job.status.startTime or _NEVER, job.metadata.name))
            for job in ended[: max(0, len(ended) - limit)]:
                if job.metadata.deletionTimestamp is None:
                    await self._delete(cron_job, job)

    async def _delete(self, cron_job: CronJob, job: Job) -> bool:
        """Delete the job with its pods.  Returns whether that is done."""
        meta = job.metadata
        try:
            await self.client.delete(Job, meta.name, meta.namespace, propagation="Background", uid=meta.uid)
            self.events.event(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {meta.name}")
        except NotFound:
            pass  # the local copy shows it a moment longer
        except StatusError as error:
            self.events.event(cron_job, "Warning", "FailedDelete", f"Deleted job: {error}")
            return False
        _forget(cron_job, meta.uid)
        return True

    async def _follow(self, cron_job: CronJob, jobs: Sequence[Job]) -> CronJob:
        """Note which jobs have ended.  Returns the CronJob, a newer one where the local copy is found to be old."""
        for job in jobs:
            meta, end = job.metadata, finished(job)
            is_active = any(active.uid == meta.uid for active in cron_job.status.active)
            if end is None and not is_active:
                live = await self.client.get(CronJob, cron_job.metadata.name, cron_job.metadata.namespace)
                if any(active.uid == meta.uid for active in live.status.active):
                    cron_job = live
                    continue
                message = f"Saw a job that the controller did not create or forgot: {meta.name}"
                self.events.event(cron_job, "Warning", "UnexpectedJob", message)
            if end is not None and is_active:
                _forget(cron_job, meta.uid)
                message = f"Saw completed job: {meta.name}, condition: {end.type}"
                self.events.event(cron_job, "Normal", "SawCompletedJob", message)
            if end is not None and end.type == COMPLETE and job.status.completionTime is not None:
                last = cron_job.status.lastSuccessfulTime
                cron_job.status.lastSuccessfulTime = max(last or job.status.completionTime, job.status.completionTime)
        return cron_job

    async def _forget_missing(self, cron_job: CronJob, present: set[str]) -> None:
        """Jobs that somebody deleted are not active; the local copy alone does not prove that."""
        for active in cron_job.status.active:
            if active.uid in present:
                continue
            try:
                await self.client.get(Job, active.name, active.namespace)
            except NotFound:
                self.events.event(cron_job, "Normal", "MissingJob", f"Active job went missing: {active.name}")
                _forget(cron_job, active.uid)

    # --- jobs to come ----------------------------------------------------------------------------

    def _times(self, cron_job: CronJob) -> Times | None:
        """None when no jobs are to be made."""
        spec = cron_job.spec
        if cron_job.metadata.deletionTimestamp is not None:
            return None
        try:
            cron.time_zone(spec.timeZone or "")
        except cron.ScheduleError as error:
            self.events.event(cron_job, "Warning", "UnknownTimeZone", f'invalid timeZone: "{spec.timeZone}": {error}')
            return None
        if spec.suspend:
            return None
        if "TZ" in spec.schedule:
            message = (
                f'CRON_TZ or TZ used in schedule "{spec.schedule}" is not officially supported, see '
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
            self.events.event(cron_job, "Warning", "UnsupportedSchedule", message)
        try:
            return Times(cron_job)
        except cron.ScheduleError as error:
            message = f'unparseable schedule: "{spec.schedule}" : {error}'
            self.events.event(cron_job, "Warning", "UnparseableSchedule", message)
            return None

    def _due(self, cron_job: CronJob, times: Times) -> datetime | None:
        """The time that a job is to be made for now."""
        spec, status, now = cron_job.spec, cron_job.status, self.clock.now()
        due = times.due(now)
        if due.last is None:
            return None
        if due.too_many:
            message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self.events.event(cron_job, "Warning", "TooManyMissedTimes", message)
        deadline = spec.startingDeadlineSeconds
        if deadline is not None and now - due.last > timedelta(seconds=deadline):
            message = f"Missed scheduled time to start a job: {due.last:%a, %d %b %Y %H:%M:%S +0000}"
            self.events.event(cron_job, "Warning", "MissSchedule", message)
            return None
        if status.lastScheduleTime == due.last or any(a.name == job_name(cron_job, due.last) for a in status.active):
            return None
        if spec.concurrencyPolicy == "Forbid" and status.active:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.events.event(cron_job, "Normal", "JobAlreadyActive", message)
            return None
        return due.last

    async def _start(self, cron_job: CronJob, due: datetime, shown: str) -> None:
        if cron_job.spec.concurrencyPolicy == "Replace":
            await self._replace(cron_job)
        try:
            job = await self.client.create(new_job(cron_job, due, shown))
            self.events.event(cron_job, "Normal", "SuccessfulCreate", f"Created job {job.metadata.name}")
            self._skew.observe((self.clock.now() - due).total_seconds())
        except AlreadyExists:
            # Made before a crash, which left no time to note it; or somebody else's, who will.
            job = await self.client.get(Job, job_name(cron_job, due), cron_job.metadata.namespace)
            maker = controller_of(job.metadata)
            if maker is None or maker.uid != cron_job.metadata.uid:
                return
        except Exception as error:
            if not namespace_is_ending(error):
                self.events.event(cron_job, "Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        cron_job.status.active.append(reference(job))
        cron_job.status.lastScheduleTime = due

    async def _replace(self, cron_job: CronJob) -> None:
        for active in [*cron_job.status.active]:
            try:
                job = await self.client.get(Job, active.name, active.namespace)
            except StatusError as error:
                self.events.event(cron_job, "Warning", "FailedGet", f"Get job: {error}")
                raise
            if not await self._delete(cron_job, job):
                raise RuntimeError(f"could not replace job {key_of(job)}")


def _forget(cron_job: CronJob, uid: str) -> None:
    cron_job.status.active = [active for active in cron_job.status.active if active.uid != uid]


def job_name(cron_job: CronJob, due: datetime) -> str:
    """The same for the same time, so that a job cannot be made twice: the time in minutes."""
    return f"{cron_job.metadata.name}-{int(due.timestamp()) // 60}"


def new_job(cron_job: CronJob, due: datetime, shown: str) -> Job:
    """The job for a scheduled time; `shown` is that time for people."""
    template = cron_job.spec.jobTemplate
    meta = ObjectMeta(
        name=job_name(cron_job, due),
        namespace=cron_job.metadata.namespace,
        labels=dict(template.metadata.labels),
        annotations={**template.metadata.annotations, SCHEDULED: shown},
        ownerReferences=[controller_reference(cron_job)],
    )
    return Job(metadata=meta, spec=template.spec.copy_deep())
