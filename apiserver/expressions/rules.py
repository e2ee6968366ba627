"""The rules of a schema (`x-kubernetes-validations`) as programs: what each costs at most, and what is wrong with it.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

from __future__ import annotations

from dataclasses import dataclass

from api.apiextensions_v1 import JSONSchemaProps, ValidationRule
from apiserver.expressions.schema_types import declare
from cel.cost_estimate import estimate_cost
from cel.declared import Declared, size_at
from cel.environment import Environment
from cel.errors import CompileError
from cel.program import Program
from cel.syntax import Ident, walk
from cel.types import BOOL, STRING, Type, optional_of

SELF, OLD_SELF = "self", "oldSelf"


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """`program` and `message` are None where there is none or an `error`, a `message_error`; costs are the most that
    one evaluation can take."""

    rule: ValidationRule
    program: Program | None = None
    error: str = ""
    cost: int = 0
    uses_old: bool = False
    message: Program | None = None
    message_error: str = ""
    message_cost: int = 0


def declare_self(schema: JSONSchemaProps, whole: bool) -> Declared | None:
    """What `self` is in the rules of a schema; None where there can be none."""
    return declare(schema, SELF, whole)


def compile_rules(schema: JSONSchemaProps, declared: Declared) -> list[CompiledRule]:
    """The rules of one schema, not those below it."""
    return [_compile(rule, declared) for rule in schema.x_kubernetes_validations]


def _environment(of: Type, optional: bool) -> Environment:
    return Environment({SELF: of, OLD_SELF: optional_of(of) if optional else of})


def _compile(rule: ValidationRule, declared: Declared) -> CompiledRule:
    if not rule.rule.strip():
        return CompiledRule(rule)
    environment = _environment(declared.type, bool(rule.optionalOldSelf))
    try:
        program = environment.compile(rule.rule)
    except CompileError as error:
        return CompiledRule(rule, error=error.detail)
    if program.type != BOOL:
        return CompiledRule(rule, error="cel expression must evaluate to a bool")
    uses_old = any(isinstance(node, Ident) and node.name == OLD_SELF for node in walk(program.tree))
    cost = _cost(program, declared)
    if not rule.messageExpression.strip():
        return CompiledRule(rule, program, cost=cost, uses_old=uses_old)
    message: Program | None = None
    wrong = ""
    try:
        message = environment.compile(rule.messageExpression)
    except CompileError as error:
        wrong = f"messageExpression {error.detail.removeprefix('program ')}"
    if message is not None and message.type != STRING:
        message, wrong = None, "messageExpression must evaluate to a string"
    message_cost = 0 if message is None else _cost(message, declared)
    return CompiledRule(rule, program, "", cost, uses_old, message, wrong, message_cost)


def _cost(program: Program, declared: Declared) -> int:
    return estimate_cost(program.tree, lambda path: size_at(declared, path)).most
