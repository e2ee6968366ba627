"""Autoscalers (autoscaling/v2)."""

from typing import Annotated

from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import (
    AlwaysPresent,
    Int32,
    Int64,
    ListMap,
    Merge,
    Model,
    Quantity,
    Required,
    Time,
    ZeroTime,
    null,
    struct,
)


class CrossVersionObjectReference(Model):
    """An object of the same namespace, of whatever API version.

    apiVersion: The API version of the kind.
    kind: The object's kind.
    name: The object's name.
    """

    apiVersion: str = ""
    kind: str
    name: str


class MetricIdentifier(Model):
    """Which metric is meant.

    name: The metric's name.
    selector: Labels that narrow it down.
    """

    name: str
    selector: LabelSelector | None = None


class MetricTarget(Model):
    """What a metric is to be.

    averageUtilization: The share of what pods request, in percent, on average.
    averageValue: The value per pod, on average.
    type: Utilization, Value or AverageValue.
    value: The value.
    """

    averageUtilization: Int32 | None = None
    averageValue: Quantity | None = None
    type: str
    value: Quantity | None = None


class MetricValueStatus(Model):
    """What a metric is.

    averageUtilization: The share of what pods request, in percent, on average.
    averageValue: The value per pod, on average.
    value: The value.
    """

    averageUtilization: Int32 | None = None
    averageValue: Quantity | None = None
    value: Quantity | None = None


class ContainerResourceMetricSource(Model):
    """The use of a resource by one container of each pod.

    container: The container's name.
    name: The resource.
    target: What it is to be.
    """

    container: str
    name: str
    target: Annotated[MetricTarget, Required()] = struct()


class ContainerResourceMetricStatus(Model):
    """The use of a resource by one container of each pod, as it is.

    container: The container's name.
    current: What it is.
    name: The resource.
    """

    container: str
    current: Annotated[MetricValueStatus, Required()] = struct()
    name: str


class ExternalMetricSource(Model):
    """A metric of something outside the cluster.

    metric: Which metric.
    target: What it is to be.
    """

    metric: Annotated[MetricIdentifier, Required()] = struct()
    target: Annotated[MetricTarget, Required()] = struct()


class ExternalMetricStatus(Model):
    """A metric of something outside the cluster, as it is.

    current: What it is.
    metric: Which metric.
    """

    current: Annotated[MetricValueStatus, Required()] = struct()
    metric: Annotated[MetricIdentifier, Required()] = struct()


class ObjectMetricSource(Model):
    """A metric of one object of the cluster.

    describedObject: The object.
    metric: Which metric.
    target: What it is to be.
    """

    describedObject: Annotated[CrossVersionObjectReference, Required()] = struct()
    metric: Annotated[MetricIdentifier, Required()] = struct()
    target: Annotated[MetricTarget, Required()] = struct()


class ObjectMetricStatus(Model):
    """A metric of one object of the cluster, as it is.

    current: What it is.
    describedObject: The object.
    metric: Which metric.
    """

    current: Annotated[MetricValueStatus, Required()] = struct()
    describedObject: Annotated[CrossVersionObjectReference, Required()] = struct()
    metric: Annotated[MetricIdentifier, Required()] = struct()


class PodsMetricSource(Model):
    """A metric that each pod has.

    metric: Which metric.
    target: What it is to be on average.
    """

    metric: Annotated[MetricIdentifier, Required()] = struct()
    target: Annotated[MetricTarget, Required()] = struct()


class PodsMetricStatus(Model):
    """A metric that each pod has, as it is.

    current: What it is on average.
    metric: Which metric.
    """

    current: Annotated[MetricValueStatus, Required()] = struct()
    metric: Annotated[MetricIdentifier, Required()] = struct()


class ResourceMetricSource(Model):
    """The use of a resource by the pods.

    name: The resource.
    target: What it is to be.
    """

    name: str
    target: Annotated[MetricTarget, Required()] = struct()


class ResourceMetricStatus(Model):
    """The use of a resource by the pods, as it is.

    current: What it is.
    name: The resource.
    """

    current: Annotated[MetricValueStatus, Required()] = struct()
    name: str


class MetricSpec(Model):
    """One measure of the load; of the sources only the one that `type` names is set.

    containerResource: The use of a resource by one container of each pod.
    external: A metric of something outside the cluster.
    object: A metric of one object of the cluster.
    pods: A metric that each pod has.
    resource: The use of a resource by the pods.
    type: ContainerResource, External, Object, Pods or Resource.
    """

    containerResource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    type: str


class MetricStatus(Model):
    """One measure of the load, as it is; of the sources only the one that `type` names is set.

    containerResource: The use of a resource by one container of each pod.
    external: A metric of something outside the cluster.
    object: A metric of one object of the cluster.
    pods: A metric that each pod has.
    resource: The use of a resource by the pods.
    type: ContainerResource, External, Object, Pods or Resource.
    """

    containerResource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    type: str


class HPAScalingPolicy(Model):
    """How many replicas may come or go in a time.

    periodSeconds: The time, 1800 seconds at most.
    type: Pods for a number, or Percent.
    value: How many.
    """

    periodSeconds: Int32
    type: str
    value: Int32


class HPAScalingRules(Model):
    """How fast an autoscaler scales in one direction.

    policies: How many replicas may come or go in a time.
    selectPolicy: Which policy holds: Max for the one that changes most, Min, or Disabled to scale not at all.
    stabilizationWindowSeconds: Seconds over which the best of the recommendations is taken, 3600 at most.
    tolerance: How far a metric may be off before anything happens, as a fraction.
    """

    policies: list[HPAScalingPolicy] = []
    selectPolicy: str | None = None
    stabilizationWindowSeconds: Int32 | None = None
    tolerance: Quantity | None = None


class HorizontalPodAutoscalerBehavior(Model):
    """How fast an autoscaler scales.

    scaleDown: How fast it takes replicas away.
    scaleUp: How fast it adds replicas.
    """

    scaleDown: HPAScalingRules | None = None
    scaleUp: HPAScalingRules | None = None


class HorizontalPodAutoscalerSpec(Model):
    """How a workload follows its load.

    behavior: How fast.
    maxReplicas: The most replicas there may be.
    metrics: What the load is measured by; the one that wants most replicas decides. 80% of the CPU when unset.
    minReplicas: The fewest replicas there may be; 1 when unset.
    scaleTargetRef: What is scaled.
    """

    behavior: HorizontalPodAutoscalerBehavior | None = None
    maxReplicas: Int32
    metrics: list[MetricSpec] = []
    minReplicas: Int32 | None = None
    scaleTargetRef: Annotated[CrossVersionObjectReference, Required()] = struct()


class HorizontalPodAutoscalerCondition(Model):
    """One aspect of an autoscaler's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: AbleToScale, ScalingActive or ScalingLimited.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class HorizontalPodAutoscalerStatus(Model):
    """What an autoscaler sees and wants.

    conditions: Its state in several aspects.
    currentMetrics: The measures of the load, as they are.
    currentReplicas: Replicas there are.
    desiredReplicas: Replicas there should be.
    lastScaleTime: When it last changed their number.
    observedGeneration: The generation the status was found for.
    """

    conditions: Annotated[list[HorizontalPodAutoscalerCondition], ListMap("type"), Merge("type")] = []
    currentMetrics: Annotated[list[MetricStatus] | None, AlwaysPresent()] = null()
    currentReplicas: Int32 = 0
    desiredReplicas: Int32
    lastScaleTime: Time | None = None
    observedGeneration: Int64 | None = None


class HorizontalPodAutoscaler(Model):
    """Scales a workload with its load."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[HorizontalPodAutoscalerSpec, Required()] = struct()
    status: HorizontalPodAutoscalerStatus = struct()
