"""What a caller may do (authorization.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from api.model import Model, Required, struct


class NonResourceAttributes(Model):
    """A request for something that is no resource.

    path: The path.
    verb: The HTTP method in lower case.
    """

    path: str = ""
    verb: str = ""


class FieldSelectorAttributes(Model):
    """The field selector of a request.

    rawSelector: As it was written.
    requirements: As conditions.
    """

    rawSelector: str = ""
    requirements: list[FieldSelectorRequirement] = []


class LabelSelectorAttributes(Model):
    """The label selector of a request.

    rawSelector: As it was written.
    requirements: As conditions.
    """

    rawSelector: str = ""
    requirements: list[LabelSelectorRequirement] = []


class ResourceAttributes(Model):
    """A request for a resource.

    fieldSelector: Its field selector.
    group: The API group; * for all.
    labelSelector: Its label selector.
    name: The object's name; empty for all.
    namespace: The namespace; empty for all, or for resources that are in none.
    resource: The resource; * for all.
    subresource: The subresource.
    verb: What is to be done: get, list, create and so on; * for all.
    version: The API version; * for all.
    """

    fieldSelector: FieldSelectorAttributes | None = None
    group: str = ""
    labelSelector: LabelSelectorAttributes | None = None
    name: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    verb: str = ""
    version: str = ""


class SubjectAccessReviewSpec(Model):
    """Who wants to do what.

    extra: What else is known of the user.
    groups: Groups of the user.
    nonResourceAttributes: The request, when it is for no resource.
    resourceAttributes: The request, when it is for a resource.
    uid: Identifies the user for all time.
    user: The user's name.
    """

    extra: dict[str, list[str]] = {}
    groups: list[str] = []
    nonResourceAttributes: NonResourceAttributes | None = None
    resourceAttributes: ResourceAttributes | None = None
    uid: str = ""
    user: str = ""


class SubjectAccessReviewStatus(Model):
    """Whether it is allowed.

    allowed: Whether it is.
    denied: Whether somebody forbids it, so that nobody else need be asked.
    evaluationError: What went wrong on the way; the answer may still be right.
    reason: Why.
    """

    allowed: bool
    denied: bool = False
    evaluationError: str = ""
    reason: str = ""


class SubjectAccessReview(Model):
    """Asks whether somebody may do something."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()


class SelfSubjectAccessReviewSpec(Model):
    """What one wants to do.

    nonResourceAttributes: The request, when it is for no resource.
    resourceAttributes: The request, when it is for a resource.
    """

    nonResourceAttributes: NonResourceAttributes | None = None
    resourceAttributes: ResourceAttributes | None = None


class SelfSubjectAccessReview(Model):
    """Asks whether one may do something."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SelfSubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()


class SelfSubjectRulesReviewSpec(Model):
    """Where one wants to do things.

    namespace: The namespace.
    """

    namespace: str = ""


class NonResourceRule(Model):
    """What may be done with paths that are no resources.

    nonResourceURLs: The paths; * at the end for all below.
    verbs: What may be done.
    """

    nonResourceURLs: list[str] = []
    verbs: list[str]


class ResourceRule(Model):
    """What may be done with resources.

    apiGroups: The API groups.
    resourceNames: The objects; all when empty.
    resources: The resources.
    verbs: What may be done.
    """

    apiGroups: list[str] = []
    resourceNames: list[str] = []
    resources: list[str] = []
    verbs: list[str]


class SubjectRulesReviewStatus(Model):
    """What one may do.

    evaluationError: What went wrong on the way.
    incomplete: Whether there may be more.
    nonResourceRules: What may be done with paths that are no resources.
    resourceRules: What may be done with resources.
    """

    evaluationError: str = ""
    incomplete: bool
    nonResourceRules: list[NonResourceRule]
    resourceRules: list[ResourceRule]


class SelfSubjectRulesReview(Model):
    """Asks for all one may do in a namespace."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SelfSubjectRulesReviewSpec, Required()] = struct()
    status: SubjectRulesReviewStatus = struct()


class LocalSubjectAccessReview(Model):
    """Asks whether somebody may do something in a namespace."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()
