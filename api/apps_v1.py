"""Workloads that keep pods running (apps/v1)."""

from typing import Annotated

from api.core_v1 import PersistentVolumeClaim, PodTemplateSpec
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import (
    Enum,
    Int32,
    Int64,
    IntOrString,
    ListMap,
    Merge,
    Model,
    NotRequired,
    RawExtension,
    Required,
    ZeroTime,
    null,
    struct,
)


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


class RollingUpdateStatefulSetStrategy(Model):
    """How far a rolling update of a StatefulSet may go.

    maxUnavailable: How many pods fewer than wanted may be available, as a number or a percentage; 1 when unset.
    partition: The ordinal below which pods stay as they are.
    """

    maxUnavailable: IntOrString | None = None
    partition: Int32 | None = None


class StatefulSetUpdateStrategy(Model):
    """How the pods of a StatefulSet get a changed template.

    rollingUpdate: Limits of a rolling update.
    type: RollingUpdate, or OnDelete to wait until somebody deletes them.
    """

    rollingUpdate: RollingUpdateStatefulSetStrategy | None = None
    type: Annotated[str, Enum("OnDelete", "RollingUpdate")] = ""


class StatefulSetPersistentVolumeClaimRetentionPolicy(Model):
    """What becomes of the claims of pods that are no longer wanted.

    whenDeleted: Retain or Delete, when the StatefulSet goes.
    whenScaled: Retain or Delete, when it is scaled down.
    """

    whenDeleted: str = ""
    whenScaled: str = ""


class StatefulSetOrdinals(Model):
    """How the pods are numbered.

    start: The number of the first pod.
    """

    start: Annotated[Int32, NotRequired()]


class StatefulSetSpec(Model):
    """What a StatefulSet is to be.

    minReadySeconds: Seconds a new pod must be ready to count as available.
    ordinals: How the pods are numbered; from 0 when unset.
    persistentVolumeClaimRetentionPolicy: What becomes of the claims of pods that are no longer wanted.
    podManagementPolicy: OrderedReady to start and end pods one by one, or Parallel.
    replicas: How many pods are wanted; 1 when unset.
    revisionHistoryLimit: How many old revisions are kept to roll back to; 10 when unset.
    selector: Labels by which its pods are known; it cannot change.
    serviceName: The headless service that gives the pods their names in DNS.
    template: What pods are made from.
    updateStrategy: How pods get a changed template.
    volumeClaimTemplates: What the claims of each pod are made from.
    """

    minReadySeconds: Int32 = 0
    ordinals: StatefulSetOrdinals | None = None
    persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    podManagementPolicy: Annotated[str, Enum("OrderedReady", "Parallel")] = ""
    replicas: Int32 | None = None
    revisionHistoryLimit: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    serviceName: Annotated[str, NotRequired()]
    template: Annotated[PodTemplateSpec, Required()] = struct()
    updateStrategy: StatefulSetUpdateStrategy = struct()
    volumeClaimTemplates: list[PersistentVolumeClaim] = []


class StatefulSetCondition(Model):
    """One aspect of a StatefulSet's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Which aspect this is about.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class StatefulSetStatus(Model):
    """How far a StatefulSet has come.

    availableReplicas: Pods that have been ready long enough.
    collisionCount: How often the name of a new revision was taken.
    conditions: Its state in several aspects.
    currentReplicas: Pods made from the current revision.
    currentRevision: The revision from which pods below the update's are made.
    observedGeneration: The generation the status was found for.
    readyReplicas: Pods that are ready.
    replicas: Pods there are.
    updateRevision: The revision the pods are being brought to.
    updatedReplicas: Pods made from the update revision.
    """

    availableReplicas: Annotated[Int32, NotRequired()]
    collisionCount: Int32 | None = None
    conditions: Annotated[list[StatefulSetCondition], ListMap("type"), Merge("type")] = []
    currentReplicas: Int32 = 0
    currentRevision: str = ""
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32
    updateRevision: str = ""
    updatedReplicas: Int32 = 0


class StatefulSet(Model):
    """Keeps pods running that have a name and storage of their own each."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: StatefulSetSpec = struct()
    status: StatefulSetStatus = struct()


class RollingUpdateDaemonSet(Model):
    """How far a rolling update of a DaemonSet may go at a time.

    maxSurge: On how many nodes a new pod may start beside the old one, as a number or a percentage; 0 when unset.
    maxUnavailable: On how many nodes the pod may be missing; 1 when unset.
    """

    maxSurge: IntOrString | None = None
    maxUnavailable: IntOrString | None = None


class DaemonSetUpdateStrategy(Model):
    """How the pods of a DaemonSet get a changed template.

    rollingUpdate: Limits of a rolling update.
    type: RollingUpdate, or OnDelete to wait until somebody deletes them.
    """

    rollingUpdate: RollingUpdateDaemonSet | None = None
    type: Annotated[str, Enum("OnDelete", "RollingUpdate")] = ""


class DaemonSetSpec(Model):
    """What a DaemonSet is to be.

    minReadySeconds: Seconds a new pod must be ready to count as available.
    revisionHistoryLimit: How many old revisions are kept to roll back to; 10 when unset.
    selector: Labels by which its pods are known; it cannot change.
    template: What pods are made from.
    updateStrategy: How pods get a changed template.
    """

    minReadySeconds: Int32 = 0
    revisionHistoryLimit: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    template: Annotated[PodTemplateSpec, Required()] = struct()
    updateStrategy: DaemonSetUpdateStrategy = struct()


class DaemonSetCondition(Model):
    """One aspect of a DaemonSet's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Which aspect this is about.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class DaemonSetStatus(Model):
    """How far a DaemonSet has come.

    collisionCount: How often the name of a new revision was taken.
    conditions: Its state in several aspects.
    currentNumberScheduled: Nodes that run the pod and are to.
    desiredNumberScheduled: Nodes that are to run the pod.
    numberAvailable: Nodes whose pod has been ready long enough.
    numberMisscheduled: Nodes that run the pod and are not to.
    numberReady: Nodes whose pod is ready.
    numberUnavailable: Nodes whose pod is missing or not yet available.
    observedGeneration: The generation the status was found for.
    updatedNumberScheduled: Nodes whose pod is of the present template.
    """

    collisionCount: Int32 | None = None
    conditions: Annotated[list[DaemonSetCondition], ListMap("type"), Merge("type")] = []
    currentNumberScheduled: Int32
    desiredNumberScheduled: Int32
    numberAvailable: Int32 = 0
    numberMisscheduled: Int32
    numberReady: Int32
    numberUnavailable: Int32 = 0
    observedGeneration: Int64 = 0
    updatedNumberScheduled: Int32 = 0


class DaemonSet(Model):
    """Keeps one pod running on every node that fits."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: DaemonSetSpec = struct()
    status: DaemonSetStatus = struct()


class ControllerRevision(Model):
    """A former state of a StatefulSet or DaemonSet, to roll back to.

    data: The state, in a form of the controller's own.
    revision: Its number: later states have higher ones.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    data: RawExtension | None = None
    revision: Int64
