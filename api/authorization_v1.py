"""What a caller may do (authorization.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from api.model import Model, Required, struct


class NonResourceAttributes(Model):
    path: str = ""
    verb: str = ""


class FieldSelectorAttributes(Model):
    rawSelector: str = ""
    requirements: list[FieldSelectorRequirement] = []


class LabelSelectorAttributes(Model):
    rawSelector: str = ""
    requirements: list[LabelSelectorRequirement] = []


class ResourceAttributes(Model):
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
    extra: dict[str, list[str]] = {}
    groups: list[str] = []
    nonResourceAttributes: NonResourceAttributes | None = None
    resourceAttributes: ResourceAttributes | None = None
    uid: str = ""
    user: str = ""


class SubjectAccessReviewStatus(Model):
    allowed: bool
    denied: bool = False
    evaluationError: str = ""
    reason: str = ""


class SubjectAccessReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()


class SelfSubjectAccessReviewSpec(Model):
    nonResourceAttributes: NonResourceAttributes | None = None
    resourceAttributes: ResourceAttributes | None = None


class SelfSubjectAccessReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SelfSubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()


class SelfSubjectRulesReviewSpec(Model):
    namespace: str = ""


class NonResourceRule(Model):
    nonResourceURLs: list[str] = []
    verbs: list[str]


class ResourceRule(Model):
    apiGroups: list[str] = []
    resourceNames: list[str] = []
    resources: list[str] = []
    verbs: list[str]


class SubjectRulesReviewStatus(Model):
    evaluationError: str = ""
    incomplete: bool
    nonResourceRules: list[NonResourceRule]
    resourceRules: list[ResourceRule]


class SelfSubjectRulesReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SelfSubjectRulesReviewSpec, Required()] = struct()
    status: SubjectRulesReviewStatus = struct()


class LocalSubjectAccessReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[SubjectAccessReviewSpec, Required()] = struct()
    status: SubjectAccessReviewStatus = struct()
