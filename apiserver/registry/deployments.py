"""Deployments: pods that are replaced bit by bit when their template changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.apps_v1 import Deployment, DeploymentSpec, DeploymentStatus, RollingUpdateDeployment
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.model import Model
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, template_columns
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import format_selector
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.strategy import Column, Context, Scale, Status, Strategy
from apiserver.registry.workloads import (
    as_number,
    nonnegative,
    selector_shown,
    validate_at_most_all,
    validate_collision_count,
    validate_counts,
    validate_int_or_percent,
    validate_replica_counts,
    validate_replicated_template,
    validate_workload_selector,
    warn_of_name,
)

_ROLLING = "RollingUpdate"
_RECREATE = "Recreate"
_QUARTER = "25%"


@dataclass(frozen=True)
class DeploymentStatusUpdate(Status):
    """`/status` of Deployments: what the controller counted.  Labels stay as they are."""

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {**(super().unowned(model) or {}), "f:metadata": {"f:labels": {}}}

    def prepare_for_update(self, new: Deployment, old: Deployment) -> None:
        super().prepare_for_update(new, old)
        new.metadata.labels = old.metadata.labels

    def validate_update(self, new: Deployment, old: Deployment) -> Iterable[FieldError]:
        status = new.status
        yield from validate_counts(
            status,
            (
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
                "collisionCount",
            ),
        )
        yield from validate_replica_counts(status, ("updatedReplicas", "readyReplicas", "availableReplicas"))
        yield from validate_collision_count(status.collisionCount, old.status.collisionCount)


class Deployments(Strategy[Deployment]):
    resource = resource_of(Deployment)
    revalidates_metadata = False
    subresources = (DeploymentStatusUpdate(), Scale())
    columns = (
        NAME,
        Column(
            "Ready",
            lambda d, now: f"{d.status.readyReplicas}/{d.spec.replicas}",
            description="Pods that are ready, of those there should be.",
        ),
        Column("Up-to-date", lambda d, now: d.status.updatedReplicas, description="Pods of the newest template."),
        Column("Available", lambda d, now: d.status.availableReplicas, description="Pods ready for long enough."),
        AGE,
        *template_columns(),
        Column(
            "Selector", lambda d, now: format_selector(d.spec.selector), description="What finds its pods.", priority=1
        ),
    )

    def default(self, obj: Deployment) -> None:
        spec = obj.spec
        if spec.replicas is None:
            spec.replicas = 1
        if not spec.strategy.type:
            spec.strategy.type = _ROLLING
        if spec.strategy.type == _ROLLING:
            if spec.strategy.rollingUpdate is None:
                spec.strategy.rollingUpdate = RollingUpdateDeployment()
            rolling = spec.strategy.rollingUpdate
            if rolling.maxUnavailable is None:
                rolling.maxUnavailable = _QUARTER
            if rolling.maxSurge is None:
                rolling.maxSurge = _QUARTER
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10
        if spec.progressDeadlineSeconds is None:
            spec.progressDeadlineSeconds = 600
        default_pod_spec(spec.template.spec)

    def prepare_for_create(self, new: Deployment, context: Context) -> None:
        new.status = DeploymentStatus()
        new.metadata.generation = 1

    def prepare_for_update(self, new: Deployment, old: Deployment, context: Context) -> None:
        new.status = old.status
        # Annotations are passed on to replica sets, so the controller has work to do when they change, too.
        changed = new.spec != old.spec or new.metadata.annotations != old.metadata.annotations
        new.metadata.generation = old.metadata.generation + changed

    def validate(self, new: Deployment) -> Iterator[FieldError]:
        spec = new.spec
        yield from nonnegative(spec.replicas, "spec.replicas")
        yield from validate_workload_selector(spec.selector, "spec.selector")
        yield from validate_replicated_template(spec.template, spec.selector, "spec.template")
        yield from _validate_strategy(spec)
        yield from nonnegative(spec.minReadySeconds, "spec.minReadySeconds")
        yield from nonnegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit")
        deadline = spec.progressDeadlineSeconds
        if deadline is not None:
            yield from nonnegative(deadline, "spec.progressDeadlineSeconds")
            if deadline <= spec.minReadySeconds:
                yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")

    def validate_update(self, new: Deployment, old: Deployment) -> Iterator[FieldError]:
        if new.spec.selector != old.spec.selector:
            yield invalid_value("spec.selector", selector_shown(new.spec.selector), "field is immutable")

    def warnings(self, new: Deployment, old: Deployment | None) -> Iterable[str]:
        if old is None:
            yield from warn_of_name(new.metadata.name)
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from template_warnings(new.spec.template)


def _validate_strategy(spec: DeploymentSpec) -> Iterator[FieldError]:
    strategy, path = spec.strategy, "spec.strategy"
    rolling = strategy.rollingUpdate
    if strategy.type == _RECREATE:
        if rolling is not None:
            yield forbidden(f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif strategy.type == _ROLLING:
        if rolling is None:
            yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
            return
        unavailable = f"{path}.rollingUpdate.maxUnavailable"
        yield from validate_int_or_percent(rolling.maxUnavailable, unavailable)
        yield from validate_int_or_percent(rolling.maxSurge, f"{path}.rollingUpdate.maxSurge")
        if as_number(rolling.maxUnavailable) == 0 and as_number(rolling.maxSurge) == 0:
            yield invalid_value(unavailable, rolling.maxUnavailable, "may not be 0 when `maxSurge` is 0")
        yield from validate_at_most_all(rolling.maxUnavailable, unavailable)
    else:
        yield not_supported(path, internal(strategy), (_RECREATE, _ROLLING))
