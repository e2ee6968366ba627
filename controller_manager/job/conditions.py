"""The conditions of jobs, and what else is asked of a job alone.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
"""

from __future__ import annotations

from datetime import datetime

from api.batch_v1 import Job, JobCondition
from api.core_v1 import Pod

COMPLETE = "Complete"
FAILED = "Failed"
FAILURE_TARGET = "FailureTarget"
SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"
SUSPENDED = "Suspended"
_OURS = "kubernetes.io/job-controller"


def new_condition(type: str, reason: str, message: str, now: datetime, status: str = "True") -> JobCondition:
    moment = now.replace(microsecond=0)
    return JobCondition(
        type=type, status=status, reason=reason, message=message, lastProbeTime=moment, lastTransitionTime=moment
    )


def find(job: Job, type: str) -> JobCondition | None:
    """The condition, if it is true."""
    return next((each for each in job.status.conditions if each.type == type and each.status == "True"), None)


def finished(job: Job) -> JobCondition | None:
    """The condition that says how the job ended; None while it has not."""
    return next((c for c in job.status.conditions if c.type in (COMPLETE, FAILED) and c.status == "True"), None)


def set_condition(job: Job, new: JobCondition) -> bool:
    """Whether that changed anything.  Nothing is said to be false that has never been true."""
    conditions = job.status.conditions
    for number, known in enumerate(conditions):
        if known.type == new.type:
            if (known.status, known.reason, known.message) == (new.status, new.reason, new.message):
                return False
            conditions[number] = new
            return True
    if new.status == "False":
        return False
    conditions.append(new)
    return True


def is_managed_elsewhere(job: Job) -> bool:
    """Another controller than Kubernetes' own works on it (KEP-4368)."""
    return job.spec.managedBy not in (None, _OURS)


def is_indexed(job: Job) -> bool:
    return job.spec.completionMode == "Indexed"


def replaces_only_failed(job: Job) -> bool:
    """Pods that are still ending are not replaced yet, and have not failed yet."""
    return job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None


def has_failed(pod: Pod, job: Job) -> bool:
    """Whether a pod of the job is a failure.  One that is being deleted is, since nobody may report its end."""
    if pod.status.phase == "Failed" or replaces_only_failed(job):
        return pod.status.phase == "Failed"
    return pod.metadata.deletionTimestamp is not None and pod.status.phase != "Succeeded"
