"""ReplicationControllers: a number of equal pods, found by plain labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.core_v1 import ReplicationController, ReplicationControllerStatus
from api.errors import FieldError, required
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, template_columns
from apiserver.registry.labels import format_labels
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.replica_sets import ReplicaSetStatusUpdate
from apiserver.registry.strategy import Column, Context, Scale, Strategy
from apiserver.registry.workloads import (
    nonnegative,
    unmatched,
    validate_pod_template,
    validate_runs_always,
    warn_of_name,
)


class ReplicationControllers(Strategy[ReplicationController]):
    resource = resource_of(ReplicationController)
    subresources = (ReplicaSetStatusUpdate(), Scale())
    orphans_dependents = True
    columns = (
        NAME,
        Column("Desired", lambda r, now: r.spec.replicas, type="integer", description="Pods there should be."),
        Column("Current", lambda r, now: r.status.replicas, type="integer", description="Pods there are."),
        Column("Ready", lambda r, now: r.status.readyReplicas, type="integer", description="Pods that are ready."),
        AGE,
        *template_columns(),
        Column(
            "Selector", lambda r, now: format_labels(r.spec.selector), description="What finds its pods.", priority=1
        ),
    )

    def default(self, obj: ReplicationController) -> None:
        spec = obj.spec
        if spec.replicas is None:
            spec.replicas = 1
        if spec.template is None:
            return
        labels = spec.template.metadata.labels
        spec.selector = spec.selector or dict(labels)
        obj.metadata.labels = obj.metadata.labels or dict(labels)
        default_pod_spec(spec.template.spec)

    def prepare_for_create(self, new: ReplicationController, context: Context) -> None:
        new.status = ReplicationControllerStatus(replicas=0)
        new.metadata.generation = 1

    def prepare_for_update(self, new: ReplicationController, old: ReplicationController, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: ReplicationController) -> Iterator[FieldError]:
        spec = new.spec
        yield from nonnegative(spec.minReadySeconds, "spec.minReadySeconds")
        if not spec.selector:
            yield required("spec.selector")
        yield from nonnegative(spec.replicas, "spec.replicas")
        if spec.template is None:
            yield required("spec.template")
            return
        if not spec.selector.items() <= spec.template.metadata.labels.items():
            yield unmatched(spec.template, "spec.template")
        yield from validate_pod_template(spec.template, "spec.template")
        yield from validate_runs_always(spec.template, "spec.template", "ReplicationController")

    def validate_update(self, new: ReplicationController, old: ReplicationController) -> Iterator[FieldError]:
        yield from self.validate(new)  # Kubernetes looks twice, and clients see every cause as often

    def warnings(self, new: ReplicationController, old: ReplicationController | None) -> Iterable[str]:
        if old is None:
            yield from warn_of_name(new.metadata.name)
        if new.spec.template is not None and (old is None or new.metadata.generation != old.metadata.generation):
            yield from template_warnings(new.spec.template)

    def selectable_fields(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {"status.replicas": str((document.get("status") or {}).get("replicas", 0))}
