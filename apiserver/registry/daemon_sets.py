"""DaemonSets: a pod on every node that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.apps_v1 import DaemonSet, DaemonSetStatus, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from api.errors import BadRequest, FieldError, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME, selector_column, template_columns
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import format_labels, validate_selector
from apiserver.registry.pod_defaults import default_pod_spec
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.workloads import (
    as_number,
    is_usable,
    nonnegative,
    selector_shown,
    selects,
    unmatched,
    validate_at_most_all,
    validate_collision_count,
    validate_counts,
    validate_int_or_percent,
    validate_pod_template,
    validate_runs_always,
)

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Counts the changes of the template: a field of the kind's first version, that lives on as an annotation."""

_ROLLING = "RollingUpdate"
_ON_DELETE = "OnDelete"


@dataclass(frozen=True)
class DaemonSetStatusUpdate(Status):
    """`/status` of DaemonSets: what the controller counted."""

    def prepare_for_update(self, new: DaemonSet, old: DaemonSet) -> None:
        super().prepare_for_update(new, old)
        new.metadata.annotations[TEMPLATE_GENERATION] = str(_template_generation(old))

    def validate_update(self, new: DaemonSet, old: DaemonSet) -> Iterable[FieldError]:
        counts = (
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        )
        yield from validate_counts(new.status, counts)
        yield from validate_collision_count(new.status.collisionCount, old.status.collisionCount)


class DaemonSets(Strategy[DaemonSet]):
    resource = resource_of(DaemonSet)
    subresources = (DaemonSetStatusUpdate(),)
    revalidates_metadata = False
    columns = (
        NAME,
        Column(
            "Desired",
            lambda d, now: d.status.desiredNumberScheduled,
            type="integer",
            description="Nodes that are to run the pod.",
        ),
        Column(
            "Current",
            lambda d, now: d.status.currentNumberScheduled,
            type="integer",
            description="Nodes that run the pod and are to.",
        ),
        Column("Ready", lambda d, now: d.status.numberReady, type="integer", description="Nodes whose pod is ready."),
        Column(
            "Up-to-date",
            lambda d, now: d.status.updatedNumberScheduled,
            type="integer",
            description="Nodes whose pod is of the newest template.",
        ),
        Column(
            "Available",
            lambda d, now: d.status.numberAvailable,
            type="integer",
            description="Nodes whose pod has been ready for long enough.",
        ),
        Column(
            "Node Selector",
            lambda d, now: format_labels(d.spec.template.spec.nodeSelector),
            description="The labels that nodes must have.",
        ),
        AGE,
        *template_columns(),
        selector_column(lambda d: d.spec.selector),
    )

    def default(self, obj: DaemonSet) -> None:
        spec, strategy = obj.spec, obj.spec.updateStrategy
        if not strategy.type:
            strategy.type = _ROLLING
        if strategy.type == _ROLLING:
            if strategy.rollingUpdate is None:
                strategy.rollingUpdate = RollingUpdateDaemonSet()
            if strategy.rollingUpdate.maxUnavailable is None:
                strategy.rollingUpdate.maxUnavailable = 1
            if strategy.rollingUpdate.maxSurge is None:
                strategy.rollingUpdate.maxSurge = 0
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10
        default_pod_spec(spec.template.spec)
        obj.metadata.annotations[TEMPLATE_GENERATION] = str(_template_generation(obj))

    def prepare_for_create(self, new: DaemonSet, context: Context) -> None:
        new.status = _empty_status()
        new.metadata.generation = 1
        new.metadata.annotations[TEMPLATE_GENERATION] = str(max(_template_generation(new), 1))

    def prepare_for_update(self, new: DaemonSet, old: DaemonSet, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)
        generation = _template_generation(old) + (new.spec.template != old.spec.template)
        new.metadata.annotations[TEMPLATE_GENERATION] = str(generation)

    def validate(self, new: DaemonSet) -> Iterator[FieldError]:
        spec = new.spec
        yield from validate_selector(spec.selector, "spec.selector")
        if is_usable(spec.selector) and not selects(spec.selector, spec.template.metadata.labels):
            yield unmatched(spec.template, "spec.template")
        if spec.selector is not None and not spec.selector.matchLabels and not spec.selector.matchExpressions:
            detail = "empty selector is invalid for daemonset"
            yield invalid_value("spec.selector", selector_shown(spec.selector), detail)
        yield from validate_pod_template(spec.template, "spec.template")
        yield from validate_runs_always(spec.template, "spec.template", "DaemonSet")
        yield from nonnegative(spec.minReadySeconds, "spec.minReadySeconds")
        yield from nonnegative(_template_generation(new), "spec.templateGeneration")
        yield from _validate_strategy(spec.updateStrategy, "spec.updateStrategy")
        yield from nonnegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit")

    def validate_update(self, new: DaemonSet, old: DaemonSet) -> Iterator[FieldError]:
        if new.spec.selector != old.spec.selector:
            yield invalid_value("spec.selector", selector_shown(new.spec.selector), "field is immutable")

    def warnings(self, new: DaemonSet, old: DaemonSet | None) -> Iterable[str]:
        if old is None or new.metadata.generation != old.metadata.generation:
            yield from template_warnings(new.spec.template)


def _empty_status() -> DaemonSetStatus:
    return DaemonSetStatus(currentNumberScheduled=0, numberMisscheduled=0, desiredNumberScheduled=0, numberReady=0)


def _template_generation(obj: DaemonSet) -> int:
    text = obj.metadata.annotations.get(TEMPLATE_GENERATION, "0")
    try:
        return int(text)
    except ValueError:
        raise BadRequest(
            'DaemonSet in version "v1" cannot be handled as a DaemonSet: '
            f'strconv.ParseInt: parsing "{text}": invalid syntax'
        ) from None


def _validate_strategy(strategy: DaemonSetUpdateStrategy, path: str) -> Iterator[FieldError]:
    if strategy.type == _ROLLING:
        rolling = strategy.rollingUpdate
        if rolling is None:
            yield required(f"{path}.rollingUpdate")
            return
        unavailable, surge = f"{path}.rollingUpdate.maxUnavailable", f"{path}.rollingUpdate.maxSurge"
        yield from validate_int_or_percent(rolling.maxUnavailable, unavailable)
        yield from validate_int_or_percent(rolling.maxSurge, surge)
        yield from validate_at_most_all(rolling.maxUnavailable, unavailable)
        yield from validate_at_most_all(rolling.maxSurge, surge)
        if as_number(rolling.maxUnavailable) and as_number(rolling.maxSurge):
            yield invalid_value(surge, rolling.maxSurge, "may not be set when maxUnavailable is non-zero")
        elif not as_number(rolling.maxUnavailable) and not as_number(rolling.maxSurge):
            yield required(unavailable, "cannot be 0 when maxSurge is 0")
    elif strategy.type != _ON_DELETE:
        yield not_supported(path, internal(strategy), (_ROLLING, _ON_DELETE))
