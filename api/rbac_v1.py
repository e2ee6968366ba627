"""Who may do what (rbac.authorization.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import AlwaysPresent, Model, NotRequired, Required, atomic, null, struct


class PolicyRule(Model):
    """Verbs that are allowed, on resources or on paths that are no resources.

    apiGroups: The API groups of the resources; * for all, "" for the core group.
    nonResourceURLs: Paths, in cluster roles only; * at the end for all that begins so.
    resourceNames: The only objects it is about; all when empty.
    resources: The resources, subresources as pods/log; * for all.
    verbs: What is allowed; * for everything.
    """

    apiGroups: list[str] = []
    nonResourceURLs: list[str] = []
    resourceNames: list[str] = []
    resources: list[str] = []
    verbs: list[str]


@atomic
class Subject(Model):
    """A user, a group or a service account to whom a role is given.

    apiGroup: rbac.authorization.k8s.io for users and groups, empty for service accounts.
    kind: User, Group or ServiceAccount.
    name: Its name.
    namespace: The namespace of a service account.
    """

    apiGroup: str = ""
    kind: str
    name: str
    namespace: str = ""


@atomic
class RoleRef(Model):
    """The role that a binding gives.

    apiGroup: rbac.authorization.k8s.io.
    kind: Role or ClusterRole.
    name: Its name.
    """

    apiGroup: Annotated[str, NotRequired()]
    kind: str
    name: str


class AggregationRule(Model):
    """Whose rules a cluster role gathers.

    clusterRoleSelectors: Labels of the cluster roles; any of them suffices.
    """

    clusterRoleSelectors: list[LabelSelector] = []


class Role(Model):
    """What may be done in one namespace.

    rules: What is allowed.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    rules: Annotated[list[PolicyRule] | None, AlwaysPresent()] = null()


class ClusterRole(Model):
    """What may be done in any namespace and outside of all.

    aggregationRule: Whose rules it gathers; a controller then overwrites its own.
    rules: What is allowed.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    aggregationRule: AggregationRule | None = None
    rules: Annotated[list[PolicyRule] | None, AlwaysPresent()] = null()


class RoleBinding(Model):
    """Gives subjects a role in one namespace.

    roleRef: The role, or a cluster role for this namespace alone; it cannot change.
    subjects: Who gets it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    roleRef: Annotated[RoleRef, Required()] = struct()
    subjects: list[Subject] = []


class ClusterRoleBinding(Model):
    """Gives subjects a cluster role everywhere.

    roleRef: The cluster role; it cannot change.
    subjects: Who gets it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    roleRef: Annotated[RoleRef, Required()] = struct()
    subjects: list[Subject] = []
