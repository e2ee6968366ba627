"""Counting pods exactly once, whenever the controller stops and whatever it sees late.

A pod of a job keeps a finalizer until its end is counted, in three steps: the status names its UID as uncounted; the
finalizer is taken away; the status drops the UID and raises the number.  After a crash between two steps the status and
the pod's finalizer tell where to go on.  Of an indexed job, the completed indexes take the place of UIDs.
https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-tracking-with-finalizers
"""

from __future__ import annotations

from collections.abc import Collection

from api.batch_v1 import JobCondition, JobStatus
from api.core_v1 import Pod
from controller_manager.job.conditions import SUCCESS_CRITERIA_MET, has_failed, is_indexed
from controller_manager.job.failure_policy import judge
from controller_manager.job.indexes import completion_index
from controller_manager.job.progress import Progress

MOST_UNCOUNTED = 500
"""Pods named in a status at a time."""


def name_uncounted(progress: Progress, outcome: JobCondition | None) -> tuple[list[Pod], bool]:
    """First step: note in the status who ended.  Returns the pods whose finalizer may go once the status is written,
    and whether that is all of them."""
    job, uncounted = progress.job, progress.uncounted
    is_failure = outcome is not None and outcome.type != SUCCESS_CRITERIA_MET
    free: list[Pod] = []
    succeeded_indexes: set[int] = set()
    for pod in sorted(progress.pods, key=lambda pod: completion_index(pod) or 0):
        if not progress.has_finalizer(pod) or not _may_be_freed(progress, pod, outcome):
            continue
        free.append(pod)
        uid = pod.metadata.uid
        if pod.status.phase == "Succeeded" and uid not in uncounted.failed:
            if is_indexed(job):
                index = completion_index(pod)
                if progress.is_valid(pod) and index is not None and index not in progress.completed_before:
                    succeeded_indexes.add(index)
            elif uid not in uncounted.succeeded:
                uncounted.succeeded = [*uncounted.succeeded, uid]
        elif has_failed(pod, job) or is_failure:
            counts = progress.is_valid(pod) and judge(job.spec.podFailurePolicy, pod).counts
            if counts and uid not in uncounted.failed:
                uncounted.failed = [*uncounted.failed, uid]
        if len(succeeded_indexes) + len(uncounted.succeeded) + len(uncounted.failed) >= MOST_UNCOUNTED:
            return free, False
    return free, True


def _may_be_freed(progress: Progress, pod: Pod, outcome: JobCondition | None) -> bool:
    job = progress.job
    if job.metadata.deletionTimestamp is not None or outcome is not None or pod.status.phase == "Succeeded":
        return True
    index = completion_index(pod)
    return has_failed(pod, job) and (index is None or progress.kept.get(index) is not pod)


def count(status: JobStatus, with_finalizer: Collection[str]) -> None:
    """Last step: pods that have lost their finalizer are counted and no longer named."""
    uncounted = status.uncountedTerminatedPods
    assert uncounted is not None
    succeeded = [uid for uid in uncounted.succeeded if uid in with_finalizer]
    failed = [uid for uid in uncounted.failed if uid in with_finalizer]
    status.succeeded += len(uncounted.succeeded) - len(succeeded)
    status.failed += len(uncounted.failed) - len(failed)
    uncounted.succeeded, uncounted.failed = succeeded, failed
