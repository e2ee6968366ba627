"""How far a job has come, and what that means for it: decided from the job and its pods alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.batch_v1 import Job, JobCondition, UncountedTerminatedPods
from api.core_v1 import Pod
from controller_manager.job.backoff import Failures, finished_at
from controller_manager.job.conditions import (
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
    find,
    has_failed,
    is_indexed,
    new_condition,
    replaces_only_failed,
)
from controller_manager.job.failure_policy import judge
from controller_manager.job.indexes import NONE, Indexes, completion_index, indexes_of
from controller_manager.job.pods import failures_of, is_tracked, times_failed
from controller_manager.job.success_policy import first_rule_met
from controller_manager.pod_state import is_active, is_ready, is_terminating


@dataclass
class Progress:
    """What one reconcile knows.  `job` is a copy whose status becomes the new one; the numbers are those the reconcile
    leaves behind, so it adjusts them as it acts.

    pods: All pods that the job controls.
    coming_off: UIDs of pods whose finalizer has been taken away, which the local copy does not show yet.
    succeeded, failed: Pods, those that ended but are not counted yet among them; of an indexed job the indexes.
    completed_before: Indexes that the status says have succeeded; `completed` has those that did since.
    failed_indexes: Indexes that have failed for good; None unless there is a limit per index.
    action: What was done to the pods, as metrics tell it.
    kept: Failed pods, by index, that stay until there is a replacement, which takes their number of failures over.
    """

    job: Job
    pods: list[Pod]
    coming_off: Collection[str]
    failures: Failures
    active_pods: list[Pod] = field(default_factory=list)
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    completed_before: Indexes = NONE
    completed: Indexes = NONE
    failed_indexes: Indexes | None = None
    kept: dict[int, Pod] = field(default_factory=dict)
    action: str = "tracking"

    @property
    def uncounted(self) -> UncountedTerminatedPods:
        uncounted = self.job.status.uncountedTerminatedPods
        assert uncounted is not None
        return uncounted

    @property
    def completions(self) -> int:
        return self.job.spec.completions or 0

    def has_finalizer(self, pod: Pod) -> bool:
        """Its end has not been counted, or not for good."""
        return is_tracked(pod) and pod.metadata.uid not in self.coming_off

    def is_valid(self, pod: Pod) -> bool:
        """Pods of an indexed job count only with an index that it has."""
        index = completion_index(pod)
        return not is_indexed(self.job) or (index is not None and index < self.completions)


def look(job: Job, pods: list[Pod], coming_off: Collection[str], before: Failures) -> Progress:
    """Take stock.  `before` is what was known of failures at the last reconcile."""
    job = job.copy_deep()
    job.status.uncountedTerminatedPods = job.status.uncountedTerminatedPods or UncountedTerminatedPods()
    progress = Progress(job, pods, coming_off, before)
    progress.active_pods = [pod for pod in pods if is_active(pod)]
    progress.active = len(progress.active_pods)
    progress.ready = sum(map(is_ready, progress.active_pods))
    progress.terminating = sum(map(is_terminating, pods))
    uncounted = progress.uncounted
    succeeded = _ended(progress, uncounted.succeeded, lambda pod: pod.status.phase == "Succeeded")
    failed = _ended(progress, uncounted.failed, lambda pod: has_failed(pod, job))
    progress.failures = before.after(succeeded, failed)
    counting = sum(judge(job.spec.podFailurePolicy, pod).counts for pod in failed)
    progress.succeeded = job.status.succeeded + len(succeeded) + len(uncounted.succeeded)
    progress.failed = job.status.failed + counting + len(uncounted.failed)
    if is_indexed(job):
        progress.completed_before = Indexes.parse(job.status.completedIndexes, progress.completions)
        progress.completed = progress.completed_before | indexes_of(
            _ended(progress, (), lambda pod: pod.status.phase == "Succeeded")
        )
        progress.succeeded = len(progress.completed)
        if job.spec.backoffLimitPerIndex is not None:
            known = Indexes.parse(job.status.failedIndexes or "", progress.completions)
            progress.failed_indexes = known | indexes_of(_ended(progress, (), lambda pod: _fails_its_index(job, pod)))
            progress.kept = _kept(progress, progress.failed_indexes)
    return progress


def _ended(progress: Progress, counted: Sequence[str], holds: Callable[[Pod], bool]) -> list[Pod]:
    return [
        pod
        for pod in progress.pods
        if progress.has_finalizer(pod)
        and pod.metadata.uid not in counted
        and progress.is_valid(pod)
        and holds(pod)
    ]  # fmt: skip


def _fails_its_index(job: Job, pod: Pod) -> bool:
    if not has_failed(pod, job):
        return False
    verdict = judge(job.spec.podFailurePolicy, pod)
    limit = job.spec.backoffLimitPerIndex or 0
    return verdict.action == "FailIndex" or (verdict.counts and failures_of(pod) >= limit)


def _kept(progress: Progress, failed: Indexes) -> dict[int, Pod]:
    settled = progress.completed | failed | indexes_of(progress.active_pods)
    kept: dict[int, Pod] = {}
    for pod in _ended(progress, (), lambda pod: has_failed(pod, progress.job)):
        index = completion_index(pod)
        if index is None or index in settled:
            continue
        other = kept.get(index)
        if other is None or (times_failed(other) <= times_failed(pod) and finished_at(other) <= finished_at(pod)):
            kept[index] = pod
    return kept


# --- what becomes of the job --------------------------------------------------------------------------


def outcome(progress: Progress, now: datetime) -> JobCondition | None:
    """The condition that ends the job, or will when nothing of it is left; None while it goes on."""
    job = progress.job
    met = find(job, SUCCESS_CRITERIA_MET)
    if met is not None:
        return met
    target = find(job, FAILURE_TARGET)
    if target is not None:
        return new_condition(FAILED, target.reason, target.message, now)
    failure = _failure(progress, now)
    if failure is not None:
        return new_condition(FAILURE_TARGET, *failure, now)
    if is_indexed(job):
        rule = first_rule_met(job.spec.successPolicy, progress.completions, progress.completed)
        if rule is not None:
            return new_condition(SUCCESS_CRITERIA_MET, "SuccessPolicy", f"Matched rules at index {rule}", now)
    return None


def _failure(progress: Progress, now: datetime) -> tuple[str, str] | None:
    """Reason and message."""
    job, spec = progress.job, progress.job.spec
    for pod in progress.pods:
        if spec.podFailurePolicy is not None and has_failed(pod, job):
            verdict = judge(spec.podFailurePolicy, pod)
            if verdict.action == "FailJob":
                return "PodFailurePolicy", verdict.message
    if progress.failed > (spec.backoffLimit or 0) or _restarts_too_often(job, progress.pods):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    wait = seconds_to_deadline(job, now)
    if wait is not None and wait <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    if progress.failed_indexes is not None:
        failed = len(progress.failed_indexes)
        if spec.maxFailedIndexes is not None and failed > spec.maxFailedIndexes:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return "MaxFailedIndexesExceeded", message
        if failed and failed + len(progress.completed) >= progress.completions:
            return "FailedIndexes", "Job has failed indexes"
    return None


def _restarts_too_often(job: Job, pods: Sequence[Pod]) -> bool:
    """Containers that are restarted in place fail too."""
    if job.spec.template.spec.restartPolicy != "OnFailure":
        return False
    restarts = sum(
        status.restartCount
        for pod in pods
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    )
    return restarts >= max(1, job.spec.backoffLimit or 0)


def seconds_to_deadline(job: Job, now: datetime) -> float | None:
    """How long the job may be active yet; None without a limit, or while it is suspended (or has just been: the
    time it starts anew is not set yet)."""
    limit, start = job.spec.activeDeadlineSeconds, job.status.startTime
    if limit is None or start is None or job.spec.suspend or find(job, SUSPENDED):
        return None
    return limit - (now - start).total_seconds()


def is_complete(progress: Progress) -> bool:
    """Enough pods have succeeded, and none runs.  Without a number of completions one success is enough."""
    wanted = progress.job.spec.completions
    return progress.active == 0 and progress.succeeded >= (1 if wanted is None else wanted)


def wanted_active(progress: Progress) -> int:
    """How many pods should run now.  After a success of a job without completions no new ones are started."""
    spec = progress.job.spec
    parallelism = spec.parallelism or 0
    if spec.suspend:
        return 0
    if spec.completions is None:
        return progress.active if progress.succeeded else parallelism
    return max(0, min(spec.completions - progress.succeeded, parallelism))


def pending_indexes(progress: Progress, count: int) -> list[int]:
    """The lowest `count` indexes that have neither succeeded nor failed and that no pod works on."""
    busy = progress.completed | indexes_of(progress.active_pods) | (progress.failed_indexes or NONE)
    if replaces_only_failed(progress.job):
        busy |= indexes_of(pod for pod in progress.pods if is_terminating(pod))
    return busy.first_missing(count, progress.completions)
