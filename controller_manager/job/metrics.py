"""Kubernetes' metrics of Jobs (https://kubernetes.io/docs/reference/instrumentation/metrics/)."""

from __future__ import annotations

from api.batch_v1 import Job, JobCondition, JobStatus
from client.metrics import Counter, Histogram, powers
from controller_manager.job.conditions import COMPLETE


class JobMetrics:
    """What became of syncs, jobs and pods, each by whether the job is indexed."""

    def __init__(self) -> None:
        sync = ("completion_mode", "result", "action")
        prefix = "job_controller_"
        self._seconds = Histogram(
            f"{prefix}job_sync_duration_seconds", "Seconds that a sync of a job took.", sync, powers(0.004, 2, 15)
        )
        self._syncs = Counter(f"{prefix}job_syncs_total", "Syncs of jobs.", sync)
        self._finished = Counter(
            f"{prefix}jobs_finished_total", "Jobs that have ended.", ("completion_mode", "result", "reason")
        )
        self._pods = Counter(
            f"{prefix}job_pods_finished_total", "Pods that have ended and are counted.", ("completion_mode", "result")
        )
        self.all = (self._seconds, self._syncs, self._finished, self._pods)

    def synced(self, job: Job, action: str, seconds: float, *, failed: bool) -> None:
        """`action` is reconciling (pods are still awaited), tracking, pods_created or pods_deleted."""
        labels = (_mode(job), "error" if failed else "success", action)
        self._seconds.observe(seconds, *labels)
        self._syncs.inc(*labels)

    def counted(self, job: Job, before: JobStatus) -> None:
        """The job's status was written."""
        for result, more in (
            ("succeeded", job.status.succeeded - before.succeeded),
            ("failed", job.status.failed - before.failed),
        ):
            if more > 0:
                self._pods.inc(_mode(job), result, by=more)

    def finished(self, job: Job, end: JobCondition) -> None:
        self._finished.inc(_mode(job), "succeeded" if end.type == COMPLETE else "failed", end.reason)


def _mode(job: Job) -> str:
    return job.spec.completionMode or "NonIndexed"
