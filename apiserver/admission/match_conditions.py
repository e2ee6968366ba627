"""Conditions in CEL that a write must satisfy for a webhook or a policy to be asked about it.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from api.admissionregistration_v1 import MatchCondition
from apiserver.admission.attributes import Attributes, Object
from apiserver.admission.description import describe
from apiserver.admission.evaluation import Compiled, Evaluation, OutOfBudget, Patience, Unevaluable, evaluate
from apiserver.admission.matching import Match
from apiserver.expressions.admission import BUDGET_OF_MATCH_CONDITIONS
from apiserver.expressions.authorizer import UserJudge
from apiserver.expressions.policies import match_condition
from cel.libraries.authorizer import Requester, ResourceCheck
from cel.refusals import Refused


class MatchConditions:
    """Those of one webhook or policy, compiled when they are first asked for.  `params`: whether it has parameters;
    `fails_open`: whether it is not asked when a condition cannot be evaluated."""

    def __init__(self, conditions: Sequence[MatchCondition], *, params: bool = False, fails_open: bool) -> None:
        self._conditions, self._params, self._fails_open = conditions, params, fails_open

    @cached_property
    def _expressions(self) -> list[Compiled]:
        return [_compiled(condition.expression, self._params) for condition in self._conditions]

    def compile(self) -> None:
        _ = self._expressions

    def hold(self, variables: Mapping[str, Any], patience: Patience) -> bool:
        """Whether all hold.  One that does not is enough; else Unevaluable is raised for those without a value."""
        evaluation = Evaluation(variables, BUDGET_OF_MATCH_CONDITIONS, patience)
        problems = []
        for expression in self._expressions:
            try:
                if evaluation.value(expression) is False:
                    return False
            except OutOfBudget as error:
                problems = [str(error)]
                break
            except Unevaluable as error:
                problems.append(str(error))
        if problems and not self._fails_open:
            raise Unevaluable(problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]")
        return not problems


async def holding(conditions: MatchConditions, attributes: Attributes, shown: Match) -> bool:
    """Whether a webhook's conditions hold.  Raises Forbidden where that cannot be told."""
    variables = variables_of(attributes, shown)
    try:
        return await evaluate(lambda patience: conditions.hold(variables, patience))
    except Unevaluable as error:
        raise attributes.request.forbidden(str(error)) from None


def variables_of(attributes: Attributes, shown: Match) -> Object:
    """What expressions about a write can use, but for what is a policy's own."""
    request, resource = attributes.request, attributes.resource
    variables: Object = {
        "object": attributes.object(shown.kind),
        "oldObject": attributes.old_object(shown.kind),
        "request": describe(attributes, shown),
        "namespaceObject": None,
    }
    if request.context.requester is not None:
        authorizer = Requester(UserJudge(request.context.requester.user, attributes.api.authorizer))
        variables["authorizer"] = authorizer
        variables["authorizer.requestResource"] = ResourceCheck(
            authorizer, resource.group, resource.plural, request.subresource, attributes.namespace, attributes.name
        )
    return variables


def _compiled(source: str, params: bool) -> Compiled:
    try:
        return match_condition(source, params)
    except Refused as error:
        return str(error)
