"""What in a policy's expressions cannot be right, given the types of the objects that it is about.

Policies are stored whatever is found: it is for their authors to read.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from api.admissionregistration_v1 import (
    ExpressionWarning,
    NamedRuleWithOperations,
    ParamKind,
    ValidatingAdmissionPolicy,
    Variable,
)
from apiserver.admission.policies.object_types import type_of
from apiserver.admission.policies.params import Params, Unusable
from apiserver.endpoint import API, Endpoint
from apiserver.expressions.admission import admission_environment
from cel.environment import Environment
from cel.errors import CompileError
from cel.types import DYN, Type, list_of, map_of

_MOST_KINDS = 10
"""Of one rule; those of further ones are not looked at."""


def expression_warnings(policy: ValidatingAdmissionPolicy, api: API) -> list[ExpressionWarning]:
    """For each expression of a rule or a message that does not fit, what is wrong with it for which kinds."""
    spec = policy.spec
    params = _params_type(spec.paramKind, api)
    environments = [
        (_shown(endpoint), _environment(type_of(endpoint), params, spec.variables))
        for endpoint in _kinds(spec.matchConstraints.resourceRules if spec.matchConstraints else (), api)
    ]
    found = []
    for index, validation in enumerate(spec.validations):
        sources = {"expression": validation.expression, "messageExpression": validation.messageExpression}
        for name, source in sources.items():
            problems = [] if not source else list(_problems(source, environments))
            if problems:
                warning = ExpressionWarning(fieldRef=f"spec.validations[{index}].{name}", warning="\n".join(problems))
                found.append(warning)
    return found


def _problems(source: str, environments: Sequence[tuple[str, Environment]]) -> Iterator[str]:
    for kind, environment in environments:
        try:
            environment.compile(source)
        except CompileError as error:
            yield f"{kind}: {error}\n"


def _shown(endpoint: Endpoint) -> str:
    version = endpoint.resource.group_version
    return f"{version.group}/{version.version}, Kind={endpoint.resource.kind}"


def _kinds(rules: Sequence[NamedRuleWithOperations], api: API) -> list[Endpoint]:
    """The resources that rules name: what they mean by wildcards, and parts of objects, is left out."""
    found: dict[tuple[str, str, str], Endpoint] = {}
    for rule in rules:
        count = 0
        if any("*" in text for text in (*rule.apiGroups, *rule.apiVersions)):
            continue
        plurals = [text for text in rule.resources if not {"*", "/"} & set(text)]
        for key in product(sorted(rule.apiGroups), sorted(rule.apiVersions), sorted(plurals)):
            endpoint = api.endpoint(*key)
            if endpoint is None:
                continue
            found[endpoint.resource.group, endpoint.resource.group_version.version, endpoint.resource.kind] = endpoint
            count += 1
            if count == _MOST_KINDS:
                return [found[key] for key in sorted(found)]
    return [found[key] for key in sorted(found)]


def _params_type(kind: ParamKind | None, api: API) -> Type | None:
    """None where there are no parameters, or nobody knows of what kind."""
    if kind is None:
        return None
    try:
        return type_of(Params(api).endpoint(kind))
    except Unusable:
        return None


def _environment(of: Type, params: Type | None, variables: Sequence[Variable]) -> Environment:
    """With the policy's variables, each of which sees those before it."""
    declared: dict[str, Type] = {}

    def environment() -> Environment:
        if params is None:
            return admission_environment(variables=declared, of=of)
        return admission_environment(params=True, variables=declared, of=of, of_params=params)

    for variable in variables:
        try:
            declared = {**declared, variable.name: _composed(environment().compile(variable.expression).type)}
        except CompileError:
            declared = {**declared, variable.name: DYN}
    return environment()


def _composed(of: Type) -> Type:
    """A variable's type as others see it: they know nothing of objects."""
    match of.kind:
        case "list":
            return list_of(_composed(of.parameters[0]))
        case "map":
            return map_of(_composed(of.parameters[0]), _composed(of.parameters[1]))
        case "object" | "opaque" | "type" | "parameter":
            return DYN
    return of
