"""ReplicationControllers, the older form of ReplicaSets, and templates of pods."""

from __future__ import annotations

from typing import Annotated

from api.core_v1.pods import PodTemplateSpec
from api.meta_v1 import ObjectMeta
from api.model import Atomic, Default, Int32, Int64, ListMap, Merge, Model, ZeroTime, null, struct


class ReplicationControllerSpec(Model):
    """What a ReplicationController is to be.

    minReadySeconds: Seconds a new pod must be ready to count as available.
    replicas: How many pods are wanted; 1 when unset.
    selector: Labels by which its pods are known; those of the template when unset.
    template: What pods are made from.
    """

    minReadySeconds: Annotated[Int32, Default(0)] = 0
    replicas: Annotated[Int32 | None, Default(1)] = None
    selector: Annotated[dict[str, str], Atomic()] = {}
    template: PodTemplateSpec | None = None


class ReplicationControllerCondition(Model):
    """One aspect of a ReplicationController's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: ReplicaFailure.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class ReplicationControllerStatus(Model):
    """How far a ReplicationController has come.

    availableReplicas: Pods that have been ready long enough.
    conditions: Its state in several aspects.
    fullyLabeledReplicas: Pods that have all labels of the template.
    observedGeneration: The generation the status was found for.
    readyReplicas: Pods that are ready.
    replicas: Pods there are.
    """

    availableReplicas: Int32 = 0
    conditions: Annotated[list[ReplicationControllerCondition], ListMap("type"), Merge("type")] = []
    fullyLabeledReplicas: Int32 = 0
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32


class ReplicationController(Model):
    """Keeps a number of equal pods running; Deployments do more."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ReplicationControllerSpec = struct()
    status: ReplicationControllerStatus = struct()


class PodTemplate(Model):
    """What pods can be made from, as an object of its own.

    template: The pods' metadata and spec.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    template: PodTemplateSpec = struct()
