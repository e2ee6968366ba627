"""ValidatingAdmissionPolicies: rules for objects as expressions, and where they hold (KEP-3488)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.admissionregistration_v1 import (
    AuditAnnotation,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyStatus,
    Validation,
)
from api.errors import FieldError, duplicate, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.admission_rules import (
    FAILURE_POLICIES,
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
from apiserver.registry.conditions import validate_conditions
from apiserver.registry.expressions import PolicyValidation
from apiserver.registry.names import qualified
from apiserver.registry.strategy import Column, Context, Status, Strategy

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_MOST_ANNOTATIONS = 20
_LONGEST_VALUE = 5 * 1024
_NOTHING = "validations or auditAnnotations must contain at least one item"
_DENY_AND_WARN = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


@dataclass(frozen=True)
class PolicyStatusUpdate(Status):
    """`/status` of ValidatingAdmissionPolicies: what a check of the types in its expressions found."""

    writes_metadata = False

    def validate_update(self, new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> Iterable[FieldError]:
        if new.status.typeChecking is not None:
            for index, warning in enumerate(new.status.typeChecking.expressionWarnings):
                where = f"status.typeChecking.expressionWarnings[{index}]"
                if not warning.warning:
                    yield required(f"{where}.warning")
                if not warning.fieldRef.strip():
                    yield required(f"{where}.fieldRef")
        yield from validate_conditions(new.status.conditions, "status.conditions")


class ValidatingAdmissionPolicies(Strategy[ValidatingAdmissionPolicy]):
    resource = resource_of(ValidatingAdmissionPolicy)
    unconditional_update = False
    subresources = (PolicyStatusUpdate(),)
    columns = (
        NAME,
        Column("Validations", lambda p, now: len(p.spec.validations), type="integer", description="How many rules."),
        Column("ParamKind", lambda p, now: param_kind_shown(p.spec.paramKind), description="What parameters are."),
        AGE,
    )

    def default(self, obj: ValidatingAdmissionPolicy) -> None:
        if obj.spec.failurePolicy is None:
            obj.spec.failurePolicy = "Fail"
        default_match_resources(obj.spec.matchConstraints)

    def prepare_for_create(self, new: ValidatingAdmissionPolicy, context: Context) -> None:
        new.status = ValidatingAdmissionPolicyStatus()
        new.metadata.generation = 1

    def prepare_for_update(
        self, new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy, context: Context
    ) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
        return _validate_policy(new, same_conditions=False)

    def validate_changed(self, new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
        after, before = new.spec, old.spec
        same = (after.paramKind, after.matchConditions) == (before.paramKind, before.matchConditions)
        return _validate_policy(new, same_conditions=same)


class ValidatingAdmissionPolicyBindings(Strategy[ValidatingAdmissionPolicyBinding]):
    resource = resource_of(ValidatingAdmissionPolicyBinding)
    unconditional_update = False
    columns = (
        NAME,
        Column("PolicyName", lambda b, now: b.spec.policyName, description="The policy that holds."),
        Column("ParamRef", lambda b, now: param_ref_shown(b.spec.paramRef), description="Where parameters are from."),
        AGE,
    )

    def default(self, obj: ValidatingAdmissionPolicyBinding) -> None:
        default_match_resources(obj.spec.matchResources)

    def prepare_for_create(self, new: ValidatingAdmissionPolicyBinding, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(
        self, new: ValidatingAdmissionPolicyBinding, old: ValidatingAdmissionPolicyBinding, context: Context
    ) -> None:
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: ValidatingAdmissionPolicyBinding) -> Iterator[FieldError]:
        spec = new.spec
        yield from validate_policy_name(spec.policyName, "spec.policyName")
        yield from validate_param_ref(spec.paramRef, "spec.paramRef")
        yield from validate_match_resources(spec.matchResources, "spec.matchResources")
        actions, path = spec.validationActions, "spec.validationActions"
        seen: set[str] = set()
        for index, action in enumerate(actions):
            if action not in _ACTIONS:
                yield not_supported(f"{path}[{index}]", action, _ACTIONS)
            if action in seen:
                yield duplicate(f"{path}[{index}]", action)
            seen.add(action)
        if {"Deny", "Warn"} <= seen:
            yield invalid_value(path, list(actions), _DENY_AND_WARN)
        if not seen:
            yield required(path, "at least one validation action is required")


def _validate_policy(policy: ValidatingAdmissionPolicy, *, same_conditions: bool) -> Iterator[FieldError]:
    spec = policy.spec
    yield from validate_choice(spec.failurePolicy, FAILURE_POLICIES, "spec.failurePolicy", needed=True)
    yield from validate_param_kind(spec.paramKind, "spec.paramKind")
    if spec.matchConstraints is None:
        yield required("spec.matchConstraints")
    else:
        yield from validate_match_resources(spec.matchConstraints, "spec.matchConstraints")
        if not spec.matchConstraints.resourceRules:
            yield required("spec.matchConstraints.resourceRules")
    if not same_conditions:
        params = spec.paramKind is not None
        yield from validate_match_conditions(spec.matchConditions, "spec.matchConditions", params)
    expressions = PolicyValidation(spec.paramKind is not None)
    yield from validate_variables(spec.variables, expressions, "spec.variables")
    if not spec.validations and not spec.auditAnnotations:
        yield required("spec.validations", _NOTHING)
        yield required("spec.auditAnnotations", _NOTHING)
    for index, validation in enumerate(spec.validations):
        yield from _validate_validation(validation, expressions, f"spec.validations[{index}]")
    path = "spec.auditAnnotations"
    if len(spec.auditAnnotations) > _MOST_ANNOTATIONS:
        shown = [{"Key": each.key, "ValueExpression": each.valueExpression} for each in spec.auditAnnotations]
        yield invalid_value(path, shown, f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations")
    seen: set[str] = set()
    for index, annotation in enumerate(spec.auditAnnotations):
        yield from _validate_annotation(annotation, policy.metadata.name, expressions, f"{path}[{index}]")
        if annotation.key in seen:
            yield duplicate(f"{path}[{index}].key", annotation.key)
        seen.add(annotation.key)


def _validate_validation(validation: Validation, expressions: PolicyValidation, path: str) -> Iterator[FieldError]:
    yield from expressions.validation(validation.expression, f"{path}.expression")
    made, message = validation.messageExpression, validation.message
    if made and not made.strip():
        yield invalid_value(f"{path}.messageExpression", made, "must be non-empty if specified")
    elif made:
        yield from expressions.message(made, f"{path}.messageExpression")
    if message and not message.strip():
        yield invalid_value(f"{path}.message", message, "must be non-empty if specified")
    elif set(message.strip()) & {"\n", "\r"}:
        yield invalid_value(f"{path}.message", message, "must not contain line breaks")
    if validation.reason is not None and validation.reason not in _REASONS:
        yield not_supported(f"{path}.reason", validation.reason, _REASONS)


def _validate_annotation(
    annotation: AuditAnnotation, policy: str, expressions: PolicyValidation, path: str
) -> Iterator[FieldError]:
    for complaint in qualified(f"{policy}/{annotation.key}"):
        yield invalid_value(f"{path}.key", f"{policy}/{annotation.key}", complaint)
    value, where = annotation.valueExpression, f"{path}.valueExpression"
    if len(value.strip().encode()) > _LONGEST_VALUE:
        yield required(where, f"must not exceed {_LONGEST_VALUE} bytes in length")
    else:
        yield from expressions.audit_annotation(value, where)
