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
    """What one manager owns of an object, as server-side apply keeps it.

    apiVersion: The API version whose field names are used.
    fieldsType: The form of the set of fields; always FieldsV1.
    fieldsV1: The set of fields.
    manager: The name of the program or person that wrote them.
    operation: Apply for server-side apply, Update for every other write.
    subresource: The subresource that was written, empty for the object itself.
    time: When the manager last changed its set or one of its values.
    """

    apiVersion: str = ""
    fieldsType: str = ""
    fieldsV1: JSONObject | None = None
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: Time | None = None


@atomic
class OwnerReference(Model):
    """The object that this one belongs to and goes with.

    name: The owner's name.
    apiVersion: The owner's API version.
    blockOwnerDeletion: Whether a foreground deletion of the owner waits for this object.
    controller: Whether the owner is the one that manages this object.
    kind: The owner's kind.
    uid: The owner's uid; an owner of the same name that came later is another one.
    """

    name: str
    apiVersion: str
    blockOwnerDeletion: bool | None = None
    controller: bool | None = None
    kind: str
    uid: str


class ObjectMeta(Model):
    """What every stored object has, whatever its kind.

    annotations: Free-form notes for tools; they cannot be selected by.
    creationTimestamp: When the object was created; set by the server.
    deletionGracePeriodSeconds: Seconds the object had to end by itself when it was deleted; set by the server.
    deletionTimestamp: When the object is to go; set once it was deleted and something still holds it.
    finalizers: Names of what must be done before the object may go; whoever did it takes its name out.
    generateName: With no name given, the server makes one of this and a random ending.
    generation: Counts changes of the desired state; set by the server.
    labels: Keys and values that say what the object is, for selectors to find it by.
    managedFields: Who owns which field; kept by the server.
    name: The object's name, unique among its kind in the namespace; it cannot change.
    namespace: The namespace the object is in; empty for kinds that are in none.
    ownerReferences: The objects this one belongs to; when all of them are gone it is garbage.
    resourceVersion: The version of the object, for optimistic concurrency and watches; opaque to clients.
    selfLink: No longer set.
    uid: Identifies the object for all time, also against later ones of the same name; set by the server.
    """

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
    """Which part of all objects a list holds.

    selector: The shard selector the list was made with.
    """

    selector: str


class ListMeta(Model):
    """What a list says about itself.

    continue: Where the next request goes on, when the list was cut by a limit.
    remainingItemCount: How many objects were left out, if the server knows.
    resourceVersion: The version the list was read at; a watch may start there.
    selfLink: No longer set.
    shardInfo: Set when the list holds one shard of all objects.
    """

    continue_: str = Field("", alias="continue")
    remainingItemCount: Int64 | None = None
    resourceVersion: str = ""
    selfLink: str = ""
    shardInfo: ShardInfo | None = None


class LabelSelectorRequirement(Model):
    """One condition on a label.

    key: The label's key.
    operator: How the values are meant: In, NotIn, Exists or DoesNotExist.
    values: The values; empty for Exists and DoesNotExist.
    """

    key: str
    operator: str
    values: list[str] = []


@atomic
class LabelSelector(Model):
    """Selects objects by their labels; all conditions must hold, and an empty selector selects everything.

    matchExpressions: Conditions on labels.
    matchLabels: Labels that must have exactly these values.
    """

    matchExpressions: list[LabelSelectorRequirement] = []
    matchLabels: dict[str, str] = {}


class FieldSelectorRequirement(Model):
    """One condition on a field.

    key: The field's path.
    operator: How the values are meant: In, NotIn, Exists or DoesNotExist.
    values: The values; empty for Exists and DoesNotExist.
    """

    key: str
    operator: str
    values: list[str] = []


class Condition(Model):
    """One aspect of an object's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    observedGeneration: The generation the condition was found for.
    reason: Why the status is what it is, in one CamelCase word for programs.
    status: True, False or Unknown.
    type: Which aspect this is about.
    """

    lastTransitionTime: Annotated[ZeroTime, Required()] = null()
    message: str
    observedGeneration: Int64 = 0
    reason: str
    status: str
    type: str


class StatusCause(Model):
    """One reason of a refusal.

    field: The field it is about, as a path in the object.
    message: What is wrong, for people.
    reason: What is wrong, in a word for programs.
    """

    field: str = ""
    message: str = ""
    reason: str = ""


class StatusDetails(Model):
    """More about a refusal: which object, and everything that is wrong with it.

    causes: Everything that is wrong.
    group: The API group of the object.
    kind: The kind or resource of the object.
    name: The name of the object.
    retryAfterSeconds: How long to wait before trying again.
    uid: The uid of the object.
    """

    causes: list[StatusCause] = []
    group: str = ""
    kind: str = ""
    name: str = ""
    retryAfterSeconds: Int32 = 0
    uid: str = ""


class Status(Model):
    """The answer of a request that returns no object, and of every one that failed.

    metadata: Nothing of use.
    status: Success or Failure.
    code: The HTTP status code.
    details: More about the refusal, where there is more.
    message: What happened, for people.
    reason: Why the request failed, in a word for programs.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ListMeta = struct()
    status: str = ""
    code: Int32 = 0
    details: StatusDetails | None = None
    message: str = ""
    reason: str = ""


class Preconditions(Model):
    """What must be true of an object for it to be deleted.

    resourceVersion: The version it must have.
    uid: The uid it must have.
    """

    resourceVersion: str | None = None
    uid: str | None = None


class DeleteOptions(Model):
    """How to delete.

    dryRun: With All, everything is checked and nothing is deleted.
    gracePeriodSeconds: Seconds the object has to end by itself; zero deletes at once.
    ignoreStoreReadErrorWithClusterBreakingPotential: Delete even an object that cannot be read back from the store.
    orphanDependents: Deprecated; propagationPolicy says more.
    preconditions: What must be true of the object, or nothing is deleted.
    propagationPolicy: What becomes of the objects this one owns: Orphan, Background or Foreground.
    """

    apiVersion: str = ""
    dryRun: list[str] = []
    gracePeriodSeconds: Int64 | None = None
    ignoreStoreReadErrorWithClusterBreakingPotential: bool | None = None
    kind: str = ""
    orphanDependents: bool | None = None
    preconditions: Preconditions | None = None
    propagationPolicy: str | None = None


class APIResource(Model):
    """One resource in a discovery document.

    name: The plural by which URLs name it, or plural/subresource.
    categories: Groups of resources it belongs to, such as all.
    group: The group of its kind, when that is another than the document's.
    kind: The kind of its objects.
    namespaced: Whether its objects are in namespaces.
    shortNames: Abbreviations for people who type.
    singularName: The singular of its name.
    storageVersionHash: Changes when the version that is stored does.
    verbs: What can be done with it.
    version: The version of its kind, when that is another than the document's.
    """

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
    """The resources of one group version.

    groupVersion: The group and version.
    resources: The resources.
    """

    apiVersion: str = ""
    groupVersion: str
    kind: str = ""
    resources: list[APIResource]


class GroupVersionForDiscovery(Model):
    """One version of a group.

    groupVersion: The group and version as in apiVersion.
    version: The version alone.
    """

    groupVersion: str
    version: str


class ServerAddressByClientCIDR(Model):
    """The address of the server for clients of one network.

    clientCIDR: The network the client is in.
    serverAddress: The address it should use.
    """

    clientCIDR: str
    serverAddress: str


class APIGroup(Model):
    """A group of resources and its versions.

    name: The group's name.
    preferredVersion: The version the server recommends.
    serverAddressByClientCIDRs: Addresses of the server by client network.
    versions: All versions there are.
    """

    name: str
    apiVersion: str = ""
    kind: str = ""
    preferredVersion: GroupVersionForDiscovery = struct()
    serverAddressByClientCIDRs: list[ServerAddressByClientCIDR] = []
    versions: list[GroupVersionForDiscovery]


class APIGroupList(Model):
    """All API groups of a server, without the core group.

    groups: The groups.
    """

    apiVersion: str = ""
    groups: list[APIGroup]
    kind: str = ""


class APIVersions(Model):
    """The versions of the core group.

    serverAddressByClientCIDRs: Addresses of the server by client network.
    versions: The versions.
    """

    apiVersion: str = ""
    kind: str = ""
    serverAddressByClientCIDRs: list[ServerAddressByClientCIDR]
    versions: list[str]


class PartialObjectMetadata(Model):
    """Decodes from any object; a server that does not know the media type sends the whole one, which works too."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
