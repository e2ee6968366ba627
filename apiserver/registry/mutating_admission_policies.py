"""MutatingAdmissionPolicies: changes to objects as expressions, and where they are made (KEP-3962)."""

from __future__ import annotations

from collections.abc import Iterator

from api.admissionregistration_v1 import (
    ApplyConfiguration,
    JSONPatch,
    MatchResources,
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    Mutation,
)
from api.errors import FieldError, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.admission_rules import (
    FAILURE_POLICIES,
    REINVOCATION_POLICIES,
    default_match_resources,
    param_kind_shown,
    param_ref_shown,
    validate_choice,
    validate_match_conditions,
    validate_match_resources,
    validate_param_kind,
    validate_param_ref,
    validate_policy_name,
    validate_variables,
)
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.expressions import PolicyValidation
from apiserver.registry.strategy import Column, Context, Strategy

_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
_PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")


class MutatingAdmissionPolicies(Strategy[MutatingAdmissionPolicy]):
    resource = resource_of(MutatingAdmissionPolicy)
    unconditional_update = False
    columns = (
        NAME,
        Column("Mutations", lambda p, now: len(p.spec.mutations), type="integer", description="How many changes."),
        Column("ParamKind", lambda p, now: param_kind_shown(p.spec.paramKind), description="What parameters are."),
        AGE,
    )

    def default(self, obj: MutatingAdmissionPolicy) -> None:
        if obj.spec.failurePolicy is None:
            obj.spec.failurePolicy = "Fail"
        default_match_resources(obj.spec.matchConstraints)

    def prepare_for_create(self, new: MutatingAdmissionPolicy, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: MutatingAdmissionPolicy) -> Iterator[FieldError]:
        return _validate_policy(new, same_conditions=False)

    def validate_changed(self, new: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy) -> Iterator[FieldError]:
        after, before = new.spec, old.spec
        same = (after.paramKind, after.matchConditions) == (before.paramKind, before.matchConditions)
        return _validate_policy(new, same_conditions=same)


class MutatingAdmissionPolicyBindings(Strategy[MutatingAdmissionPolicyBinding]):
    resource = resource_of(MutatingAdmissionPolicyBinding)
    unconditional_update = False
    columns = (
        NAME,
        Column("PolicyName", lambda b, now: b.spec.policyName, description="The policy that takes effect."),
        Column("ParamRef", lambda b, now: param_ref_shown(b.spec.paramRef), description="Where parameters are from."),
        AGE,
    )

    def default(self, obj: MutatingAdmissionPolicyBinding) -> None:
        default_match_resources(obj.spec.matchResources)

    def prepare_for_create(self, new: MutatingAdmissionPolicyBinding, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(
        self, new: MutatingAdmissionPolicyBinding, old: MutatingAdmissionPolicyBinding, context: Context
    ) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
        spec = new.spec
        yield from validate_policy_name(spec.policyName, "spec.policyName")
        yield from validate_param_ref(spec.paramRef, "spec.paramRef")
        yield from validate_match_resources(spec.matchResources, "spec.matchResources")
        yield from _validate_operations(spec.matchResources, "spec.matchResources")


def _validate_policy(policy: MutatingAdmissionPolicy, *, same_conditions: bool) -> Iterator[FieldError]:
    spec = policy.spec
    yield from validate_choice(spec.failurePolicy, FAILURE_POLICIES, "spec.failurePolicy", needed=True)
    yield from validate_param_kind(spec.paramKind, "spec.paramKind")
    path = "spec.matchConstraints"
    if spec.matchConstraints is None:
        yield required(path)
    else:
        yield from validate_match_resources(spec.matchConstraints, path)
        if not spec.matchConstraints.resourceRules:
            yield required(f"{path}.resourceRules")
        yield from _validate_operations(spec.matchConstraints, path)
    if not same_conditions:
        params = spec.paramKind is not None
        yield from validate_match_conditions(spec.matchConditions, "spec.matchConditions", params)
    expressions = PolicyValidation(spec.paramKind is not None, patches=True)
    yield from validate_variables(spec.variables, expressions, "spec.variables")
    if not spec.mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        yield from _validate_mutation(mutation, expressions, f"spec.mutations[{index}]")
    yield from validate_choice(spec.reinvocationPolicy, REINVOCATION_POLICIES, "spec.reinvocationPolicy", needed=True)


def _validate_operations(resources: MatchResources | None, path: str) -> Iterator[FieldError]:
    """There is nothing to change about a deletion."""
    for rule in resources.resourceRules if resources is not None else ():
        for operation in rule.operations:
            if operation not in _OPERATIONS:
                yield not_supported(f"{path}.resourceRules.operations", operation, _OPERATIONS)


def _validate_mutation(mutation: Mutation, expressions: PolicyValidation, path: str) -> Iterator[FieldError]:
    patch: tuple[str, ApplyConfiguration | JSONPatch | None] = ("jsonPatch", mutation.jsonPatch)
    applied: tuple[str, ApplyConfiguration | JSONPatch | None] = ("applyConfiguration", mutation.applyConfiguration)
    match mutation.patchType:
        case "":
            yield required(f"{path}.patchType")
            return
        case "JSONPatch":
            (name, wanted), (other, unwanted) = patch, applied
        case "ApplyConfiguration":
            (name, wanted), (other, unwanted) = applied, patch
        case kind:
            yield not_supported(f"{path}.patchType", kind, _PATCH_TYPES)
            return
    if wanted is None:
        yield required(f"{path}.{name}", f"must be specified when patchType is {mutation.patchType}")
    else:
        yield from expressions.mutation(mutation.patchType, wanted.expression, f"{path}.{name}.expression")
    if unwanted is not None:
        detail = f"must not be specified when patchType is {mutation.patchType}"
        yield invalid_value(f"{path}.{other}", f"{{{other}}}", detail)
