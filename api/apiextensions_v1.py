"""Definitions of custom resources (apiextensions.k8s.io/v1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.meta_v1 import ObjectMeta
from api.model import (
    Base64,
    Enum,
    Int32,
    Int64,
    JSONValue,
    ListMap,
    Merge,
    Model,
    Named,
    NotRequired,
    NullWhenEmpty,
    Number,
    Required,
    ZeroTime,
    null,
    struct,
)


class ExternalDocumentation(Model):
    """Further documentation elsewhere.

    description: What is there.
    url: Where it is.
    """

    description: str = ""
    url: str = ""


class ValidationRule(Model):
    """A rule that values must keep.

    fieldPath: The field to complain about, below the one the rule is at.
    message: What to say when it is not kept.
    messageExpression: Makes what to say then (CEL); goes before message.
    optionalOldSelf: Whether the rule also holds for new values, with oldSelf as an optional.
    reason: The machine-readable reason of the complaint; FieldValueInvalid when unset.
    rule: Tells whether `self` keeps it (CEL).
    """

    fieldPath: str = ""
    message: str = ""
    messageExpression: str = ""
    optionalOldSelf: bool | None = None
    reason: Annotated[
        str | None, Enum("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
    ] = None
    rule: str


class JSONSchemaProps(Model):
    """A JSON schema, as OpenAPI v3 has it, with Kubernetes' extensions.

    $ref: Not supported.
    $schema: The version of JSON schema that is used.
    additionalItems: Not supported.
    additionalProperties: The schema of all members of an object that properties does not name, or whether there may
        be any.
    allOf: Schemas that must all hold.
    anyOf: Schemas of which at least one must hold.
    default: What the server puts in where nothing was given.
    definitions: Not supported.
    dependencies: Not supported.
    description: What it is, for people.
    enum: The values it may have.
    example: An example of a value.
    exclusiveMaximum: Whether the maximum itself is too large.
    exclusiveMinimum: Whether the minimum itself is too small.
    externalDocs: Further documentation elsewhere.
    format: How a string or a number is to be read, such as date-time or int32.
    id: Not supported.
    items: The schema of an array's items.
    maxItems: The most items an array may have.
    maxLength: The most characters a string may have.
    maxProperties: The most members an object may have.
    maximum: The largest number.
    minItems: The fewest items an array may have.
    minLength: The fewest characters a string may have.
    minProperties: The fewest members an object may have.
    minimum: The smallest number.
    multipleOf: What a number must be a multiple of.
    not: A schema that must not hold.
    nullable: Whether it may be null.
    oneOf: Schemas of which exactly one must hold.
    pattern: A regular expression that must be found in a string.
    patternProperties: Not supported.
    properties: The members of an object.
    required: The members that an object must have.
    title: What it is called.
    type: object, array, string, integer, number or boolean.
    uniqueItems: Must be false: the check would be too slow.
    x-kubernetes-embedded-resource: Whether the value is a whole object with apiVersion, kind and metadata.
    x-kubernetes-int-or-string: Whether it may be an integer or a string.
    x-kubernetes-list-map-keys: The members that tell items of a list apart, for list type map.
    x-kubernetes-list-type: atomic, set or map: how lists are merged.
    x-kubernetes-map-type: granular or atomic: how objects are merged.
    x-kubernetes-preserve-unknown-fields: Whether members that are not named are kept.
    x-kubernetes-validations: Rules that the value must keep.
    """

    ref: str | None = Field(None, alias="$ref")
    schema_: str = Field("", alias="$schema")
    additionalItems: Annotated[JSONSchemaProps | bool | None, Named("JSONSchemaPropsOrBool")] = None
    additionalProperties: Annotated[JSONSchemaProps | bool | None, Named("JSONSchemaPropsOrBool")] = None
    allOf: list[JSONSchemaProps] = []
    anyOf: list[JSONSchemaProps] = []
    default: JSONValue | None = None
    definitions: dict[str, JSONSchemaProps] = {}
    dependencies: dict[str, Annotated[JSONSchemaProps | list[str], Named("JSONSchemaPropsOrStringArray")]] = {}
    description: str = ""
    enum: list[JSONValue] = []
    example: JSONValue | None = None
    exclusiveMaximum: bool = False
    exclusiveMinimum: bool = False
    externalDocs: ExternalDocumentation | None = None
    format: str = ""
    id: str = ""
    items: Annotated[JSONSchemaProps | list[JSONSchemaProps] | None, Named("JSONSchemaPropsOrArray")] = None
    maxItems: Int64 | None = None
    maxLength: Int64 | None = None
    maxProperties: Int64 | None = None
    maximum: Number | None = None
    minItems: Int64 | None = None
    minLength: Int64 | None = None
    minProperties: Int64 | None = None
    minimum: Number | None = None
    multipleOf: Number | None = None
    not_: JSONSchemaProps | None = Field(None, alias="not")
    nullable: bool = False
    oneOf: list[JSONSchemaProps] = []
    pattern: str = ""
    patternProperties: dict[str, JSONSchemaProps] = {}
    properties: dict[str, JSONSchemaProps] = {}
    required: list[str] = []
    title: str = ""
    type: str = ""
    uniqueItems: bool = False
    x_kubernetes_embedded_resource: bool = Field(False, alias="x-kubernetes-embedded-resource")
    x_kubernetes_int_or_string: bool = Field(False, alias="x-kubernetes-int-or-string")
    x_kubernetes_list_map_keys: list[str] = Field([], alias="x-kubernetes-list-map-keys")
    x_kubernetes_list_type: str | None = Field(None, alias="x-kubernetes-list-type")
    x_kubernetes_map_type: str | None = Field(None, alias="x-kubernetes-map-type")
    x_kubernetes_preserve_unknown_fields: bool | None = Field(None, alias="x-kubernetes-preserve-unknown-fields")
    x_kubernetes_validations: Annotated[list[ValidationRule], ListMap("rule"), Merge("rule")] = Field(
        [], alias="x-kubernetes-validations"
    )


class CustomResourceValidation(Model):
    """How custom resources are checked.

    openAPIV3Schema: The schema they must satisfy.
    """

    openAPIV3Schema: JSONSchemaProps | None = None


class CustomResourceSubresourceStatus(Model):
    """Turns on the subresource status."""


class CustomResourceSubresourceScale(Model):
    """Turns on the subresource scale, and says where its values are.

    labelSelectorPath: Where the label selector is, as a string: a path below .spec or .status.
    specReplicasPath: Where the wanted replicas are: a path below .spec.
    statusReplicasPath: Where the present replicas are: a path below .status.
    """

    labelSelectorPath: str | None = None
    specReplicasPath: str
    statusReplicasPath: str


class CustomResourceSubresources(Model):
    """The subresources of a custom resource.

    scale: Turns on scale.
    status: Turns on status.
    """

    scale: CustomResourceSubresourceScale | None = None
    status: CustomResourceSubresourceStatus | None = None


class CustomResourceColumnDefinition(Model):
    """One column of what kubectl get shows.

    description: What is in it.
    format: How the value is to be read, such as int32 or date-time.
    jsonPath: Where the value is.
    name: The column's title.
    priority: 0 is always shown, higher ones only with -o wide.
    type: integer, number, string, boolean or date.
    """

    description: str = ""
    format: str = ""
    jsonPath: str
    name: str
    priority: Int32 = 0
    type: str


class SelectableField(Model):
    """A field that field selectors can use.

    jsonPath: Where the value is.
    """

    jsonPath: str


class CustomResourceDefinitionVersion(Model):
    """One version of a custom resource.

    additionalPrinterColumns: What kubectl get shows besides the name.
    deprecated: Whether clients are warned that the version will go.
    deprecationWarning: What they are told then.
    name: The version's name, such as v1beta1.
    schema: How objects are checked, pruned and filled in.
    selectableFields: The fields that field selectors can use; up to 8.
    served: Whether it can be used.
    storage: Whether objects are stored in it; exactly one version is.
    subresources: Its subresources.
    """

    additionalPrinterColumns: list[CustomResourceColumnDefinition] = []
    deprecated: bool = False
    deprecationWarning: str | None = None
    name: str
    schema_: CustomResourceValidation | None = Field(None, alias="schema")
    selectableFields: list[SelectableField] = []
    served: bool
    storage: bool
    subresources: CustomResourceSubresources | None = None


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


class WebhookConversion(Model):
    """A webhook that turns objects of one version into those of another.

    clientConfig: How to call it.
    conversionReviewVersions: The versions of ConversionReview it understands, the best first.
    """

    clientConfig: WebhookClientConfig | None = None
    conversionReviewVersions: list[str]


class CustomResourceConversion(Model):
    """How objects of one version are turned into those of another.

    strategy: None only changes the apiVersion, Webhook asks one.
    webhook: The webhook to ask.
    """

    strategy: str
    webhook: WebhookConversion | None = None


class CustomResourceDefinitionNames(Model):
    """What a custom resource is called.

    categories: Groups of resources it is in, such as all.
    kind: The kind, in CamelCase.
    listKind: The kind of lists; kind and "List" when unset.
    plural: Its name in URLs, in lower case.
    shortNames: Short names for command lines.
    singular: The singular, for command lines; the kind in lower case when unset.
    """

    kind: str
    categories: list[str] = []
    listKind: str = ""
    plural: str
    shortNames: list[str] = []
    singular: str = ""


class CustomResourceDefinitionSpec(Model):
    """What a custom resource is like.

    conversion: How objects of one version are turned into those of another.
    group: The API group.
    names: What it is called.
    preserveUnknownFields: Must be false: unknown fields are kept where the schema says so.
    scope: Namespaced or Cluster.
    versions: Its versions.
    """

    conversion: CustomResourceConversion | None = None
    group: str
    names: Annotated[CustomResourceDefinitionNames, Required()] = struct()
    preserveUnknownFields: bool = False
    scope: str
    versions: Annotated[list[CustomResourceDefinitionVersion], NullWhenEmpty()]


class CustomResourceDefinitionCondition(Model):
    """One aspect of the state of a custom resource.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    observedGeneration: The generation that was looked at.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Established, NamesAccepted, Terminating or others.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    observedGeneration: Int64 = 0
    reason: str = ""
    status: str
    type: str


class CustomResourceDefinitionStatus(Model):
    """What was last observed of a custom resource.

    acceptedNames: The names it is served under.
    conditions: Its state in several aspects.
    observedGeneration: The generation that was looked at.
    storedVersions: The versions in which objects may be stored.
    """

    acceptedNames: CustomResourceDefinitionNames = struct()
    conditions: Annotated[list[CustomResourceDefinitionCondition], NullWhenEmpty(), NotRequired(), ListMap("type")]
    observedGeneration: Int64 = 0
    storedVersions: Annotated[list[str], NullWhenEmpty(), NotRequired()]


class CustomResourceDefinition(Model):
    """A resource of a kind that somebody else has thought up."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[CustomResourceDefinitionSpec, Required()] = struct()
    status: CustomResourceDefinitionStatus = struct()
