"""Work that comes to an end (batch/v1)."""

from typing import Annotated

from api.core_v1 import ObjectReference, PodTemplateSpec
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import (
    Enum,
    Int32,
    Int64,
    ListSet,
    Merge,
    Model,
    NotRequired,
    NullWhenEmpty,
    Required,
    Time,
    ZeroTime,
    null,
    struct,
)


class PodFailurePolicyOnExitCodesRequirement(Model):
    """Which exit codes of a container are meant.

    containerName: The container; any when unset.
    operator: In, or NotIn for all codes but these.
    values: The codes, in order; 0 cannot be among them for In.
    """

    containerName: str | None = None
    operator: Annotated[str, Enum("In", "NotIn")]
    values: Annotated[list[Int32], ListSet(), Required()]


class PodFailurePolicyOnPodConditionsPattern(Model):
    """Which condition of a pod is meant.

    status: The condition's status; True when unset.
    type: The condition's type.
    """

    status: Annotated[str, NotRequired()]
    type: str


class PodFailurePolicyRule(Model):
    """What follows when a pod fails in a certain way.

    action: FailJob, FailIndex, Ignore the failure, or Count it against the limit.
    onExitCodes: Exit codes the rule is for.
    onPodConditions: Conditions of the pod the rule is for, any of which is enough.
    """

    action: Annotated[str, Enum("Count", "FailIndex", "FailJob", "Ignore")]
    onExitCodes: PodFailurePolicyOnExitCodesRequirement | None = None
    onPodConditions: list[PodFailurePolicyOnPodConditionsPattern] = []


class PodFailurePolicy(Model):
    """What follows when a pod fails.

    rules: The first that fits a failed pod holds; without one the failure counts.
    """

    rules: Annotated[list[PodFailurePolicyRule], NullWhenEmpty()]


class SuccessPolicyRule(Model):
    """When a job with indexes is a success before all of it is done.

    succeededCount: How many indexes must have succeeded, of those of succeededIndexes if these are given.
    succeededIndexes: Which indexes, as numbers and ranges: "1,3-5".
    """

    succeededCount: Int32 | None = None
    succeededIndexes: str | None = None


class SuccessPolicy(Model):
    """When a job with indexes is a success.

    rules: The job has succeeded as soon as one of them is met.
    """

    rules: list[SuccessPolicyRule]


class JobSpec(Model):
    """What a job is to do.

    activeDeadlineSeconds: Seconds after its start at which it fails if it is not done.
    backoffLimit: How many failures are too many; 6 when unset.
    backoffLimitPerIndex: How many failures of one index are too many.
    completionMode: NonIndexed, or Indexed to give each pod a number.
    completions: How many pods must succeed; when unset, one success is enough.
    managedBy: The controller that works on it; Kubernetes' own when unset.
    manualSelector: Whether the selector is the user's own and not generated.
    maxFailedIndexes: How many failed indexes are too many.
    parallelism: How many pods run at a time; 1 when unset.
    podFailurePolicy: What follows when a pod fails.
    podReplacementPolicy: Whether a pod is replaced when it is TerminatingOrFailed, or only once it has Failed.
    selector: Labels by which its pods are known.
    successPolicy: When it is a success before all of it is done.
    suspend: Whether no pods are to run at present.
    template: What pods are made from.
    ttlSecondsAfterFinished: Seconds after its end at which it is deleted; it stays when unset.
    """

    activeDeadlineSeconds: Int64 | None = None
    backoffLimit: Int32 | None = None
    backoffLimitPerIndex: Int32 | None = None
    completionMode: Annotated[str | None, Enum("Indexed", "NonIndexed")] = None
    completions: Int32 | None = None
    managedBy: str | None = None
    manualSelector: bool | None = None
    maxFailedIndexes: Int32 | None = None
    parallelism: Int32 | None = None
    podFailurePolicy: PodFailurePolicy | None = None
    podReplacementPolicy: Annotated[str | None, Enum("Failed", "TerminatingOrFailed")] = None
    selector: LabelSelector | None = None
    successPolicy: SuccessPolicy | None = None
    suspend: bool | None = None
    template: Annotated[PodTemplateSpec, Required()] = struct()
    ttlSecondsAfterFinished: Int32 | None = None


class JobCondition(Model):
    """One aspect of a job's state.

    lastProbeTime: When it was last looked at.
    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Complete, Failed, Suspended, FailureTarget or SuccessCriteriaMet.
    """

    lastProbeTime: ZeroTime = null()
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class UncountedTerminatedPods(Model):
    """Pods that have ended and are not yet counted.

    failed: UIDs of those that failed.
    succeeded: UIDs of those that succeeded.
    """

    failed: Annotated[list[str], ListSet()] = []
    succeeded: Annotated[list[str], ListSet()] = []


class JobStatus(Model):
    """How far a job has come.

    active: Pods that are pending or running.
    completedIndexes: Indexes that have succeeded, as numbers and ranges: "1,3-5".
    completionTime: When it was done; only of jobs that succeeded.
    conditions: Its state in several aspects.
    failed: Pods that failed.
    failedIndexes: Indexes that have failed for good, in the form of completedIndexes.
    ready: Pods that are ready.
    startTime: When the work on it began, or began again after it was suspended.
    succeeded: Pods that succeeded.
    terminating: Pods that are ending.
    uncountedTerminatedPods: Pods that have ended and are not yet counted.
    """

    active: Int32 = 0
    completedIndexes: str = ""
    completionTime: Time | None = None
    conditions: Annotated[list[JobCondition], Merge("type")] = []
    failed: Int32 = 0
    failedIndexes: str | None = None
    ready: Int32 | None = None
    startTime: Time | None = None
    succeeded: Int32 = 0
    terminating: Int32 | None = None
    uncountedTerminatedPods: UncountedTerminatedPods | None = None


class Job(Model):
    """Runs pods until enough of them have succeeded."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: JobSpec = struct()
    status: JobStatus = struct()


class JobTemplateSpec(Model):
    """What jobs are made from.

    metadata: Labels and annotations of the jobs.
    spec: What they are to do.
    """

    metadata: ObjectMeta = struct()
    spec: JobSpec = struct()


class CronJobSpec(Model):
    """What jobs are made, and when.

    concurrencyPolicy: Allow jobs to overlap, Forbid a new one while another runs, or Replace the one that runs.
    failedJobsHistoryLimit: How many failed jobs are kept; 1 when unset.
    jobTemplate: What the jobs are made from.
    schedule: When, in the form of cron: minute, hour, day of the month, month, day of the week.
    startingDeadlineSeconds: Seconds after its time in which a job may still start; without limit when unset.
    successfulJobsHistoryLimit: How many jobs that succeeded are kept; 3 when unset.
    suspend: Whether no jobs are made at present.
    timeZone: The time zone of the schedule, such as Europe/Berlin; the controller's own when unset.
    """

    concurrencyPolicy: Annotated[str, Enum("Allow", "Forbid", "Replace")] = ""
    failedJobsHistoryLimit: Int32 | None = None
    jobTemplate: Annotated[JobTemplateSpec, Required()] = struct()
    schedule: str
    startingDeadlineSeconds: Int64 | None = None
    successfulJobsHistoryLimit: Int32 | None = None
    suspend: bool | None = None
    timeZone: str | None = None


class CronJobStatus(Model):
    """What a CronJob has made.

    active: Its jobs that run.
    lastScheduleTime: When a job was last due.
    lastSuccessfulTime: When a job last succeeded.
    """

    active: list[ObjectReference] = []
    lastScheduleTime: Time | None = None
    lastSuccessfulTime: Time | None = None


class CronJob(Model):
    """Makes jobs at set times."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[CronJobSpec, Required()] = struct()
    status: CronJobStatus = struct()
