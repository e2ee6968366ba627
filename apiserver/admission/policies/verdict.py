"""What a validating policy has to say about one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from api.admissionregistration_v1 import Validation
from api.errors import Invalid
from apiserver.admission.evaluation import Evaluation, OutOfBudget, Patience, Unevaluable
from apiserver.admission.policies.compiled import ValidatingPolicy
from apiserver.expressions.admission import BUDGET_OF_POLICY

_LONGEST_MESSAGE = 5 * 1024
_AUTHORIZERS = ("authorizer", "authorizer.requestResource")


class Failure(NamedTuple):
    """A rule that is not kept or cannot be evaluated, and its place in the policy's list."""

    place: int
    message: str
    reason: str = Invalid.reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """`annotations` are keys and values for the audit log, `bad_annotations` says why there are not more."""

    failures: list[Failure] = field(default_factory=list)
    annotations: list[tuple[str, str]] = field(default_factory=list)
    bad_annotations: list[str] = field(default_factory=list)


def judge(policy: ValidatingPolicy, variables: Mapping[str, Any], patience: Patience) -> Verdict:
    """`variables` are those that expressions can use.  It changes nothing, and may be done again."""
    try:
        # Conditions are not told of the namespace.
        conditions = policy.conditions
        if conditions is not None and not conditions.hold({**variables, "namespaceObject": None}, patience):
            return Verdict()
        failures = _failures(policy, variables, patience)
        annotations, problems = _annotations(policy, _without_authorizer(variables), patience)
    except Unevaluable as error:
        return Verdict([] if policy.fails_open else [Failure(0, str(error))])
    return Verdict(failures, annotations, [] if policy.fails_open else problems)


def _without_authorizer(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What messages and annotations can use: they say nothing about what anybody may do."""
    return {name: value for name, value in variables.items() if name not in _AUTHORIZERS}


def _failures(policy: ValidatingPolicy, variables: Mapping[str, Any], patience: Patience) -> list[Failure]:
    """Raises OutOfBudget."""
    evaluation = Evaluation(variables, BUDGET_OF_POLICY, patience, policy.composed)
    results = [_result(evaluation, rule) for rule in policy.rules]
    messages, out_of_budget = _messages(policy, variables, evaluation.budget, patience)
    failures = []
    for index, (validation, result) in enumerate(zip(policy.validations, results, strict=True)):
        if isinstance(result, Unevaluable) or out_of_budget is not None:
            if not policy.fails_open:
                why = str(result) if isinstance(result, Unevaluable) else f"failed messageExpression: {out_of_budget}"
                failures.append(Failure(index, why))
        elif result is not True:
            message = _usable(messages[index]) or _message(validation)
            failures.append(Failure(index, message, validation.reason or Invalid.reason))
    return failures


def _result(evaluation: Evaluation, expression: Any) -> Any:
    """The value, or why there is none.  Raises OutOfBudget."""
    try:
        return evaluation.value(expression)
    except OutOfBudget:
        raise
    except Unevaluable as error:
        return error


def _messages(
    policy: ValidatingPolicy, variables: Mapping[str, Any], budget: int, patience: Patience
) -> tuple[list[Any], OutOfBudget | None]:
    """The values of the expressions for messages, of kept rules too: what they cost counts."""
    if not any(policy.messages):
        return [None] * len(policy.messages), None
    evaluation = Evaluation(_without_authorizer(variables), budget, patience, policy.composed)
    try:
        return [None if each is None else _result(evaluation, each) for each in policy.messages], None
    except OutOfBudget as error:
        return [], error


def _usable(message: Any) -> str:
    """Empty for what cannot be shown on one line."""
    text = message.strip() if isinstance(message, str) else ""
    return text if len(text.encode()) <= _LONGEST_MESSAGE and "\n" not in text else ""


def _message(validation: Validation) -> str:
    return validation.message.strip() or f"failed expression: {validation.expression.strip()}"


def _annotations(
    policy: ValidatingPolicy, variables: Mapping[str, Any], patience: Patience
) -> tuple[list[tuple[str, str]], list[str]]:
    """Raises OutOfBudget."""
    found: list[tuple[str, str]] = []
    problems: list[str] = []
    if policy.annotations:
        evaluation = Evaluation(variables, BUDGET_OF_POLICY, patience, policy.composed)
        for key, expression in policy.annotations:
            value = _result(evaluation, expression)
            if isinstance(value, Unevaluable):
                problems.append(str(value))
            elif isinstance(value, str) and value.strip():
                found.append((key, value.strip()))
    return found, problems
