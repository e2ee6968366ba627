"""The rules for autoscalers, told in the fields of autoscaling/v2.

https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/autoscaling/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Iterator

from api.autoscaling_v2 import (
    ContainerResourceMetricSource,
    CrossVersionObjectReference,
    ExternalMetricSource,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    ObjectMetricSource,
    PodsMetricSource,
    ResourceMetricSource,
)
from api.errors import FieldError, forbidden, invalid_value, not_supported, required
from api.quantity import parse
from apiserver.registry import names
from apiserver.registry.resource_validation import container_resource_complaints

_TARGET_TYPES = ("Utilization", "Value", "AverageValue")
_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_POLICY_TYPES = ("Percent", "Pods")
_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800
_ONE_OF_BOTH = "may not set both a target raw value and a target utilization"
_EITHER = "must set either a target raw value or a target utilization"


def validate_autoscaler(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | None) -> Iterator[FieldError]:
    """Complaints about an autoscaler; what was wrong in `old` may stay in references."""
    spec, before = new.spec, None if old is None else old.spec
    # Scaling to nothing is behind a feature gate, and whoever could once do so still can.
    fewest = 0 if before is not None and before.minReplicas == 0 else 1
    if spec.minReplicas is not None and spec.minReplicas < fewest:
        yield invalid_value("spec.minReplicas", spec.minReplicas, f"must be greater than or equal to {fewest}")
    if spec.maxReplicas == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif spec.maxReplicas < 0:
        yield invalid_value("spec.maxReplicas", spec.maxReplicas, "must be greater than 0")
    if spec.minReplicas is not None and spec.maxReplicas < spec.minReplicas:
        yield invalid_value("spec.maxReplicas", spec.maxReplicas, "must be greater than or equal to `minReplicas`")
    yield from _validate_reference(spec.scaleTargetRef, "spec.scaleTargetRef")
    if before is None or not _same_kind(spec.scaleTargetRef, before.scaleTargetRef):
        yield from _validate_group(
            spec.scaleTargetRef, "spec.scaleTargetRef", grouped=spec.scaleTargetRef.kind != "ReplicationController"
        )
    lenient = before is not None and any(_broken_group(metric) for metric in before.metrics)
    for i, metric in enumerate(spec.metrics):
        yield from _validate_metric(metric, f"spec.metrics[{i}]", lenient)
    if spec.minReplicas == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        yield forbidden(
            "spec.metrics", "must specify at least one Object or External metric to support scaling to zero replicas"
        )
    yield from _validate_behavior(spec)


def _same_kind(one: CrossVersionObjectReference, other: CrossVersionObjectReference) -> bool:
    return (one.apiVersion, one.kind) == (other.apiVersion, other.kind)


def _validate_reference(reference: CrossVersionObjectReference, path: str) -> Iterator[FieldError]:
    for name in ("kind", "name"):
        value = getattr(reference, name)
        if not value:
            yield required(f"{path}.{name}")
        for complaint in names.path_segment(value):
            yield invalid_value(f"{path}.{name}", value, complaint)


def _validate_group(reference: CrossVersionObjectReference, path: str, *, grouped: bool) -> Iterator[FieldError]:
    group, slash, version = reference.apiVersion.partition("/")
    if "/" in version:
        detail = f"unexpected GroupVersion string: {reference.apiVersion}"
        yield invalid_value(f"{path}.apiVersion", reference.apiVersion, detail)
    elif grouped and not (slash and group):
        yield invalid_value(f"{path}.apiVersion", reference.apiVersion, "apiVersion must specify API group")


def _broken_group(metric: MetricSpec) -> bool:
    return metric.object is not None and any(
        True for _ in _validate_group(metric.object.describedObject, "", grouped=False)
    )


# --- metrics -------------------------------------------------------------------------------------


def _validate_metric(metric: MetricSpec, path: str, lenient: bool) -> Iterator[FieldError]:
    if not metric.type:
        yield required(f"{path}.type", "must specify a metric source type")
    elif metric.type not in _SOURCES:
        yield not_supported(f"{path}.type", metric.type, _SOURCES)
    present = [name for name in _SOURCES.values() if getattr(metric, name) is not None]
    if metric.object is not None:
        yield from _validate_object(metric.object, f"{path}.object", lenient)
    if metric.external is not None and present[0] == "external":
        yield from _validate_external(metric.external, f"{path}.external")
    if metric.pods is not None and present[0] == "pods":
        yield from _validate_pods(metric.pods, f"{path}.pods")
    if metric.resource is not None and present[0] == "resource":
        yield from _validate_resource(metric.resource, f"{path}.resource")
    if metric.containerResource is not None and present[0] == "containerResource":
        yield from _validate_container_resource(metric.containerResource, f"{path}.containerResource")
    expected = _SOURCES.get(metric.type)
    if expected is None:
        yield not_supported(f"{path}.type", metric.type, _SOURCES)
        return
    if expected not in present:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) > 1:
        for name in present:
            if name != expected:
                yield forbidden(f"{path}.{name}", "must populate the given metric source only")


def _validate_object(source: ObjectMetricSource, path: str, lenient: bool) -> Iterator[FieldError]:
    yield from _validate_reference(source.describedObject, f"{path}.describedObject")
    if not lenient:
        yield from _validate_group(source.describedObject, f"{path}.describedObject", grouped=False)
    yield from _validate_identifier(source.metric, f"{path}.metric")
    yield from _validate_target(source.target, f"{path}.target")
    if source.target.value is None and source.target.averageValue is None:
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _validate_external(source: ExternalMetricSource, path: str) -> Iterator[FieldError]:
    target = source.target
    yield from _validate_identifier(source.metric, f"{path}.metric")
    yield from _validate_target(target, f"{path}.target")
    if target.value is None and target.averageValue is None:
        detail = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", detail)
    if target.value is not None and target.averageValue is not None:
        yield forbidden(f"{path}.target.value", "may not set both a target value for metric and a per-pod target")


def _validate_pods(source: PodsMetricSource, path: str) -> Iterator[FieldError]:
    yield from _validate_identifier(source.metric, f"{path}.metric")
    yield from _validate_target(source.target, f"{path}.target")
    if source.target.averageValue is None or not _is_positive(source.target.averageValue):
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _validate_resource(source: ResourceMetricSource, path: str) -> Iterator[FieldError]:
    if not source.name:
        yield required(f"{path}.name", "must specify a resource name")
    yield from _validate_resource_target(source.target, f"{path}.target")


def _validate_container_resource(source: ContainerResourceMetricSource, path: str) -> Iterator[FieldError]:
    if not source.name:
        yield required(f"{path}.name", "must specify a resource name")
    else:
        for complaint in container_resource_complaints(source.name):
            yield invalid_value(f"{path}.name", source.name, complaint)
    if not source.container:
        yield required(f"{path}.container", "must specify a container")
    else:
        for complaint in names.label(source.container):
            yield invalid_value(f"{path}.container", source.container, complaint)
    yield from _validate_resource_target(source.target, f"{path}.target")


def _validate_resource_target(target: MetricTarget, path: str) -> Iterator[FieldError]:
    yield from _validate_target(target, path)
    if target.averageUtilization is None and target.averageValue is None:
        yield required(f"{path}.averageUtilization", _EITHER)
    if target.averageUtilization is not None and target.averageValue is not None:
        yield forbidden(f"{path}.averageValue", _ONE_OF_BOTH)


def _validate_target(target: MetricTarget, path: str) -> Iterator[FieldError]:
    if not target.type:
        yield required(f"{path}.type", "must specify a metric target type")
    if target.type not in _TARGET_TYPES:
        yield invalid_value(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        amount = getattr(target, name)
        if amount is not None and not _is_positive(amount):
            yield invalid_value(f"{path}.{name}", amount, "must be positive")
    if target.averageUtilization is not None and target.averageUtilization < 1:
        yield invalid_value(f"{path}.averageUtilization", target.averageUtilization, "must be greater than 0")


def _validate_identifier(metric: MetricIdentifier, path: str) -> Iterator[FieldError]:
    if not metric.name:
        yield required(f"{path}.name", "must specify a metric name")
    for complaint in names.path_segment(metric.name):
        yield invalid_value(f"{path}.name", metric.name, complaint)


def _is_positive(amount: str) -> bool:
    return parse(amount) > 0


# --- behavior ------------------------------------------------------------------------------------


def _validate_behavior(spec: HorizontalPodAutoscalerSpec) -> Iterator[FieldError]:
    if spec.behavior is not None:
        for name in ("scaleUp", "scaleDown"):
            rules = getattr(spec.behavior, name)
            if rules is not None:
                yield from _validate_rules(rules, f"spec.behavior.{name}")


def _validate_rules(rules: HPAScalingRules, path: str) -> Iterator[FieldError]:
    window = rules.stabilizationWindowSeconds
    if window is not None and window < 0:
        yield invalid_value(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield invalid_value(f"{path}.stabilizationWindowSeconds", window, detail)
    if rules.selectPolicy is not None and rules.selectPolicy not in _SELECT_POLICIES:
        yield not_supported(f"{path}.selectPolicy", rules.selectPolicy, _SELECT_POLICIES)
    if not rules.policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for i, policy in enumerate(rules.policies):
        yield from _validate_policy(policy, f"{path}.policies[{i}]")
    if rules.tolerance is not None and parse(rules.tolerance) < 0:
        yield invalid_value(f"{path}.tolerance", rules.tolerance, "must be greater than or equal to 0")


def _validate_policy(policy: HPAScalingPolicy, path: str) -> Iterator[FieldError]:
    if policy.type not in _POLICY_TYPES:
        yield not_supported(f"{path}.type", policy.type, _POLICY_TYPES)
    if policy.value <= 0:
        yield invalid_value(f"{path}.value", policy.value, "must be greater than zero")
    if policy.periodSeconds <= 0:
        yield invalid_value(f"{path}.periodSeconds", policy.periodSeconds, "must be greater than zero")
    if policy.periodSeconds > _LONGEST_PERIOD:
        detail = f"must be less than or equal to {_LONGEST_PERIOD}"
        yield invalid_value(f"{path}.periodSeconds", policy.periodSeconds, detail)
