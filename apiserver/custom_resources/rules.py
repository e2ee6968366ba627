"""The rules that schemas write in CEL (`x-kubernetes-validations`), on custom objects."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from api.errors import FieldError
from apiserver.patience import TakesLong, may_take_long

if TYPE_CHECKING:
    from apiserver.custom_resources.definition import Version

COST_BUDGET = 10_000_000
"""What all rules may cost for one object, in CEL's units (`RuntimeCELCostBudget`)."""
_MOST_SECONDS = 30.0
_QUICK_BUDGET, _QUICK_SECONDS = 50_000, 0.02
"""What they may take while everybody else waits."""


def rule_errors(version: Version, new: Any, old: Any) -> tuple[list[FieldError], list[str]]:
    """The rules that an object breaks, and warnings about those that its old state, MISSING when there is none, broke
    in the same way.  Raises TakesLong."""
    from apiserver.cel.rule_evaluation import Evaluation

    patient = may_take_long()
    budget, seconds = (COST_BUDGET, _MOST_SECONDS) if patient else (_QUICK_BUDGET, _QUICK_SECONDS)
    evaluation = Evaluation(budget, monotonic() + seconds)
    if version.rules is not None:
        evaluation.run(version.rules, "", new, old)
    if evaluation.stopped and not patient:
        raise TakesLong
    return evaluation.errors, evaluation.warnings
