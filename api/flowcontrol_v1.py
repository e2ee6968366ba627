"""Whose requests are served before whose (flowcontrol.apiserver.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import (
    AlwaysPresent,
    Int32,
    ListMap,
    ListSet,
    Merge,
    Model,
    NotRequired,
    Required,
    ZeroTime,
    null,
    struct,
    union,
)


class FlowDistinguisherMethod(Model):
    """How the requests of one schema are told apart into flows.

    type: ByUser or ByNamespace.
    """

    type: str


class GroupSubject(Model):
    """The members of a group.

    name: The group; * for all.
    """

    name: str


class ServiceAccountSubject(Model):
    """A service account.

    name: Its name; * for all of the namespace.
    namespace: Its namespace.
    """

    name: str
    namespace: str


class UserSubject(Model):
    """A user.

    name: The user; * for all.
    """

    name: str


@union("group", "serviceAccount", "user", discriminator="kind")
class Subject(Model):
    """Whose requests are meant.

    group: The group, when kind is Group.
    kind: Group, ServiceAccount or User.
    serviceAccount: The account, when kind is ServiceAccount.
    user: The user, when kind is User.
    """

    group: GroupSubject | None = None
    kind: str
    serviceAccount: ServiceAccountSubject | None = None
    user: UserSubject | None = None


class ResourcePolicyRule(Model):
    """Requests for resources.

    apiGroups: Their API groups; * for all.
    clusterScope: Whether requests without a namespace are meant, too.
    namespaces: The namespaces of the others; * for all.
    resources: The resources; * for all.
    verbs: The verbs; * for all.
    """

    apiGroups: Annotated[list[str], ListSet()]
    clusterScope: bool = False
    namespaces: Annotated[list[str] | None, AlwaysPresent(), ListSet()] = null()
    resources: Annotated[list[str], ListSet()]
    verbs: Annotated[list[str], ListSet()]


class NonResourcePolicyRule(Model):
    """Requests for paths that are no resources.

    nonResourceURLs: The paths; /* at the end for all below, * for all.
    verbs: The verbs; * for all.
    """

    nonResourceURLs: Annotated[list[str], ListSet()]
    verbs: Annotated[list[str], ListSet()]


class PolicyRulesWithSubjects(Model):
    """Requests of some subjects.  A request is meant when a subject and a rule fit.

    nonResourceRules: Requests for paths.
    resourceRules: Requests for resources.
    subjects: Whose.
    """

    nonResourceRules: list[NonResourcePolicyRule] = []
    resourceRules: list[ResourcePolicyRule] = []
    subjects: list[Subject]


class PriorityLevelConfigurationReference(Model):
    """Names a priority level.

    name: Its name.
    """

    name: str


class FlowSchemaSpec(Model):
    """Which requests belong to a schema, and at what level they are served.

    distinguisherMethod: How they are told apart into flows; one flow when unset.
    matchingPrecedence: Which of the schemas that fit is taken: the one with the least, from 1 to 10000.
    priorityLevelConfiguration: The level.
    rules: Which requests; any rule suffices.
    """

    distinguisherMethod: FlowDistinguisherMethod | None = None
    matchingPrecedence: Annotated[Int32, NotRequired()]
    priorityLevelConfiguration: Annotated[PriorityLevelConfigurationReference, Required()] = struct()
    rules: list[PolicyRulesWithSubjects] = []


class FlowSchemaCondition(Model):
    """One aspect of a schema's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Dangling, when its level does not exist.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class FlowSchemaStatus(Model):
    """The state of a schema.

    conditions: Its aspects.
    """

    conditions: Annotated[list[FlowSchemaCondition], ListMap("type"), Merge("type")] = []


class FlowSchema(Model):
    """Sorts requests into flows and gives them a priority level."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: FlowSchemaSpec = struct()
    status: FlowSchemaStatus = struct()


class QueuingConfiguration(Model):
    """How requests of a level wait.

    handSize: How many queues a flow may use.
    queueLengthLimit: How many requests a queue holds.
    queues: How many queues there are.
    """

    handSize: Annotated[Int32, NotRequired()]
    queueLengthLimit: Annotated[Int32, NotRequired()]
    queues: Annotated[Int32, NotRequired()]


@union("queuing", discriminator="type")
class LimitResponse(Model):
    """What happens to requests that cannot be served at once.

    queuing: How they wait, when type is Queue.
    type: Queue or Reject.
    """

    queuing: QueuingConfiguration | None = None
    type: str


class LimitedPriorityLevelConfiguration(Model):
    """A level whose share of the server is limited.

    borrowingLimitPercent: How much it may borrow from others, in percent of its own; without limit when unset.
    lendablePercent: How much of its own others may borrow, in percent.
    limitResponse: What happens to requests beyond the limit.
    nominalConcurrencyShares: Its share, compared with the shares of the other levels; 30 when unset.
    """

    borrowingLimitPercent: Int32 | None = None
    lendablePercent: Int32 | None = None
    limitResponse: LimitResponse = struct()
    nominalConcurrencyShares: Int32 | None = None


class ExemptPriorityLevelConfiguration(Model):
    """A level that never waits.

    lendablePercent: How much of its share others may borrow, in percent.
    nominalConcurrencyShares: Its share, compared with the shares of the other levels.
    """

    lendablePercent: Int32 | None = None
    nominalConcurrencyShares: Int32 | None = None


@union("exempt", "limited", discriminator="type")
class PriorityLevelConfigurationSpec(Model):
    """How requests of a level are served.

    exempt: For a level that never waits.
    limited: For a level whose share is limited.
    type: Exempt or Limited.
    """

    exempt: ExemptPriorityLevelConfiguration | None = None
    limited: LimitedPriorityLevelConfiguration | None = None
    type: str


class PriorityLevelConfigurationCondition(Model):
    """One aspect of a level's state.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: What it is about.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class PriorityLevelConfigurationStatus(Model):
    """The state of a level.

    conditions: Its aspects.
    """

    conditions: Annotated[list[PriorityLevelConfigurationCondition], ListMap("type"), Merge("type")] = []


class PriorityLevelConfiguration(Model):
    """A share of the server and how requests wait for it."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: PriorityLevelConfigurationSpec = struct()
    status: PriorityLevelConfigurationStatus = struct()
