"""Workloads that keep pods running (apps/v1)."""

from typing import Annotated

from api.core_v1 import PodTemplateSpec
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import Enum, Int32, Int64, IntOrString, ListMap, Merge, Model, Required, ZeroTime, null, struct


class RollingUpdateDeployment(Model):
    maxSurge: IntOrString | None = None
    maxUnavailable: IntOrString | None = None


class DeploymentStrategy(Model):
    rollingUpdate: RollingUpdateDeployment | None = None
    type: Annotated[str, Enum("Recreate", "RollingUpdate")] = ""


class DeploymentSpec(Model):
    minReadySeconds: Int32 = 0
    paused: bool = False
    progressDeadlineSeconds: Int32 | None = None
    replicas: Int32 | None = None
    revisionHistoryLimit: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    strategy: Annotated[DeploymentStrategy, Merge(strategy="retainKeys")] = struct()
    template: Annotated[PodTemplateSpec, Required()] = struct()


class DeploymentCondition(Model):
    lastTransitionTime: ZeroTime = null()
    lastUpdateTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class DeploymentStatus(Model):
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
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: DeploymentSpec = struct()
    status: DeploymentStatus = struct()


class ReplicaSetSpec(Model):
    minReadySeconds: Int32 = 0
    replicas: Int32 | None = None
    selector: Annotated[LabelSelector | None, Required()] = None
    template: PodTemplateSpec = struct()


class ReplicaSetCondition(Model):
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class ReplicaSetStatus(Model):
    availableReplicas: Int32 = 0
    conditions: Annotated[list[ReplicaSetCondition], ListMap("type"), Merge("type")] = []
    fullyLabeledReplicas: Int32 = 0
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32
    terminatingReplicas: Int32 | None = None


class ReplicaSet(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ReplicaSetSpec = struct()
    status: ReplicaSetStatus = struct()
