"""How much a workload may be disturbed (policy/v1)."""

from typing import Annotated

from api.meta_v1 import Condition, DeleteOptions, LabelSelector, ObjectMeta
from api.model import Enum, Int32, Int64, IntOrString, ListMap, Merge, Model, NotRequired, Time, struct


class Eviction(Model):
    """Asks a pod to leave its node, if its disruption budget allows.

    metadata: The pod's name and namespace.
    deleteOptions: How the pod is deleted.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    deleteOptions: DeleteOptions | None = None


class PodDisruptionBudgetSpec(Model):
    """How many pods of a workload must stay.

    maxUnavailable: How many pods may be missing after an eviction, as a number or a percentage.
    minAvailable: How many pods must be there after an eviction; only one of the two can be set.
    selector: The pods; an empty selector means all of the namespace, none means no pods.
    unhealthyPodEvictionPolicy: Whether pods that run and are not ready may go: IfHealthyBudget or AlwaysAllow.
    """

    maxUnavailable: IntOrString | None = None
    minAvailable: IntOrString | None = None
    selector: Annotated[LabelSelector | None, Merge(strategy="replace")] = None
    unhealthyPodEvictionPolicy: Annotated[str | None, Enum("AlwaysAllow", "IfHealthyBudget")] = None


class PodDisruptionBudgetStatus(Model):
    """How much disturbance is possible now.

    conditions: DisruptionAllowed, and why.
    currentHealthy: Pods that are healthy.
    desiredHealthy: Pods that must be healthy.
    disruptedPods: Pods whose eviction was allowed and that are not gone yet, with the time of it.
    disruptionsAllowed: How many pods may be evicted now.
    expectedPods: Pods there should be.
    observedGeneration: The generation the status was found for.
    """

    conditions: Annotated[list[Condition], ListMap("type"), Merge("type")] = []
    currentHealthy: Annotated[Int32, NotRequired()]
    desiredHealthy: Annotated[Int32, NotRequired()]
    disruptedPods: dict[str, Time] = {}
    disruptionsAllowed: Annotated[Int32, NotRequired()]
    expectedPods: Annotated[Int32, NotRequired()]
    observedGeneration: Int64 = 0


class PodDisruptionBudget(Model):
    """Limits how many pods of a workload can be evicted at a time."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PodDisruptionBudgetSpec = struct()
    status: PodDisruptionBudgetStatus = struct()
