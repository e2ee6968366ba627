"""The rules that schemas write in CEL (`x-kubernetes-validations`)."""

from __future__ import annotations

from typing import Any

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError
from apiserver.registry.structural_schemas import subschemas

COST_BUDGET = 10_000_000
"""What all rules may cost for one object, in CEL's units (`RuntimeCELCostBudget`)."""


def has_rules(schema: JSONSchemaProps) -> bool:
    """Whether there is any rule anywhere."""
    return bool(schema.x_kubernetes_validations) or any(map(has_rules, subschemas(schema)))


def rule_errors(schema: JSONSchemaProps, path: str, new: Any, old: Any, budget: int) -> list[FieldError]:
    """The rules that a value at `path` breaks; `old` is what was there before an update, MISSING when nothing was."""
    return []
