"""ReplicaSets: a number of equal pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.apps_v1 import ReplicaSet, ReplicaSetStatus
from api.errors import FieldError, invalid_value
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, template_columns
from apiserver.registry.labels import format_selector
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.strategy import Column, Context, Scale, Status, Strategy
from apiserver.registry.workloads import (
    nonnegative,
    selector_shown,
    validate_counts,
    validate_replica_counts,
    validate_replicated_template,
    validate_workload_selector,
    warn_of_name,
)


@dataclass(frozen=True)
class ReplicaSetStatusUpdate(Status):
    """`/status` of ReplicaSets: what the controller counted."""

    def validate_update(self, new: ReplicaSet, old: ReplicaSet) -> Iterable[FieldError]:
        status = new.status
        counts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        yield from validate_counts(status, ("replicas", *counts, "observedGeneration"))
        # ReplicationControllers, which have no such count, share these rules.
        yield from nonnegative(getattr(status, "terminatingReplicas", None), "status.terminatingReplicas")
        yield from validate_replica_counts(status, counts)


class ReplicaSets(Strategy[ReplicaSet]):
    resource = resource_of(ReplicaSet)
    subresources = (ReplicaSetStatusUpdate(), Scale())
    revalidates_metadata = False
    columns = (
        NAME,
        Column("Desired", lambda r, now: r.spec.replicas, type="integer", description="Pods there should be."),
        Column("Current", lambda r, now: r.status.replicas, type="integer", description="Pods there are."),
        Column("Ready", lambda r, now: r.status.readyReplicas, type="integer", description="Pods that are ready."),
        AGE,
        *template_columns(),
        Column(
            "Selector", lambda r, now: format_selector(r.spec.selector), description="What finds its pods.", priority=1
        ),
    )

    def default(self, obj: ReplicaSet) -> None:
        if obj.spec.replicas is None:
            obj.spec.replicas = 1
        default_pod_spec(obj.spec.template.spec)

    def prepare_for_create(self, new: ReplicaSet, context: Context) -> None:
        new.status = ReplicaSetStatus(replicas=0)
        new.metadata.generation = 1

    def prepare_for_update(self, new: ReplicaSet, old: ReplicaSet, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: ReplicaSet) -> Iterator[FieldError]:
        spec = new.spec
        yield from nonnegative(spec.replicas, "spec.replicas")
        yield from nonnegative(spec.minReadySeconds, "spec.minReadySeconds")
        yield from validate_workload_selector(spec.selector, "spec.selector")
        yield from validate_replicated_template(spec.template, spec.selector, "spec.template")

    def validate_update(self, new: ReplicaSet, old: ReplicaSet) -> Iterator[FieldError]:
        if new.spec.selector != old.spec.selector:
            yield invalid_value("spec.selector", selector_shown(new.spec.selector), "field is immutable")

    def warnings(self, new: ReplicaSet, old: ReplicaSet | None) -> Iterable[str]:
        if old is None:
            yield from warn_of_name(new.metadata.name)
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from template_warnings(new.spec.template)
