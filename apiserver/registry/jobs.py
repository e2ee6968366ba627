"""Jobs: pods that run until enough of them have succeeded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from api.batch_v1 import Job, JobSpec, JobStatus
from api.core_v1 import Affinity, PodSpec, PodTemplateSpec
from api.errors import FieldError, invalid_value, required
from api.meta_v1 import LabelSelector
from api.model import Model
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, selector_column, template_columns
from apiserver.registry.human_duration import human_duration
from apiserver.registry.internal_form import internal, metadata_form
from apiserver.registry.job_spec import INDEXED, NON_INDEXED, default_failure_policy, job_warnings, validate_job_spec
from apiserver.registry.job_status import JobStatusUpdate, is_true
from apiserver.registry.labels import matches, validate_selector
from apiserver.registry.names import label
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.strategy import Column, Context, Finish, Strategy
from apiserver.registry.workloads import is_usable, selector_shown, selects, unmatched, warn_of_name

_JOB_NAME = "batch.kubernetes.io/job-name"
_CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
_LEGACY_JOB_NAME = "job-name"
_LEGACY_CONTROLLER_UID = "controller-uid"
_BACKOFF_LIMIT = 6
_NO_LIMIT = 2**31 - 1
_TEMPLATE = "spec.template"


def _status(job: Job, now: datetime) -> str:
    for condition in ("Complete", "Failed"):
        if is_true(job, condition):
            return condition
    if job.metadata.deletionTimestamp is not None:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget"):
        if is_true(job, condition):
            return condition
    return "Running"


def _completions(job: Job, now: datetime) -> str:
    done, wanted, parallelism = job.status.succeeded, job.spec.completions, job.spec.parallelism or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Job, now: datetime) -> str:
    start = job.status.startTime
    return "" if start is None else human_duration((job.status.completionTime or now) - start)


class Jobs(Strategy[Job]):
    resource = resource_of(Job)
    subresources = (JobStatusUpdate(),)
    orphans_dependents = True
    orphaning_warning = (
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
        "set propagationPolicy=Orphan to suppress this warning"
    )
    columns = (
        NAME,
        Column("Status", _status, description="What has become of it."),
        Column("Completions", _completions, description="Pods that succeeded, of those that must."),
        Column("Duration", _duration, description="How long it took, or runs by now."),
        AGE,
        *template_columns(),
        selector_column(lambda j: j.spec.selector),
    )

    def default(self, obj: Job) -> None:
        spec, metadata = obj.spec, obj.metadata
        # One success is enough by default, but a job that only says how many run at a time is done when all are.
        if spec.completions is None and spec.parallelism is None:
            spec.completions = spec.parallelism = 1
        if spec.parallelism is None:
            spec.parallelism = 1
        if spec.backoffLimit is None:
            spec.backoffLimit = _BACKOFF_LIMIT if spec.backoffLimitPerIndex is None else _NO_LIMIT
        if not metadata.labels and spec.template.metadata.labels:
            # The very same labels, as in Kubernetes: those that are generated for the template are the job's too.
            metadata.labels = spec.template.metadata.labels
        if spec.completionMode is None:
            spec.completionMode = NON_INDEXED
        if spec.suspend is None:
            spec.suspend = False
        if spec.manualSelector is None:
            spec.manualSelector = False
        if spec.podReplacementPolicy is None:
            spec.podReplacementPolicy = "TerminatingOrFailed" if spec.podFailurePolicy is None else "Failed"
        default_failure_policy(spec)
        default_pod_spec(spec.template.spec)

    def prepare_for_create(self, new: Job, context: Context) -> None:
        if not new.spec.manualSelector:
            _generate_selector(new)
        new.status = JobStatus()
        new.metadata.generation = 1

    def prepare_for_update(self, new: Job, old: Job, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: Job) -> Iterator[FieldError]:
        if not new.spec.manualSelector and new.spec.selector is not None:
            yield from _validate_generated(new, new.spec.selector)
        yield from _validate_spec(new.spec)
        if new.spec.completionMode == INDEXED and new.spec.completions is not None and new.spec.completions > 0:
            name = f"{new.metadata.name}-{new.spec.completions - 1}"
            if label(name):
                detail = f"will not able to create pod with invalid DNS label: {name}"
                yield invalid_value("metadata.name", new.metadata.name, detail)

    def validate_update(self, new: Job, old: Job) -> Iterator[FieldError]:
        yield from _validate_spec(new.spec)  # Kubernetes looks twice, and clients see every cause as often
        yield from _validate_completions(new.spec, old.spec)
        if new.spec.selector != old.spec.selector:
            yield invalid_value("spec.selector", selector_shown(new.spec.selector), "field is immutable")
        yield from _validate_template_change(new.spec.template, old)
        for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
            value = getattr(new.spec, name)
            if value != getattr(old.spec, name):
                shown = internal(value) if isinstance(value, Model) else value
                yield invalid_value(f"spec.{name}", shown, "field is immutable")

    def begin_create(self, new: Job, context: Context) -> Finish | None:
        # Whoever reads a job without labels sees those of its pods: they are not the job's when it is judged.
        new.metadata.labels = new.metadata.labels or new.spec.template.metadata.labels
        return None

    def warnings(self, new: Job, old: Job | None) -> Iterable[str]:
        if old is None:
            yield from warn_of_name(new.metadata.name)
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from job_warnings(new.spec, "spec")

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {"status.successful": str((document.get("status") or {}).get("succeeded", 0))}

    def unknown_field(self, name: str) -> str:
        return f'field label "{name}" not supported for Job'


def _generate_selector(job: Job) -> None:
    """Labels that no other job's pods have.  A label that is there already is left for validation to judge."""
    labels = job.spec.template.metadata.labels
    for name in (_LEGACY_JOB_NAME, _JOB_NAME):
        labels.setdefault(name, job.metadata.name)
    for name in (_LEGACY_CONTROLLER_UID, _CONTROLLER_UID):
        labels.setdefault(name, job.metadata.uid)
    if job.spec.selector is None:
        job.spec.selector = LabelSelector()
    job.spec.selector.matchLabels.setdefault(_CONTROLLER_UID, job.metadata.uid)


def _validate_generated(job: Job, selector: LabelSelector) -> Iterator[FieldError]:
    expected = {
        _LEGACY_CONTROLLER_UID: job.metadata.uid,
        _LEGACY_JOB_NAME: job.metadata.name,
        _CONTROLLER_UID: job.metadata.uid,
        _JOB_NAME: job.metadata.name,
    }
    labels = job.spec.template.metadata.labels
    for key, value in expected.items():
        where = f"{_TEMPLATE}.metadata.labels"
        if key not in labels:
            yield required(f"{where}[{key}]", f"must be '{value}'")
        elif labels[key] != value:
            yield invalid_value(f"{where}[{key}]", dict(sorted(labels.items())), f"must be '{value}'")
    if is_usable(selector) and not matches(selector, expected):
        yield invalid_value("spec.selector", selector_shown(selector), "`selector` not auto-generated")


def _validate_spec(spec: JobSpec) -> Iterator[FieldError]:
    yield from validate_job_spec(spec, "spec")
    if spec.selector is None:
        yield required("spec.selector")
    yield from validate_selector(spec.selector, "spec.selector")
    if is_usable(spec.selector) and not selects(spec.selector, spec.template.metadata.labels):
        yield unmatched(spec.template, _TEMPLATE)


def _validate_completions(new: JobSpec, old: JobSpec) -> Iterator[FieldError]:
    if new.completions == old.completions:
        return
    if new.completionMode != INDEXED:
        yield invalid_value("spec.completions", new.completions, "field is immutable")
    elif new.completions is not None and new.completions != new.parallelism:
        yield invalid_value("spec.completions", new.completions, "can only be modified in tandem with spec.parallelism")


def _validate_template_change(template: PodTemplateSpec, old: Job) -> Iterator[FieldError]:
    """A template stays as it is, unless no pods run: then it is open where they run, and with what (KEP-5440)."""
    before = old.spec.template
    is_idle = not old.status.active and (old.status.startTime is None or is_true(old, "Suspended"))
    if old.spec.suspend and is_idle:
        allowed = _with_placement(before.spec, template.spec)
        if template.spec != allowed:
            yield invalid_value(f"{_TEMPLATE}.spec", internal(template.spec), "field is immutable")
    elif template != before:
        shown = {**metadata_form(template.metadata), "Spec": internal(template.spec)}
        yield invalid_value(_TEMPLATE, shown, "field is immutable")


def _with_placement(spec: PodSpec, new: PodSpec) -> PodSpec:
    """A pod spec with what may change of it taken from another: what decides on its node, and its resources."""
    changed = spec.copy_deep()
    for name in ("nodeSelector", "tolerations", "schedulingGates"):
        setattr(changed, name, getattr(new, name))
    affinity = changed.affinity or Affinity()
    affinity.nodeAffinity = new.affinity.nodeAffinity if new.affinity is not None else None
    changed.affinity = affinity if affinity != Affinity() or new.affinity is not None else None
    for kind in ("containers", "initContainers"):
        containers, others = getattr(changed, kind), getattr(new, kind)
        if len(containers) == len(others):
            for container, other in zip(containers, others, strict=True):
                if container.name == other.name:
                    container.resources = other.resources
    return changed
