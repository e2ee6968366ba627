"""Who else has a say in writes (admissionregistration.k8s.io/v1): webhooks and policies."""

from typing import Annotated

from api.meta_v1 import Condition, LabelSelector, ObjectMeta
from api.model import Base64, Enum, Int32, Int64, ListMap, ListSet, Merge, Model, Required, atomic, struct


class ServiceReference(Model):
    """A service to call.

    name: Its name.
    namespace: Its namespace.
    path: The path of the URL.
    port: Its port; 443 when unset.
    """

    name: str
    namespace: str
    path: str | None = None
    port: Int32 | None = None


class WebhookClientConfig(Model):
    """How to call a webhook: by URL, or as a service.

    caBundle: The certificates that may have signed the server's own (PEM); the system's when unset.
    service: The service to call.
    url: The URL to call; it begins with https://.
    """

    caBundle: Base64 = ""
    service: ServiceReference | None = None
    url: str | None = None


class RuleWithOperations(Model):
    """Which requests are meant.

    apiGroups: Groups of the resources; "*" for all.
    apiVersions: Versions of the resources; "*" for all.
    operations: CREATE, UPDATE, DELETE, CONNECT, or "*" for all.
    resources: The resources, such as pods, pods/log or */scale; "*" for all that are no subresources.
    scope: Cluster, Namespaced, or "*" for both.
    """

    apiGroups: list[str] = []
    apiVersions: list[str] = []
    operations: list[Annotated[str, Enum("*", "CONNECT", "CREATE", "DELETE", "UPDATE")]] = []
    resources: list[str] = []
    scope: Annotated[str | None, Enum("*", "Cluster", "Namespaced")] = None


class MatchCondition(Model):
    """A condition that requests must satisfy besides.

    expression: Tells whether the request is meant (CEL).
    name: Its name, for messages.
    """

    expression: str
    name: str


class MutatingWebhook(Model):
    """A webhook that may change objects.

    admissionReviewVersions: The versions of AdmissionReview it understands, the best first.
    clientConfig: How to call it.
    failurePolicy: Fail or Ignore: what to do when it cannot be asked.
    matchConditions: What requests must satisfy besides; up to 64.
    matchPolicy: Equivalent also means requests by other groups and versions of the same resource, Exact does not.
    name: Its name, with a domain.
    namespaceSelector: Only requests in namespaces with these labels.
    objectSelector: Only requests whose object, old or new, has these labels.
    reinvocationPolicy: IfNeeded to be asked again when others changed the object afterwards, else Never.
    rules: Which requests are meant.
    sideEffects: None or NoneOnDryRun: whether calling it changes anything elsewhere.
    timeoutSeconds: How long to wait for its answer, 1 to 30 seconds; 10 when unset.
    """

    admissionReviewVersions: list[str]
    clientConfig: Annotated[WebhookClientConfig, Required()] = struct()
    failurePolicy: Annotated[str | None, Enum("Fail", "Ignore")] = None
    matchConditions: Annotated[list[MatchCondition], ListMap("name"), Merge("name")] = []
    matchPolicy: Annotated[str | None, Enum("Equivalent", "Exact")] = None
    name: str
    namespaceSelector: LabelSelector | None = None
    objectSelector: LabelSelector | None = None
    reinvocationPolicy: Annotated[str | None, Enum("IfNeeded", "Never")] = None
    rules: list[RuleWithOperations] = []
    sideEffects: Annotated[str | None, Required(), Enum("None", "NoneOnDryRun", "Some", "Unknown")] = None
    timeoutSeconds: Int32 | None = None


class MutatingWebhookConfiguration(Model):
    """Webhooks that may change objects before they are stored.

    webhooks: The webhooks.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    webhooks: Annotated[list[MutatingWebhook], ListMap("name"), Merge("name")] = []


class ValidatingWebhook(Model):
    """A webhook that may refuse objects.

    admissionReviewVersions: The versions of AdmissionReview it understands, the best first.
    clientConfig: How to call it.
    failurePolicy: Fail or Ignore: what to do when it cannot be asked.
    matchConditions: What requests must satisfy besides; up to 64.
    matchPolicy: Equivalent also means requests by other groups and versions of the same resource, Exact does not.
    name: Its name, with a domain.
    namespaceSelector: Only requests in namespaces with these labels.
    objectSelector: Only requests whose object, old or new, has these labels.
    rules: Which requests are meant.
    sideEffects: None or NoneOnDryRun: whether calling it changes anything elsewhere.
    timeoutSeconds: How long to wait for its answer, 1 to 30 seconds; 10 when unset.
    """

    admissionReviewVersions: list[str]
    clientConfig: Annotated[WebhookClientConfig, Required()] = struct()
    failurePolicy: Annotated[str | None, Enum("Fail", "Ignore")] = None
    matchConditions: Annotated[list[MatchCondition], ListMap("name"), Merge("name")] = []
    matchPolicy: Annotated[str | None, Enum("Equivalent", "Exact")] = None
    name: str
    namespaceSelector: LabelSelector | None = None
    objectSelector: LabelSelector | None = None
    rules: list[RuleWithOperations] = []
    sideEffects: Annotated[str | None, Required(), Enum("None", "NoneOnDryRun", "Some", "Unknown")] = None
    timeoutSeconds: Int32 | None = None


class ValidatingWebhookConfiguration(Model):
    """Webhooks that may refuse objects before they are stored.

    webhooks: The webhooks.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    webhooks: Annotated[list[ValidatingWebhook], ListMap("name"), Merge("name")] = []


@atomic
class NamedRuleWithOperations(Model):
    """Which requests are meant.

    apiGroups: Groups of the resources; "*" for all.
    apiVersions: Versions of the resources; "*" for all.
    operations: CREATE, UPDATE, DELETE, CONNECT, or "*" for all.
    resourceNames: Names of the objects; all when empty.
    resources: The resources, such as pods, pods/log or */scale; "*" for all that are no subresources.
    scope: Cluster, Namespaced, or "*" for both.
    """

    apiGroups: list[str] = []
    apiVersions: list[str] = []
    operations: list[Annotated[str, Enum("*", "CONNECT", "CREATE", "DELETE", "UPDATE")]] = []
    resourceNames: list[str] = []
    resources: list[str] = []
    scope: Annotated[str | None, Enum("*", "Cluster", "Namespaced")] = None


@atomic
class MatchResources(Model):
    """Which requests a policy is about.

    excludeResourceRules: Requests that are not meant even if other rules say so.
    matchPolicy: Equivalent also means requests by other groups and versions of the same resource, Exact does not.
    namespaceSelector: Only requests in namespaces with these labels.
    objectSelector: Only requests whose object, old or new, has these labels.
    resourceRules: Requests that are meant.
    """

    excludeResourceRules: list[NamedRuleWithOperations] = []
    matchPolicy: Annotated[str | None, Enum("Equivalent", "Exact")] = None
    namespaceSelector: LabelSelector | None = None
    objectSelector: LabelSelector | None = None
    resourceRules: list[NamedRuleWithOperations] = []


@atomic
class ParamKind(Model):
    """The kind of the objects that a policy takes its parameters from.

    apiVersion: Their group and version, as in apps/v1.
    kind: Their kind.
    """

    apiVersion: str = ""
    kind: str = ""


@atomic
class ParamRef(Model):
    """Objects that a policy takes its parameters from.

    name: The object's name; not together with a selector.
    namespace: The object's namespace; that of the request when empty, if the kind is in namespaces.
    parameterNotFoundAction: Allow or Deny: what to do when there is no such object.
    selector: The labels of the objects; the policy is then asked once for each.
    """

    name: str = ""
    namespace: str = ""
    parameterNotFoundAction: str | None = None
    selector: LabelSelector | None = None


@atomic
class Variable(Model):
    """An expression with a name, for other expressions to use.

    expression: What it stands for (CEL).
    name: Its name; the others write variables.name.
    """

    expression: str
    name: str


class Validation(Model):
    """A rule that objects must keep.

    expression: Tells whether the request keeps it (CEL).
    message: What to say when it does not.
    messageExpression: Makes what to say then (CEL); goes before message.
    reason: The machine-readable reason of the refusal: Unauthorized, Forbidden, Invalid or RequestEntityTooLarge.
    """

    expression: str
    message: str = ""
    messageExpression: str = ""
    reason: str | None = None


class AuditAnnotation(Model):
    """Something to write down in the audit log.

    key: Its key, after the policy's name and a slash.
    valueExpression: Makes what is written, a text or null for nothing (CEL).
    """

    key: str
    valueExpression: str


class ValidatingAdmissionPolicySpec(Model):
    """What a policy demands.

    auditAnnotations: What to write down in the audit log.
    failurePolicy: Fail or Ignore: what to do when an expression fails; Fail when unset.
    matchConditions: What requests must satisfy besides; up to 64.
    matchConstraints: Which requests it is about.
    paramKind: The kind its parameters are of; none when unset.
    validations: The rules.
    variables: Expressions with names, in the order in which they may use each other.
    """

    auditAnnotations: list[AuditAnnotation] = []
    failurePolicy: Annotated[str | None, Enum("Fail", "Ignore")] = None
    matchConditions: Annotated[list[MatchCondition], ListMap("name"), Merge("name")] = []
    matchConstraints: MatchResources | None = None
    paramKind: ParamKind | None = None
    validations: list[Validation] = []
    variables: Annotated[list[Variable], ListMap("name"), Merge("name")] = []


class ExpressionWarning(Model):
    """What is suspicious about an expression.

    fieldRef: The path of the field it is in.
    warning: What was found when its types were checked.
    """

    fieldRef: str
    warning: str


class TypeChecking(Model):
    """What was found when the types in expressions were checked.

    expressionWarnings: What is suspicious about each expression.
    """

    expressionWarnings: list[ExpressionWarning] = []


class ValidatingAdmissionPolicyStatus(Model):
    """What was last observed of a policy.

    conditions: Its state in several aspects.
    observedGeneration: The generation that was looked at.
    typeChecking: What was found when the types in its expressions were checked.
    """

    conditions: Annotated[list[Condition], ListMap("type")] = []
    observedGeneration: Int64 = 0
    typeChecking: TypeChecking | None = None


class ValidatingAdmissionPolicy(Model):
    """Rules that objects must keep, as expressions; they hold where a binding says so."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ValidatingAdmissionPolicySpec = struct()
    status: ValidatingAdmissionPolicyStatus = struct()


class ValidatingAdmissionPolicyBindingSpec(Model):
    """Where a policy holds.

    matchResources: Only these of the requests that the policy is about.
    paramRef: Where its parameters come from.
    policyName: The policy's name.
    validationActions: What to do when a rule is not kept: Deny, Warn, Audit.
    """

    matchResources: MatchResources | None = None
    paramRef: ParamRef | None = None
    policyName: Annotated[str, Required()] = ""
    validationActions: Annotated[list[Annotated[str, Enum("Audit", "Deny", "Warn")]], Required(), ListSet()] = []


class ValidatingAdmissionPolicyBinding(Model):
    """Makes a ValidatingAdmissionPolicy hold, with parameters."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[ValidatingAdmissionPolicyBindingSpec, Required()] = struct()


class ApplyConfiguration(Model):
    """A change in the form of server-side apply.

    expression: Makes an object with the fields to be set (CEL).
    """

    expression: str = ""


class JSONPatch(Model):
    """A change in the form of a JSON patch.

    expression: Makes the list of operations (CEL).
    """

    expression: str = ""


class Mutation(Model):
    """One change that a policy makes.

    applyConfiguration: The change, for patchType ApplyConfiguration.
    jsonPatch: The change, for patchType JSONPatch.
    patchType: ApplyConfiguration or JSONPatch.
    """

    applyConfiguration: ApplyConfiguration | None = None
    jsonPatch: JSONPatch | None = None
    patchType: Annotated[str, Enum("ApplyConfiguration", "JSONPatch")]


class MutatingAdmissionPolicySpec(Model):
    """What a policy changes.

    failurePolicy: Fail or Ignore: what to do when an expression fails; Fail when unset.
    matchConditions: What requests must satisfy besides; up to 64.
    matchConstraints: Which requests it is about.
    mutations: The changes, one after another.
    paramKind: The kind its parameters are of; none when unset.
    reinvocationPolicy: IfNeeded to change the object again when others did so afterwards, else Never.
    variables: Expressions with names, in the order in which they may use each other.
    """

    failurePolicy: Annotated[str | None, Enum("Fail", "Ignore")] = None
    matchConditions: Annotated[list[MatchCondition], ListMap("name"), Merge("name")] = []
    matchConstraints: MatchResources | None = None
    mutations: list[Mutation] = []
    paramKind: ParamKind | None = None
    reinvocationPolicy: Annotated[str, Enum("IfNeeded", "Never")] = ""
    variables: list[Variable] = []


class MutatingAdmissionPolicy(Model):
    """Changes to objects, as expressions; they are made where a binding says so."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: MutatingAdmissionPolicySpec = struct()


class MutatingAdmissionPolicyBindingSpec(Model):
    """Where a policy makes its changes.

    matchResources: Only these of the requests that the policy is about.
    paramRef: Where its parameters come from.
    policyName: The policy's name.
    """

    matchResources: MatchResources | None = None
    paramRef: ParamRef | None = None
    policyName: str = ""


class MutatingAdmissionPolicyBinding(Model):
    """Makes a MutatingAdmissionPolicy take effect, with parameters."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: MutatingAdmissionPolicyBindingSpec = struct()
