"""The pods of jobs: how they are made, and which of them are too many."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from api.batch_v1 import Job
from api.core_v1 import Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod
from controller_manager.job.conditions import is_indexed
from controller_manager.job.failure_policy import judge
from controller_manager.job.indexes import COMPLETION_INDEX, completion_index
from controller_manager.pod_ranking import least_missed
from controller_manager.pod_template import pod_from_template

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods whose end the job's status does not count yet."""
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58
_MOST = 2**31 - 1


def is_tracked(pod: Pod) -> bool:
    return TRACKING in pod.metadata.finalizers


def new_pod(job: Job, index: int | None = None, replaced: Pod | None = None) -> Pod:
    """A pod of the job; for `index`, which `replaced` failed to complete, if the job has indexes."""
    pod = pod_from_template(job.spec.template, job)
    if TRACKING not in pod.metadata.finalizers:
        pod.metadata.finalizers.append(TRACKING)
    if index is None:
        return pod
    suffix = f"-{index}-"
    pod.metadata.generateName = f"{job.metadata.name[: _LONGEST_PREFIX - len(suffix)]}{suffix}"
    pod.metadata.annotations[COMPLETION_INDEX] = pod.metadata.labels[COMPLETION_INDEX] = str(index)
    if job.spec.backoffLimitPerIndex is not None:
        pod.metadata.annotations |= _failure_counts(job, replaced)
    pod.spec.hostname = f"{job.metadata.name}-{index}"
    pod.spec.containers = [_with_index(container) for container in pod.spec.containers]
    pod.spec.initContainers = [_with_index(container) for container in pod.spec.initContainers]
    return pod


def _with_index(container: Container) -> Container:
    if any(variable.name == _INDEX_VARIABLE for variable in container.env):
        return container
    source = EnvVarSource(fieldRef=ObjectFieldSelector(fieldPath=f"metadata.labels['{COMPLETION_INDEX}']"))
    return container.model_copy(update={"env": [*container.env, EnvVar(name=_INDEX_VARIABLE, valueFrom=source)]})


def _failure_counts(job: Job, replaced: Pod | None) -> dict[str, str]:
    if replaced is None:
        return {FAILURE_COUNT: "0"}
    counts = judge(job.spec.podFailurePolicy, replaced).counts
    ignored = _number(replaced, IGNORED_FAILURE_COUNT) + (not counts)
    annotations = {FAILURE_COUNT: str(failures_of(replaced) + counts)}
    return annotations | ({IGNORED_FAILURE_COUNT: str(ignored)} if ignored else {})


def failures_of(pod: Pod) -> int:
    """How often the pod's index had failed when the pod was made, as far as that counts."""
    return _number(pod, FAILURE_COUNT)


def times_failed(pod: Pod) -> int:
    """The same with the failures that do not count."""
    return failures_of(pod) + _number(pod, IGNORED_FAILURE_COUNT)


def _number(pod: Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= _MOST else 0


def surplus(job: Job, active: list[Pod], count: int, now: datetime) -> list[Pod]:
    """Active pods to delete: those whose index another has too, or the job has not, and at least `count`."""
    doomed: list[Pod] = []
    left = active
    if is_indexed(job):
        doomed, left = _misplaced(active, job.spec.completions or 0, now)
    if len(doomed) < count:
        doomed += least_missed(left, count - len(doomed), (), now)
    return doomed


def _misplaced(pods: list[Pod], completions: int, now: datetime) -> tuple[list[Pod], list[Pod]]:
    """Pods without an index of their own, and the others."""
    by_index: dict[int | None, list[Pod]] = defaultdict(list)
    for pod in pods:
        by_index[completion_index(pod)].append(pod)
    doomed, left = [], []
    for index, same in by_index.items():
        if index is None or index >= completions:
            doomed += same
        elif len(same) == 1:
            left += same
        else:
            extra = least_missed(same, len(same) - 1, (), now)
            doomed += extra
            left += [pod for pod in same if not any(pod is other for other in extra)]
    return doomed, left
