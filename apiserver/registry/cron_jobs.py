"""CronJobs: jobs that are made at set times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from api import cron
from api.batch_v1 import CronJob, CronJobSpec, CronJobStatus
from api.errors import FieldError, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, selector_column, template_columns
from apiserver.registry.human_duration import since
from apiserver.registry.job_spec import default_failure_policy, job_warnings, validate_job_spec
from apiserver.registry.names import at_most
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.workloads import nonnegative, selector_shown, warn_of_name

_POLICIES = ("Allow", "Forbid", "Replace")
_LONGEST_NAME = 52
"""The name of a job is the CronJob's and eleven characters more."""
_is_zone_part = re.compile(r"[A-Za-z.\-_0-9+]{1,14}").fullmatch


def _last_schedule(job: CronJob, now: datetime) -> str:
    last = job.status.lastScheduleTime
    return "<none>" if last is None else since(last, now)


class CronJobs(Strategy[CronJob]):
    resource = resource_of(CronJob)
    subresources = (Status(),)
    revalidates_metadata = False
    columns = (
        NAME,
        Column("Schedule", lambda c, now: c.spec.schedule, description="When jobs are made, in the form of cron."),
        Column("Timezone", lambda c, now: c.spec.timeZone or "<none>", description="The time zone of the schedule."),
        Column(
            "Suspend",
            lambda c, now: "<unset>" if c.spec.suspend is None else str(c.spec.suspend),
            type="boolean",
            description="Whether no jobs are made at present.",
        ),
        Column("Active", lambda c, now: len(c.status.active), type="integer", description="Its jobs that run."),
        Column("Last Schedule", _last_schedule, description="When a job was last due."),
        AGE,
        *template_columns(lambda c: c.spec.jobTemplate.spec.template),
        selector_column(lambda c: c.spec.jobTemplate.spec.selector),
    )

    def default(self, obj: CronJob) -> None:
        spec = obj.spec
        spec.concurrencyPolicy = spec.concurrencyPolicy or "Allow"
        if spec.suspend is None:
            spec.suspend = False
        if spec.successfulJobsHistoryLimit is None:
            spec.successfulJobsHistoryLimit = 3
        if spec.failedJobsHistoryLimit is None:
            spec.failedJobsHistoryLimit = 1
        default_failure_policy(spec.jobTemplate.spec)
        default_pod_spec(spec.jobTemplate.spec.template.spec)

    def prepare_for_create(self, new: CronJob, context: Context) -> None:
        new.status = CronJobStatus()
        new.metadata.generation = 1

    def prepare_for_update(self, new: CronJob, old: CronJob, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: CronJob) -> Iterator[FieldError]:
        spec = new.spec
        yield from _validate_schedule(spec)
        yield from nonnegative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds")
        yield from _validate_time_zone(spec.timeZone)
        if not spec.concurrencyPolicy:
            yield required("spec.concurrencyPolicy")
        elif spec.concurrencyPolicy not in _POLICIES:
            yield not_supported("spec.concurrencyPolicy", spec.concurrencyPolicy, _POLICIES)
        path, job = "spec.jobTemplate.spec", spec.jobTemplate.spec
        yield from validate_job_spec(job, path)
        if job.selector is not None:
            yield invalid_value(f"{path}.selector", selector_shown(job.selector), "`selector` will be auto-generated")
        if job.manualSelector:
            yield not_supported(f"{path}.manualSelector", job.manualSelector, ("nil", "false"))
        yield from nonnegative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit")
        yield from nonnegative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit")
        # One that has a longer name from former times can still be changed.
        if not new.metadata.resourceVersion and len(new.metadata.name) > _LONGEST_NAME:
            yield invalid_value("metadata.name", new.metadata.name, at_most(_LONGEST_NAME))

    def warnings(self, new: CronJob, old: CronJob | None) -> Iterable[str]:
        if old is None:
            yield from warn_of_name(new.metadata.name)
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from job_warnings(new.spec.jobTemplate.spec, "spec.jobTemplate.spec")


def _validate_schedule(spec: CronJobSpec) -> Iterator[FieldError]:
    if not spec.schedule:
        yield required("spec.schedule")
        return
    try:
        cron.parse(spec.schedule)
    except cron.ScheduleError as error:
        yield invalid_value("spec.schedule", spec.schedule, str(error))
    if "TZ" in spec.schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid_value("spec.schedule", spec.schedule, detail)


def _validate_time_zone(name: str | None) -> Iterator[FieldError]:
    """https://data.iana.org/time-zones/theory.html#naming"""
    path = "spec.timeZone"
    if name is None:
        return
    if not name:
        yield invalid_value(path, name, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or part.startswith("-") or not _is_zone_part(part) for part in name.split("/")):
        yield invalid_value(path, name, f"unknown time zone {name}")
        return
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid_value(path, name, detail)
        if name == "Local":
            return
    try:
        cron.time_zone(name)
    except cron.ScheduleError as error:
        yield invalid_value(path, name, str(error))
