"""HorizontalPodAutoscalers: how many replicas of a workload there are, by its load.

They are kept as autoscaling/v2 and validated in its words; autoscaling/v1 shows the same objects with less, see
`autoscaler_conversion`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api import autoscaling_v1, autoscaling_v2
from api.autoscaling_v2 import HPAScalingPolicy, HPAScalingRules, MetricSpec, MetricStatus
from api.errors import FieldError
from api.scheme import resource_of
from apiserver.registry.autoscaler_conversion import (
    BEHAVIOR,
    CONDITIONS,
    CURRENT_METRICS,
    METRICS,
    default_metrics,
    drop_carried,
    to_v1,
    to_v2,
)
from apiserver.registry.autoscaler_validation import validate_autoscaler
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.strategy import Column, Context, Options, Status, Strategy
from apiserver.registry.workloads import validate_counts

_COUNTS = ("currentReplicas", "desiredReplicas")
_PERCENT = HPAScalingPolicy(type="Percent", value=100, periodSeconds=15)
_SHOWN_METRICS = 2


def _default_rules(rules: HPAScalingRules | None, preset: HPAScalingRules) -> HPAScalingRules:
    """The rules of one direction; an empty list of policies stays, to be refused."""
    if rules is None:
        return preset.copy_deep()
    for name in ("selectPolicy", "stabilizationWindowSeconds"):
        if getattr(rules, name) is None:
            setattr(rules, name, getattr(preset, name))
    if "policies" not in rules.model_fields_set:
        rules.policies = preset.copy_deep().policies
    return rules


_UP = HPAScalingRules(
    selectPolicy="Max",
    stabilizationWindowSeconds=0,
    policies=[HPAScalingPolicy(type="Pods", value=4, periodSeconds=15), _PERCENT],
)
_DOWN = HPAScalingRules(selectPolicy="Max", policies=[_PERCENT])


# --- columns -------------------------------------------------------------------------------------


def _joined(current: str, target: str, average: bool) -> str:
    return f"{current}/{target} (avg)" if average else f"{current}/{target}"


def _metric(spec: MetricSpec, current: MetricStatus | None) -> str:
    """What a metric is and is to be."""

    def now(source: str, name: str, nothing: str = "<nil>") -> str:
        status = getattr(current, source, None)
        if status is None:
            return "<unknown>"
        value = getattr(status.current, name)
        return nothing if value is None else f"{value}%" if name == "averageUtilization" else str(value)

    for source in ("external", "object"):
        found: Any = getattr(spec, source)
        if spec.type.lower() == source and found is not None:
            target = found.target
            if target.averageValue is not None:
                return _joined(now(source, "averageValue", "<unknown>"), target.averageValue, average=True)
            return _joined(now(source, "value"), target.value or "<nil>", average=False)
    if spec.type == "Pods" and spec.pods is not None:
        return _joined(now("pods", "averageValue"), spec.pods.target.averageValue or "<nil>", average=False)
    for source in ("resource", "containerResource"):
        found = getattr(spec, source)
        if spec.type.lower() == source.lower() and found is not None:
            target = found.target
            if target.averageValue is not None:
                return f"{found.name}: {now(source, 'averageValue')}/{target.averageValue}"
            wanted = "<auto>" if target.averageUtilization is None else f"{target.averageUtilization}%"
            return f"{found.name}: {now(source, 'averageUtilization', '<unknown>')}/{wanted}"
    return "<unknown type>"


def _targets(autoscaler: autoscaling_v2.HorizontalPodAutoscaler, now: datetime) -> str:
    specs, statuses = autoscaler.spec.metrics, autoscaler.status.currentMetrics or []
    if not specs:
        return "<none>"
    shown = [_metric(spec, statuses[i] if i < len(statuses) else None) for i, spec in enumerate(specs)]
    text = ", ".join(shown[:_SHOWN_METRICS])
    return f"{text} + {len(shown) - _SHOWN_METRICS} more..." if len(shown) > _SHOWN_METRICS else text


_COLUMNS: tuple[Column[Any], ...] = (
    NAME,
    Column(
        "Reference",
        lambda a, now: f"{a.spec.scaleTargetRef.kind}/{a.spec.scaleTargetRef.name}",
        description="What is scaled.",
    ),
    Column("Targets", _targets, description="The measures of the load: what they are and what they are to be."),
    Column(
        "MinPods",
        lambda a, now: "<unset>" if a.spec.minReplicas is None else str(a.spec.minReplicas),
        description="The fewest replicas there may be.",
    ),
    Column("MaxPods", lambda a, now: a.spec.maxReplicas, description="The most replicas there may be."),
    Column("Replicas", lambda a, now: a.status.currentReplicas, description="Replicas there are."),
    AGE,
)


# --- autoscaling/v2 ------------------------------------------------------------------------------


@dataclass(frozen=True)
class AutoscalerStatusUpdate(Status):
    """`/status` of autoscalers: what the controller found."""

    def validate_update(self, new: Any, old: Any) -> Iterable[FieldError]:
        return validate_counts(new.status, _COUNTS)


class HorizontalPodAutoscalers(Strategy[autoscaling_v2.HorizontalPodAutoscaler]):
    resource = resource_of(autoscaling_v2.HorizontalPodAutoscaler)
    subresources = (AutoscalerStatusUpdate(),)
    revalidates_metadata = False
    columns = _COLUMNS

    def default(self, obj: autoscaling_v2.HorizontalPodAutoscaler) -> None:
        drop_carried(obj.metadata.annotations)
        spec = obj.spec
        if spec.minReplicas is None:
            spec.minReplicas = 1
        if not spec.metrics:
            spec.metrics = default_metrics()
        if spec.behavior is not None:
            spec.behavior.scaleUp = _default_rules(spec.behavior.scaleUp, _UP)
            spec.behavior.scaleDown = _default_rules(spec.behavior.scaleDown, _DOWN)
        obj.status.currentMetrics = obj.status.currentMetrics or None

    def prepare_for_create(self, new: autoscaling_v2.HorizontalPodAutoscaler, context: Context) -> None:
        new.status = autoscaling_v2.HorizontalPodAutoscalerStatus(desiredReplicas=0)

    def prepare_for_update(
        self,
        new: autoscaling_v2.HorizontalPodAutoscaler,
        old: autoscaling_v2.HorizontalPodAutoscaler,
        context: Context,
    ) -> None:
        new.status = old.status

    def validate(self, new: autoscaling_v2.HorizontalPodAutoscaler) -> Iterator[FieldError]:
        return validate_autoscaler(new, None)

    def validate_changed(
        self, new: autoscaling_v2.HorizontalPodAutoscaler, old: autoscaling_v2.HorizontalPodAutoscaler
    ) -> Iterator[FieldError]:
        return validate_autoscaler(new, old)


# --- autoscaling/v1 ------------------------------------------------------------------------------


def _as_v2(obj: autoscaling_v1.HorizontalPodAutoscaler) -> autoscaling_v2.HorizontalPodAutoscaler:
    return autoscaling_v2.HorizontalPodAutoscaler.from_dict(to_v2(obj.to_dict()))


def _keep_annotations(
    new: autoscaling_v1.HorizontalPodAutoscaler, old: autoscaling_v1.HorizontalPodAutoscaler, names: Iterable[str]
) -> None:
    """Put back the annotations that stand for fields this write may not change."""
    for name in names:
        if name in old.metadata.annotations:
            new.metadata.annotations[name] = old.metadata.annotations[name]
        else:
            new.metadata.annotations.pop(name, None)


@dataclass(frozen=True)
class OldAutoscalerStatusUpdate(AutoscalerStatusUpdate):
    """`/status` in the old form, where annotations are part of spec and status."""

    def prepare_for_update(self, new: Any, old: Any) -> None:
        super().prepare_for_update(new, old)
        _keep_annotations(new, old, (METRICS, BEHAVIOR))


class OldHorizontalPodAutoscalers(Strategy[autoscaling_v1.HorizontalPodAutoscaler]):
    resource = resource_of(autoscaling_v1.HorizontalPodAutoscaler)
    subresources = (OldAutoscalerStatusUpdate(),)
    revalidates_metadata = False
    columns = _COLUMNS

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._rules = HorizontalPodAutoscalers(options)

    def to_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        return autoscaling_v2.HorizontalPodAutoscaler.from_dict(to_v2(document)).to_dict()

    def from_stored(self, document: dict[str, Any]) -> dict[str, Any]:
        return to_v1(document)

    def default(self, obj: autoscaling_v1.HorizontalPodAutoscaler) -> None:
        kept = _as_v2(obj)
        self._rules.default(kept)
        shown = autoscaling_v1.HorizontalPodAutoscaler.from_dict(to_v1(kept.to_dict()))
        obj.metadata.annotations = shown.metadata.annotations
        obj.spec, obj.status = shown.spec, shown.status

    def prepare_for_create(self, new: autoscaling_v1.HorizontalPodAutoscaler, context: Context) -> None:
        new.status = autoscaling_v1.HorizontalPodAutoscalerStatus(currentReplicas=0, desiredReplicas=0)
        for name in (CURRENT_METRICS, CONDITIONS):
            new.metadata.annotations.pop(name, None)

    def cells(self, obj: autoscaling_v1.HorizontalPodAutoscaler, now: datetime) -> list[Any]:
        return self._rules.cells(_as_v2(obj), now)

    def prepare_for_update(
        self,
        new: autoscaling_v1.HorizontalPodAutoscaler,
        old: autoscaling_v1.HorizontalPodAutoscaler,
        context: Context,
    ) -> None:
        new.status = old.status
        _keep_annotations(new, old, (CURRENT_METRICS, CONDITIONS))

    def validate(self, new: autoscaling_v1.HorizontalPodAutoscaler) -> Iterator[FieldError]:
        return validate_autoscaler(_as_v2(new), None)

    def validate_changed(
        self, new: autoscaling_v1.HorizontalPodAutoscaler, old: autoscaling_v1.HorizontalPodAutoscaler
    ) -> Iterator[FieldError]:
        return validate_autoscaler(_as_v2(new), _as_v2(old))
