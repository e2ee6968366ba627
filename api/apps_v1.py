"""Workloads that keep pods running (apps/v1)."""

from typing import Annotated

from api.core_v1 import PodTemplateSpec
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import Enum, Int32, Int64, IntOrString, ListMap, Merge, Model, Required, ZeroTime, null, struct


class RollingUpdateDeployment(Model):
    """How far a rolling update may go at a time.

    maxSurge: How many pods more than wanted there may be, as a number or a percentage; 25% when unset.
    maxUnavailable: How many pods fewer than wanted may be available; 25% when unset.
    """

    maxSurge: IntOrString | None = None
    maxUnavailable: IntOrString | None = None


class DeploymentStrategy(Model):
    """How old pods are replaced by new ones.

    rollingUpdate: Limits of a rolling update.
    type: RollingUpdate, or Recreate to end all old pods first.
    """

    rollingUpdate: RollingUpdateDeployment | None = None
    type: Annotated[str, Enum("Recreate", "RollingUpdate")] = ""


class DeploymentSpec(Model):
    """What a deployment is to be.

    minReadySeconds: Seconds a new pod must be ready to count as available.
    paused: Whether changes of the template wait.
    progressDeadlineSeconds: Seconds without progress after which a rollout has failed; 600 when unset.
    replicas: How many pods are wanted; 1 when unset.
    revisionHistoryLimit: How many old ReplicaSets are kept to roll back to; 10 when unset.
    selector: Labels by which its pods are known; it cannot change.
    strategy: How old pods are replaced.
    template: What pods are made from.
    """

    minReadySeconds: Int32 = 0
    paused: bool = False
    progressDeadlineSeconds: Int32 | None = None
    replicas: Int32 | None = None
    revisionHistoryLimit: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    strategy: Annotated[DeploymentStrategy, Merge(strategy="retainKeys")] = struct()
    template: Annotated[PodTemplateSpec, Required()] = struct()


class DeploymentCondition(Model):
    """One aspect of a deployment's state.

    lastTransitionTime: When the status last changed.
    lastUpdateTime: When it was last looked at.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Available, Progressing or ReplicaFailure.
    """

    lastTransitionTime: ZeroTime = null()
    lastUpdateTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class DeploymentStatus(Model):
    """How far a deployment has come.

    availableReplicas: Pods that have been ready long enough.
    collisionCount: How often the name of a new ReplicaSet was taken.
    conditions: Its state in several aspects.
    observedGeneration: The generation the status was found for.
    readyReplicas: Pods that are ready.
    replicas: Pods there are.
    terminatingReplicas: Pods that are ending.
    unavailableReplicas: Pods that are still missing.
    updatedReplicas: Pods made from the present template.
    """

    availableReplicas: Int32 = 0
    collisionCount: Int32 | None = None
    conditions: Annotated[list[DeploymentCondition], ListMap("type"), Merge("type")] = []
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32 = 0
    terminatingReplicas: Int32 | None = None
    unavailableReplicas: Int32 = 0
    updatedReplicas: Int32 = 0


class Deployment(Model):
    """Keeps pods running and brings changes to them step by step."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: DeploymentSpec = struct()
    status: DeploymentStatus = struct()


class ReplicaSetSpec(Model):
    """What a ReplicaSet is to be.

    minReadySeconds: Seconds a new pod must be ready to count as available.
    replicas: How many pods are wanted; 1 when unset.
    selector: Labels by which its pods are known; it cannot change.
    template: What pods are made from.
    """

    minReadySeconds: Int32 = 0
    replicas: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    template: PodTemplateSpec = struct()


class ReplicaSetCondition(Model):
    """One aspect of a ReplicaSet's state.

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


class ReplicaSetStatus(Model):
    """How far a ReplicaSet has come.

    availableReplicas: Pods that have been ready long enough.
    conditions: Its state in several aspects.
    fullyLabeledReplicas: Pods that have all labels of the template.
    observedGeneration: The generation the status was found for.
    readyReplicas: Pods that are ready.
    replicas: Pods there are.
    terminatingReplicas: Pods that are ending.
    """

    availableReplicas: Int32 = 0
    conditions: Annotated[list[ReplicaSetCondition], ListMap("type"), Merge("type")] = []
    fullyLabeledReplicas: Int32 = 0
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32
    terminatingReplicas: Int32 | None = None


class ReplicaSet(Model):
    """Keeps a number of equal pods running."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ReplicaSetSpec = struct()
    status: ReplicaSetStatus = struct()
