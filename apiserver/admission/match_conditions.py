"""Conditions in CEL that a write must satisfy for a webhook to be asked about it.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from api.admissionregistration_v1 import MatchCondition
from apiserver.admission.attributes import Attributes, Object
from apiserver.admission.description import describe
from apiserver.admission.matching import Match
from apiserver.cel import BudgetExceeded, CompileError, EvaluationError, Expression
from apiserver.cel.admission import BUDGET_OF_MATCH_CONDITIONS, match_conditions
from apiserver.cel.libraries.authorizer import Requester, ResourceCheck

_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class MatchConditions:
    """Those of one webhook, compiled when they are first asked for."""

    def __init__(self, conditions: Sequence[MatchCondition]) -> None:
        self._conditions = conditions

    @cached_property
    def _expressions(self) -> list[Expression | str]:
        """Each compiled, or why it cannot be."""
        return [_compiled(condition.expression) for condition in self._conditions]

    def hold(self, attributes: Attributes, shown: Match, *, fails_open: bool) -> bool:
        """Whether a write satisfies all.  One that it does not is enough; where some cannot be evaluated it is as if
        the webhook had failed.  Raises Forbidden."""
        variables = variables_of(attributes, shown)
        budget, problems = BUDGET_OF_MATCH_CONDITIONS, []
        for expression in self._expressions:
            if isinstance(expression, str):
                problems.append(f"compilation error: {expression}")
                continue
            try:
                value, cost = expression.evaluate(variables, budget)
            except BudgetExceeded:
                problems = [_OUT_OF_BUDGET]
                break
            except EvaluationError as error:
                problems.append(f"expression '{expression.source}' resulted in error: {error}")
                cost = error.cost
            else:
                if value is False:
                    return False
            budget -= cost
        if problems and not fails_open:
            why = problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]"
            raise attributes.request.forbidden(why)
        return not problems


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
        authorizer = Requester(request.context.requester.user, attributes.api.authorizer)
        variables["authorizer"] = authorizer
        variables["authorizer.requestResource"] = ResourceCheck(
            authorizer, resource.group, resource.plural, request.subresource, attributes.namespace, attributes.name
        )
    return variables


def _compiled(source: str) -> Expression | str:
    try:
        return match_conditions().compile(source)
    except CompileError as error:
        return str(error)
