"""The environments of expressions that judge or change writes: policies and match conditions.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression.  Objects
have no declared types there: what they are made of is looked at when an expression is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping

from cel.environment import Environment
from cel.libraries import KUBERNETES
from cel.libraries.authorizer import AUTHORIZER_TYPE, RESOURCE_CHECK_TYPE
from cel.libraries.mutation import MUTATION, mutation_type
from cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Field, Type, list_of, map_of, object_type

BUDGET_PER_CALL = 1_000_000
"""What one evaluation may cost."""
BUDGET_OF_POLICY = 10_000_000
"""What all expressions of a policy may cost for one request."""
BUDGET_OF_MATCH_CONDITIONS = 2_500_000
"""What all match conditions of a webhook or policy may cost for one request."""


def _object(name: str, /, **fields: Type) -> Type:
    return object_type(name, {key: Field(of, key) for key, of in fields.items()})


def _kind(resource: str) -> Type:
    """GroupVersionKind or GroupVersionResource."""
    third = "kind" if resource == "Kind" else "resource"
    return _object(f"kubernetes.GroupVersion{resource}", group=STRING, version=STRING, **{third: STRING})


_STRINGS = list_of(STRING)
_USER = _object("kubernetes.UserInfo", username=STRING, uid=STRING, groups=_STRINGS, extra=map_of(STRING, _STRINGS))
REQUEST = _object(
    "kubernetes.AdmissionRequest",
    kind=_kind("Kind"),
    resource=_kind("Resource"),
    subResource=STRING,
    requestKind=_kind("Kind"),
    requestResource=_kind("Resource"),
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER,
    dryRun=BOOL,
    options=DYN,
)
"""The variable `request`: an AdmissionRequest without its objects."""

NAMESPACE = _object(
    "kubernetes.Namespace",
    metadata=_object(
        "kubernetes.NamespaceMetadata",
        name=STRING,
        generateName=STRING,
        namespace=STRING,
        labels=map_of(STRING, STRING),
        annotations=map_of(STRING, STRING),
        UID=STRING,
        creationTimestamp=TIMESTAMP,
        deletionGracePeriodSeconds=INT,
        deletionTimestamp=TIMESTAMP,
        generation=INT,
        resourceVersion=STRING,
    ),
    spec=_object("kubernetes.NamespaceSpec", finalizers=_STRINGS),
    status=_object(
        "kubernetes.NamespaceStatus",
        phase=STRING,
        conditions=list_of(
            _object(
                "kubernetes.NamespaceCondition",
                status=STRING,
                type=STRING,
                lastTransitionTime=TIMESTAMP,
                message=STRING,
                reason=STRING,
            )
        ),
    ),
)
"""The variable `namespaceObject`."""


def variables_type(variables: Mapping[str, Type]) -> Type:
    """The type of `variables` when these have been declared: each expression sees those before its own."""
    return object_type("kubernetes.variables", {name: Field(of, name) for name, of in variables.items()})


def admission_environment(
    *,
    params: bool = False,
    authorizer: bool = True,
    variables: Mapping[str, Type] | None = None,
    patches: bool = False,
    of: Type = DYN,
    of_params: Type = DYN,
) -> Environment:
    """What expressions about writes may use: `object`, `oldObject`, `request`, `namespaceObject`, and where they are
    there `params`, `authorizer` with `authorizer.requestResource`, and `variables` of these types.

    `of` and `of_params` are the types of the objects and of `params`, where they are known: a status says by them what
    in a policy cannot be right.  With `patches`, there are also the types that a mutating policy makes its changes of.
    """
    declared = {"object": of, "oldObject": of, "request": REQUEST, "namespaceObject": NAMESPACE}
    if params:
        declared["params"] = of_params
    if authorizer:
        declared |= {"authorizer": AUTHORIZER_TYPE, "authorizer.requestResource": RESOURCE_CHECK_TYPE}
    if variables is not None:
        declared["variables"] = variables_type(variables)
    if not patches:
        return Environment(declared)
    return Environment(declared, (*KUBERNETES, MUTATION), mutation_type)
