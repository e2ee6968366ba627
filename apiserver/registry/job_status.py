"""`/status` of Jobs: what a controller may say of a job's progress.

Jobs can have other controllers than Kubernetes' own (`spec.managedBy`, KEP-4368), so their reports are checked, most
of it only where it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.batch_v1 import Job, UncountedTerminatedPods
from api.errors import FieldError, duplicate, invalid_value, required, without_value
from apiserver.registry.internal_form import internal
from apiserver.registry.job_spec import INDEXED, count_indexes, index_interval
from apiserver.registry.strategy import Status
from apiserver.registry.workloads import validate_counts

_CONDITIONS = "status.conditions"


def is_true(job: Job, condition: str) -> bool:
    """Whether the job has a condition."""
    return any(each.type == condition and each.status == "True" for each in job.status.conditions)


def is_finished(job: Job) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")


@dataclass(frozen=True)
class JobStatusUpdate(Status):
    """`/status` of Jobs."""

    def validate_update(self, new: Job, old: Job) -> Iterable[FieldError]:
        changes = _Changes.between(new, old)
        yield from _validate_numbers(new)
        yield from _validate_outcome(new, changes)
        if is_finished(new):
            yield from _validate_end(new, old, changes)
        yield from _validate_indexes(new, changes)
        terminating, ready, active = new.status.terminating or 0, new.status.ready, new.status.active
        has_changed = changes.finished or new.status.terminating != old.status.terminating
        if has_changed and terminating > 0 and is_finished(new):
            yield invalid_value("status.terminating", terminating, "terminating>0 is invalid for finished job")
        has_changed = ready != old.status.ready or active != old.status.active
        if has_changed and ready is not None and ready > active:
            yield invalid_value("status.ready", ready, "cannot set more ready pods than active")
        yield from _validate_success(new)
        yield from _validate_progress(new, old, changes)


@dataclass(frozen=True)
class _Changes:
    """What of a job's status is not as it was."""

    finished: bool
    complete: bool
    failed: bool
    failure_target: bool
    success_criteria: bool
    start: bool
    completion: bool
    completed_indexes: bool
    failed_indexes: bool

    @classmethod
    def between(cls, new: Job, old: Job) -> _Changes:
        def turned(condition: str) -> bool:
            return is_true(new, condition) != is_true(old, condition)

        return cls(
            finished=is_finished(new) != is_finished(old),
            complete=turned("Complete"),
            failed=turned("Failed"),
            failure_target=turned("FailureTarget"),
            success_criteria=turned("SuccessCriteriaMet"),
            start=new.status.startTime != old.status.startTime,
            completion=new.status.completionTime != old.status.completionTime,
            completed_indexes=new.status.completedIndexes != old.status.completedIndexes,
            failed_indexes=new.status.failedIndexes != old.status.failedIndexes,
        )


def _validate_numbers(new: Job) -> Iterator[FieldError]:
    yield from validate_counts(new.status, ("active", "succeeded", "failed", "ready", "terminating"))
    uncounted, seen = new.status.uncountedTerminatedPods or UncountedTerminatedPods(), set[str]()
    for name in ("succeeded", "failed"):
        for index, uid in enumerate(getattr(uncounted, name)):
            where = f"status.uncountedTerminatedPods.{name}[{index}]"
            if not uid:
                yield invalid_value(where, uid, "must not be empty")
            elif uid in seen:
                yield duplicate(where, uid)
            seen.add(uid)


def _validate_outcome(new: Job, changes: _Changes) -> Iterator[FieldError]:
    """A job is complete or failed, and says when and why."""
    status, complete, failed = new.status, is_true(new, "Complete"), is_true(new, "Failed")
    if (changes.complete or changes.failed) and complete and failed:
        yield without_value(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if (changes.complete or changes.failure_target) and complete and is_true(new, "FailureTarget"):
        yield without_value(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    when = "status.completionTime"
    if changes.complete or changes.completion:
        if status.completionTime is not None and not complete:
            detail = "cannot set completionTime when there is no Complete=True condition"
            yield invalid_value(when, f"{status.completionTime:%FT%TZ}", detail)
        if status.completionTime is None and complete:
            yield required(when, "completionTime is required for Complete jobs")
    start, end = status.startTime, status.completionTime
    if (changes.start or changes.completion) and start is not None and end is not None and end < start:
        yield invalid_value(when, f"{end:%FT%TZ}", "must be equal to or after `startTime`")
    if (changes.failed or changes.failure_target) and failed and not is_true(new, "FailureTarget"):
        yield without_value(_CONDITIONS, "cannot set Failed=True condition without the FailureTarget=true condition")
    if (changes.complete or changes.success_criteria) and complete and not is_true(new, "SuccessCriteriaMet"):
        detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield without_value(_CONDITIONS, detail)


def _validate_end(new: Job, old: Job, changes: _Changes) -> Iterator[FieldError]:
    """A job that has ended has begun, and nothing of it is left to do."""
    status, before = new.status, old.status
    if (changes.finished or status.active != before.active) and status.active > 0:
        yield invalid_value("status.active", status.active, "active>0 is invalid for finished job")
    has_nothing_to_do = new.spec.suspend and new.spec.completions == 0
    if (changes.finished or changes.start) and status.startTime is None and not has_nothing_to_do:
        yield required("status.startTime", "startTime is required for finished job")
    uncounted = status.uncountedTerminatedPods
    has_changed = changes.finished or uncounted != before.uncountedTerminatedPods
    if has_changed and uncounted is not None and (uncounted.failed or uncounted.succeeded):
        detail = "must be empty for finished job"
        yield invalid_value("status.uncountedTerminatedPods", internal(uncounted), detail)


def _validate_indexes(new: Job, changes: _Changes) -> Iterator[FieldError]:
    spec, completed, failed = new.spec, new.status.completedIndexes, new.status.failedIndexes
    if changes.completed_indexes and spec.completions is not None:
        yield from _well_formed("completedIndexes", completed, spec.completions)
    per_index = spec.backoffLimitPerIndex is not None
    if changes.failed_indexes and spec.completions is not None and per_index and failed is not None:
        yield from _well_formed("failedIndexes", failed, spec.completions)
    if changes.completed_indexes and completed and spec.completionMode != INDEXED:
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield invalid_value("status.completedIndexes", completed, detail)
    if changes.failed_indexes and not per_index and failed is not None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield invalid_value("status.failedIndexes", failed, detail)
    if (changes.failed_indexes or changes.completed_indexes) and spec.completions is not None and failed:
        overlap = _first_overlap(completed, failed, spec.completions)
        if overlap is not None:
            detail = f"failedIndexes and completedIndexes overlap at index: {overlap}"
            yield invalid_value("status.failedIndexes", failed, detail)


def _well_formed(name: str, indexes: str, completions: int) -> Iterator[FieldError]:
    try:
        count_indexes(indexes, completions)
    except ValueError as error:
        yield invalid_value(f"status.{name}", indexes, f"error parsing {name}: {error}")


def _first_overlap(completed: str, failed: str, completions: int) -> int | None:
    """The first index that is in both; parts that are malformed are complained of elsewhere."""

    def intervals(text: str) -> Iterator[tuple[int, int]]:
        for part in text.split(",") if text else ():
            try:
                yield index_interval(part, completions)
            except ValueError:
                continue

    done = list(intervals(completed))
    overlaps = [max(a, c) for a, b in done for c, d in intervals(failed) if a <= d and c <= b]
    return min(overlaps, default=None)


def _validate_success(new: Job) -> Iterator[FieldError]:
    met = is_true(new, "SuccessCriteriaMet")
    for other in ("Failed", "FailureTarget"):
        if met and is_true(new, other):
            yield without_value(_CONDITIONS, f"cannot set SuccessCriteriaMet=True and {other}=true conditions")
    if new.spec.successPolicy is not None and not met and is_true(new, "Complete"):
        detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield without_value(_CONDITIONS, detail)


def _validate_progress(new: Job, old: Job, changes: _Changes) -> Iterator[FieldError]:
    """What has been reached is not taken back."""
    status, before = new.status, old.status
    for condition in ("Failed", "Complete", "FailureTarget"):
        if is_true(old, condition) and not is_true(new, condition):
            yield without_value(_CONDITIONS, f"cannot disable the terminal {condition}=True condition")
    if status.failed < before.failed:
        yield invalid_value("status.failed", status.failed, "cannot decrease the failed counter")
    # A job whose pods all run at once can be scaled down, and then has fewer successes.
    is_elastic = new.spec.completionMode == INDEXED and new.spec.completions == new.spec.parallelism
    if status.succeeded < before.succeeded and not is_elastic:
        yield invalid_value("status.succeeded", status.succeeded, "cannot decrease the succeeded counter")
    if changes.completion and status.completionTime is not None and before.completionTime is not None:
        yield invalid_value("status.completionTime", f"{status.completionTime:%FT%TZ}", "field is immutable")
    resumes = is_true(old, "Suspended") and not is_true(new, "Suspended")
    if changes.start and before.startTime is not None and not new.spec.suspend and not resumes:
        shown = None if status.startTime is None else f"{status.startTime:%FT%TZ}"
        yield invalid_value("status.startTime", shown, "field is immutable for unsuspended job once set")
    met_before, met = is_true(old, "SuccessCriteriaMet"), is_true(new, "SuccessCriteriaMet")
    if met_before and not met:
        yield without_value(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    if is_true(old, "Complete") and not met_before and met:
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield without_value(_CONDITIONS, detail)
