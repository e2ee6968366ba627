"""Autoscalers in their two forms: how autoscaling/v1 shows what is kept as autoscaling/v2.

The old form knows one measure, the share of the requested CPU.  Whatever else an autoscaler has it carries in
annotations, as JSON, so that a client of the old form can read an object and write it back without loss.
https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/autoscaling/v1/conversion.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from api.autoscaling_v2 import HorizontalPodAutoscaler, MetricSpec, ResourceMetricSource

Document = dict[str, Any]

METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR = CARRIED = tuple(
    f"autoscaling.alpha.kubernetes.io/{name}" for name in ("metrics", "current-metrics", "conditions", "behavior")
)
"""The annotations of the old form that stand for fields of the new one."""
_DROPPED = (
    *CARRIED,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
)
_CPU_SHARE = 80
"""Percent of the requested CPU that an autoscaler aims at when it is told nothing."""

_RESOURCE_SOURCE = (
    ("name", "name"),
    ("targetAverageUtilization", "target.averageUtilization"),
    ("targetAverageValue", "target.averageValue"),
)
_RESOURCE_STATUS = (
    ("name", "name"),
    ("currentAverageUtilization", "current.averageUtilization"),
    ("currentAverageValue", "current.averageValue"),
)
_SOURCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "object": (
        ("target", "describedObject"),
        ("metricName", "metric.name"),
        ("targetValue", "target.value"),
        ("selector", "metric.selector"),
        ("averageValue", "target.averageValue"),
    ),
    "pods": (
        ("metricName", "metric.name"),
        ("targetAverageValue", "target.averageValue"),
        ("selector", "metric.selector"),
    ),
    "resource": _RESOURCE_SOURCE,
    "containerResource": (*_RESOURCE_SOURCE, ("container", "container")),
    "external": (
        ("metricName", "metric.name"),
        ("metricSelector", "metric.selector"),
        ("targetValue", "target.value"),
        ("targetAverageValue", "target.averageValue"),
    ),
}
"""What the members of a metric are called in the old form, and where they are in the new one."""
_STATUSES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "object": (
        ("target", "describedObject"),
        ("metricName", "metric.name"),
        ("currentValue", "current.value"),
        ("selector", "metric.selector"),
        ("averageValue", "current.averageValue"),
    ),
    "pods": (
        ("metricName", "metric.name"),
        ("currentAverageValue", "current.averageValue"),
        ("selector", "metric.selector"),
    ),
    "resource": _RESOURCE_STATUS,
    "containerResource": (*_RESOURCE_STATUS, ("container", "container")),
    "external": (
        ("metricName", "metric.name"),
        ("metricSelector", "metric.selector"),
        ("currentValue", "current.value"),
        ("currentAverageValue", "current.averageValue"),
    ),
}
_NEVER_UNSET: Mapping[str, frozenset[str]] = {
    "object": frozenset({"targetValue", "currentValue"}),
    "pods": frozenset({"targetAverageValue", "currentAverageValue"}),
    "resource": frozenset({"currentAverageValue"}),
    "containerResource": frozenset({"currentAverageValue"}),
    "external": frozenset({"currentValue"}),
}
"""Amounts of the old form that are 0 when there is none."""
_RULES = (
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
)
_POLICY = (("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds"))


def default_metrics() -> list[MetricSpec]:
    """What an autoscaler looks at that is told nothing."""
    target = {"type": "Utilization", "averageUtilization": _CPU_SHARE}
    return [MetricSpec(type="Resource", resource=ResourceMetricSource.from_dict({"name": "cpu", "target": target}))]


def drop_carried(annotations: dict[str, str]) -> None:
    """Take away the annotations that only the old form has."""
    for name in _DROPPED:
        annotations.pop(name, None)


# --- to the old form -----------------------------------------------------------------------------


def to_v1(document: Document) -> Document:
    """An autoscaler of autoscaling/v2, which is used up, as autoscaling/v1 shows it; both as JSON."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    metadata = document["metadata"]
    annotations: dict[str, str] = dict(metadata.get("annotations") or {})
    drop_carried(annotations)
    metrics = spec.pop("metrics", None) or []
    share = next((metric for metric in metrics if _is_cpu(metric)), None)
    others = [metric for metric in metrics if not _is_cpu(metric)]
    current = status.pop("currentMetrics", None) or []
    if others:
        annotations[METRICS] = _json([_metric_to_v1(metric, _SOURCES) for metric in others])
    if current:
        annotations[CURRENT_METRICS] = _json([_metric_to_v1(metric, _STATUSES) for metric in current])
    if conditions := status.pop("conditions", None):
        names = ("type", "status", "lastTransitionTime", "reason", "message")
        shown = [
            {name: one.get(name) for name in names if one.get(name) or name not in names[3:]} for one in conditions
        ]
        annotations[CONDITIONS] = _json(shown)
    if behavior := spec.pop("behavior", None):
        annotations[BEHAVIOR] = _json(
            {"ScaleUp": _rules_to_v1(behavior.get("scaleUp")), "ScaleDown": _rules_to_v1(behavior.get("scaleDown"))}
        )
    if share is not None and (target := _at(share, "resource.target.averageUtilization")) is not None:
        spec["targetCPUUtilizationPercentage"] = target
    for metric in current:
        if _is_cpu(metric) and (found := _at(metric, "resource.current.averageUtilization")) is not None:
            status["currentCPUUtilizationPercentage"] = found
    status.setdefault("currentReplicas", 0)
    return {**document, "metadata": _annotated(metadata, annotations), "spec": spec, "status": status}


def _is_cpu(metric: Document) -> bool:
    """Whether the old form has a field for it."""
    return metric.get("type") == "Resource" and _at(metric, "resource.name") == "cpu" and _has_share(metric)


def _has_share(metric: Document) -> bool:
    return any(
        _at(metric, path) is not None
        for path in ("resource.target.averageUtilization", "resource.current.averageUtilization")
    )


def _metric_to_v1(metric: Document, members: Mapping[str, tuple[tuple[str, str], ...]]) -> Document:
    result: Document = {"type": metric.get("type", "")}
    for source, names in members.items():
        found = metric.get(source)
        if found is None:
            continue
        old = result[source] = {}
        for name, path in names:
            value = _at(found, path)
            if value is None and name in _NEVER_UNSET[source]:
                value = "0"
            if value is not None:
                old[name] = value
    return result


def _rules_to_v1(rules: Document | None) -> Document | None:
    if rules is None:
        return None
    result = {old: rules.get(new) for old, new in _RULES}
    if (policies := rules.get("policies")) is not None:
        result["Policies"] = [{old: policy.get(new) for old, new in _POLICY} for policy in policies]
    return result


# --- to the new form -----------------------------------------------------------------------------


def to_v2(document: Document) -> Document:
    """An autoscaler of autoscaling/v1, which is used up, as it is kept; both as JSON.

    An annotation that is no JSON of its kind is as good as none.
    """
    spec, status = dict(document.get("spec") or {}), dict(document.get("status") or {})
    metadata = document["metadata"]
    annotations: dict[str, str] = dict(metadata.get("annotations") or {})
    metrics = _carried(annotations, METRICS, _sources_from_v1, "spec", "metrics")
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics = [*(metrics or []), {"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if not metrics:
        metrics = [metric.to_dict() for metric in default_metrics()]
    spec["metrics"] = metrics
    current_share = status.pop("currentCPUUtilizationPercentage", None)
    current = _carried(annotations, CURRENT_METRICS, _statuses_from_v1, "status", "currentMetrics")
    if current is None and current_share is not None:
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current_share}}}]
    status["currentMetrics"] = current
    if conditions := _carried(annotations, CONDITIONS, list, "status", "conditions"):
        status["conditions"] = conditions
    if behavior := _carried(annotations, BEHAVIOR, _behavior_from_v1, "spec", "behavior"):
        spec["behavior"] = behavior
    drop_carried(annotations)
    return {**document, "metadata": _annotated(metadata, annotations), "spec": spec, "status": status}


def _carried(annotations: Mapping[str, str], name: str, read: Callable[[Any], Any], part: str, member: str) -> Any:
    """The member of an autoscaler's spec or status that an annotation stands for, as JSON; None for none."""
    text = annotations.get(name)
    if not text:
        return None
    try:
        document: Document = {part: {member: read(orjson.loads(text))}}
        return HorizontalPodAutoscaler.from_dict(document).to_dict()[part].get(member)
    except (ValidationError, ValueError, TypeError, AttributeError, KeyError):
        return None


def _sources_from_v1(metrics: list[Document]) -> list[Document]:
    return [_target_types(_metric_from_v1(metric, _SOURCES)) for metric in metrics]


def _statuses_from_v1(metrics: list[Document]) -> list[Document]:
    return [_metric_from_v1(metric, _STATUSES) for metric in metrics]


def _metric_from_v1(metric: Document, members: Mapping[str, tuple[tuple[str, str], ...]]) -> Document:
    result: Document = {"type": metric.get("type", "")}
    for source, names in members.items():
        if (old := metric.get(source)) is None:
            continue
        new: Document = {}
        for name, path in names:
            value = old.get(name)
            if value is None and name in _NEVER_UNSET[source]:
                value = "0"
            if value is not None:
                _put(new, path, value)
        result[source] = new
    return result


def _target_types(metric: Document) -> Document:
    """The old form does not say what type a target is: it shows in which of its values is set."""
    for source, members in metric.items():
        if source == "type":
            continue
        target = members.setdefault("target", {})
        if source in ("resource", "containerResource") and "averageUtilization" in target:
            target["type"] = "Utilization"
        elif (source == "object" and "averageValue" not in target) or (source == "external" and "value" in target):
            target["type"] = "Value"
        else:
            target["type"] = "AverageValue"
    return metric


def _behavior_from_v1(behavior: Document) -> Document:
    found = _lower(behavior)
    return {name: _rules_from_v1(found.get(name.lower())) for name in ("scaleUp", "scaleDown")}


def _rules_from_v1(rules: Document | None) -> Document | None:
    if rules is None:
        return None
    found = _lower(rules)
    result = {new: found[new.lower()] for _, new in _RULES if found.get(new.lower()) is not None}
    if "policies" in result:
        lowered = [_lower(policy) for policy in result["policies"]]
        result["policies"] = [{new: policy.get(new.lower()) for _, new in _POLICY} for policy in lowered]
    return result


def _lower(document: Document) -> Document:
    return {name.lower(): value for name, value in document.items()}


# --- both ----------------------------------------------------------------------------------------


def _at(document: Document, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = (found or {}).get(name)
    return found


def _put(document: Document, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
    document[last] = value


def _annotated(metadata: Document, annotations: dict[str, str]) -> Document:
    result = {name: value for name, value in metadata.items() if name != "annotations"}
    return {**result, "annotations": annotations} if annotations else result


def _json(value: list[Document] | Document) -> str:
    return orjson.dumps(value).decode()
