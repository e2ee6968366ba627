"""Expressions in the Common Expression Language (CEL): whether they may stand where an object has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from api.admissionregistration_v1 import Variable
from api.errors import FieldError, forbidden, invalid_value, required


def _refusals(expression: str, path: str, compile: Callable[[str], object]) -> Iterator[FieldError]:
    """What is wrong with an expression; `compile` raises Refused."""
    from cel.refusals import Refused, TooCostly

    try:
        compile(expression)
    except TooCostly as error:
        yield forbidden(path, str(error))
    except Refused as error:
        yield invalid_value(path, expression, str(error))


def validate_device_selector(expression: str, path: str) -> Iterator[FieldError]:
    from cel.devices import device_selector

    yield from _refusals(expression, path, device_selector)


def validate_match_condition(expression: str, path: str, params: bool) -> Iterator[FieldError]:
    """`params`: whether the policy that has the condition has a paramKind."""
    if not expression.strip():
        yield required(path)
        return
    from apiserver.expressions.policies import match_condition

    expression = expression.strip()
    yield from _refusals(expression, path, lambda source: match_condition(source, params))


class PolicyValidation:
    """Checks the expressions of one policy, its variables first.  `patches`: of one that changes objects."""

    def __init__(self, params: bool, patches: bool = False) -> None:
        from apiserver.expressions.policies import PolicyExpressions

        self._expressions = PolicyExpressions(params)
        self._patches = patches

    def variable(self, variable: Variable, path: str) -> Iterator[FieldError]:
        name, patches = variable.name, self._patches
        yield from self._needed(variable.expression, path, lambda e: self._expressions.variable(name, e, patches))

    def validation(self, expression: str, path: str) -> Iterator[FieldError]:
        yield from self._needed(expression, path, self._expressions.validation)

    def message(self, expression: str, path: str) -> Iterator[FieldError]:
        yield from _refusals(expression, path, self._expressions.message)

    def audit_annotation(self, expression: str, path: str) -> Iterator[FieldError]:
        missing = "valueExpression is not specified"
        yield from self._needed(expression, path, self._expressions.audit_annotation, missing)

    def mutation(self, patch_type: str, expression: str, path: str) -> Iterator[FieldError]:
        """The expression of an ApplyConfiguration or a JSONPatch."""
        expressions = self._expressions
        compile = expressions.json_patch if patch_type == "JSONPatch" else expressions.apply_configuration
        yield from self._needed(expression, path, compile, "")

    def _needed(
        self,
        expression: str,
        path: str,
        compile: Callable[[str], object],
        missing: str = "expression is not specified",
    ) -> Iterator[FieldError]:
        if not expression.strip():
            yield required(path, missing)
        else:
            yield from _refusals(expression, path, compile)
