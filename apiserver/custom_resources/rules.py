"""The rules that schemas write in CEL (`x-kubernetes-validations`), on custom objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.errors import FieldError
from apiserver.registry.schema_rules import begin_to_compile

if TYPE_CHECKING:
    from apiserver.custom_resources.definition import Version

COST_BUDGET = 10_000_000
"""What all rules may cost for one object, in CEL's units (`RuntimeCELCostBudget`)."""


def rule_errors(version: Version, new: Any, old: Any) -> tuple[list[FieldError], list[str]]:
    """The rules that an object breaks, and warnings about those that its old state, MISSING when there is none, broke
    in the same way.  Raises TakesLong."""
    from apiserver.expressions.rule_evaluation import Evaluation

    if not version.rules_compiled:
        begin_to_compile(version.schema)
    evaluation = Evaluation.begun(COST_BUDGET)
    if version.rules is not None:
        evaluation.run(version.rules, "", new, old)
    return evaluation.errors, evaluation.warnings
