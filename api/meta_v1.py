"""Types every API group shares: object and list metadata, selectors, options, answers (meta/v1)."""

from typing import Annotated

from pydantic import Field

from api.model import (
    Int32,
    Int64,
    JSONObject,
    ListMap,
    ListSet,
    Merge,
    Model,
    Required,
    Time,
    ZeroTime,
    atomic,
    null,
    struct,
)


class ManagedFieldsEntry(Model):
    apiVersion: str = ""
    fieldsType: str = ""
    fieldsV1: JSONObject | None = None
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: Time | None = None


@atomic
class OwnerReference(Model):
    name: str
    apiVersion: str
    blockOwnerDeletion: bool | None = None
    controller: bool | None = None
    kind: str
    uid: str


class ObjectMeta(Model):
    annotations: dict[str, str] = {}
    creationTimestamp: Time | None = None
    deletionGracePeriodSeconds: Int64 | None = None
    deletionTimestamp: Time | None = None
    finalizers: Annotated[list[str], ListSet(), Merge()] = []
    generateName: str = ""
    generation: Int64 = 0
    labels: dict[str, str] = {}
    managedFields: list[ManagedFieldsEntry] = []
    name: str = ""
    namespace: str = ""
    ownerReferences: Annotated[list[OwnerReference], ListMap("uid"), Merge("uid")] = []
    resourceVersion: str = ""
    selfLink: str = ""
    uid: str = ""


class ShardInfo(Model):
    selector: str


class ListMeta(Model):
    continue_: str = Field("", alias="continue")
    remainingItemCount: Int64 | None = None
    resourceVersion: str = ""
    selfLink: str = ""
    shardInfo: ShardInfo | None = None


class LabelSelectorRequirement(Model):
    key: str
    operator: str
    values: list[str] = []


@atomic
class LabelSelector(Model):
    matchExpressions: list[LabelSelectorRequirement] = []
    matchLabels: dict[str, str] = {}


class FieldSelectorRequirement(Model):
    key: str
    operator: str
    values: list[str] = []


class Condition(Model):
    lastTransitionTime: Annotated[ZeroTime, Required()] = null()
    message: str
    observedGeneration: Int64 = 0
    reason: str
    status: str
    type: str


class StatusCause(Model):
    field: str = ""
    message: str = ""
    reason: str = ""


class StatusDetails(Model):
    causes: list[StatusCause] = []
    group: str = ""
    kind: str = ""
    name: str = ""
    retryAfterSeconds: Int32 = 0
    uid: str = ""


class Status(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ListMeta = struct()
    status: str = ""
    code: Int32 = 0
    details: StatusDetails | None = None
    message: str = ""
    reason: str = ""


class Preconditions(Model):
    resourceVersion: str | None = None
    uid: str | None = None


class DeleteOptions(Model):
    apiVersion: str = ""
    dryRun: list[str] = []
    gracePeriodSeconds: Int64 | None = None
    ignoreStoreReadErrorWithClusterBreakingPotential: bool | None = None
    kind: str = ""
    orphanDependents: bool | None = None
    preconditions: Preconditions | None = None
    propagationPolicy: str | None = None


class APIResource(Model):
    name: str
    categories: list[str] = []
    group: str = ""
    kind: str
    namespaced: bool
    shortNames: list[str] = []
    singularName: str
    storageVersionHash: str = ""
    verbs: list[str]
    version: str = ""


class APIResourceList(Model):
    apiVersion: str = ""
    groupVersion: str
    kind: str = ""
    resources: list[APIResource]


class GroupVersionForDiscovery(Model):
    groupVersion: str
    version: str


class ServerAddressByClientCIDR(Model):
    clientCIDR: str
    serverAddress: str


class APIGroup(Model):
    name: str
    apiVersion: str = ""
    kind: str = ""
    preferredVersion: GroupVersionForDiscovery = struct()
    serverAddressByClientCIDRs: list[ServerAddressByClientCIDR] = []
    versions: list[GroupVersionForDiscovery]


class APIGroupList(Model):
    apiVersion: str = ""
    groups: list[APIGroup]
    kind: str = ""


class APIVersions(Model):
    apiVersion: str = ""
    kind: str = ""
    serverAddressByClientCIDRs: list[ServerAddressByClientCIDR]
    versions: list[str]
