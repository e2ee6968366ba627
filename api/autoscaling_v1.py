"""The scale of anything that has replicas, and autoscalers in their older form (autoscaling/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Default, Int32, Int64, Model, Required, Time, atomic, struct


class ScaleSpec(Model):
    """How many replicas are wanted.

    replicas: The number.
    """

    replicas: Annotated[Int32, Default(0)] = 0


class ScaleStatus(Model):
    """How many replicas there are.

    replicas: The number.
    selector: The label selector of the pods, as text.
    """

    replicas: Int32
    selector: str = ""


class Scale(Model):
    """The number of replicas of anything that has one."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ScaleSpec = struct()
    status: ScaleStatus = struct()


@atomic
class CrossVersionObjectReference(Model):
    """An object of the same namespace, of whatever API version.

    apiVersion: The API version of the kind.
    kind: The object's kind.
    name: The object's name.
    """

    apiVersion: str = ""
    kind: str
    name: str


class HorizontalPodAutoscalerSpec(Model):
    """How a workload follows its load.

    maxReplicas: The most replicas there may be.
    minReplicas: The fewest replicas there may be; 1 when unset.
    scaleTargetRef: What is scaled.
    targetCPUUtilizationPercentage: The share of the requested CPU that the pods are to use on average.
    """

    maxReplicas: Int32
    minReplicas: Int32 | None = None
    scaleTargetRef: Annotated[CrossVersionObjectReference, Required()] = struct()
    targetCPUUtilizationPercentage: Int32 | None = None


class HorizontalPodAutoscalerStatus(Model):
    """What an autoscaler sees and wants.

    currentCPUUtilizationPercentage: The share of the requested CPU that the pods use on average.
    currentReplicas: Replicas there are.
    desiredReplicas: Replicas there should be.
    lastScaleTime: When it last changed their number.
    observedGeneration: The generation the status was found for.
    """

    currentCPUUtilizationPercentage: Int32 | None = None
    currentReplicas: Int32
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
