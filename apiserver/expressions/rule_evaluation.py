"""Which rules of a structural schema (`x-kubernetes-validations`) a value breaks.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules.  A
rule that uses `oldSelf` holds only where there is an old value; one that does not is forgiven what an update has left
as it was (ratcheting, KEP-4008), with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn

from api.apiextensions_v1 import JSONSchemaProps, ValidationRule
from api.errors import FieldError, duplicate, forbidden, invalid_value, required, without_value
from api.schema import MISSING
from apiserver.expressions.rules import OLD_SELF, SELF, CompiledRule, compile_rules, declare_self
from apiserver.expressions.schema_types import to_value
from apiserver.patch.json_value import equal
from apiserver.patience import TakesLong, may_take_long
from cel.declared import Declared
from cel.errors import BudgetExceeded, EvaluationError
from cel.values import NONE, Optional

BUDGET_PER_CALL = 1_000_000
_MOST_SECONDS = 30.0
_QUICK_BUDGET, _QUICK_SECONDS = 50_000, 0.02
"""What rules may take while everybody else waits."""
_LONGEST_MESSAGE = 5 * 1024
_STEP = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]")
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_MESSAGE_OUT_OF_BUDGET = (
    "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
)
_WRONG_CALL = "call arguments did not match a supported operator, function or macro signature for rule"


@dataclass(frozen=True, slots=True)
class Validator:
    """The compiled rules of a schema, and those below it that have any.

    `type` is the schema's, `keys` tell the items of a list apart where it is one of type map, `granular` says that
    members of an object have old values.
    """

    type: str
    declared: Declared
    rules: list[tuple[CompiledRule, str]]
    """With the path below the value that a rule's complaints are about."""
    items: Validator | None
    properties: Mapping[str, Validator]
    additional: Validator | None
    all_of: list[Validator]
    keys: tuple[str, ...]
    granular: bool


def validator(schema: JSONSchemaProps, whole: bool = True) -> Validator | None:
    """None when there are no rules.  `whole`: of a whole object, with its metadata."""
    declared = declare_self(schema, whole)
    return None if declared is None else _build(schema, schema, declared)


def _build(rules: JSONSchemaProps, of: JSONSchemaProps, declared: Declared) -> Validator | None:
    """`rules` is the schema that has the rules, `of` the one that says what the value is: they differ in allOf."""
    compiled = [(each, _normalized(each.rule.fieldPath, of)) for each in compile_rules(rules, declared)]
    items = additional = None
    element = declared.element
    if isinstance(rules.items, JSONSchemaProps) and isinstance(of.items, JSONSchemaProps) and element is not None:
        items = _build(rules.items, of.items, element)
    inner, known = rules.additionalProperties, of.additionalProperties
    if isinstance(inner, JSONSchemaProps) and isinstance(known, JSONSchemaProps) and element is not None:
        additional = _build(inner, known, element)
    properties: dict[str, Validator] = {}
    for name, below in rules.properties.items():
        if name in of.properties and name in declared.fields:
            built = _build(below, of.properties[name], declared.fields[name])
            if built is not None:
                properties[name] = built
    all_of = [built for part in rules.allOf if (built := _build(part, of, declared)) is not None]
    if not (compiled or items or additional or properties or all_of):
        return None
    keys = tuple(of.x_kubernetes_list_map_keys) if of.x_kubernetes_list_type == "map" else ()
    granular = of.x_kubernetes_map_type != "atomic"
    return Validator(of.type, declared, compiled, items, properties, additional, all_of, keys, granular)


def _normalized(path: str, schema: JSONSchemaProps) -> str:
    """`.spec['a']` as messages write it, with fields after dots and keys of maps in brackets."""
    shown, at = "", schema
    for name, key in _STEP.findall(path):
        step = name or key
        is_field = step in at.properties or not isinstance(at.additionalProperties, JSONSchemaProps)
        below = at.properties.get(step) if is_field else at.additionalProperties
        shown += f".{step}" if is_field else f"[{step}]"
        at = below if isinstance(below, JSONSchemaProps) else at
    return shown


class _Stopped(Exception):
    """The budget is spent."""


@dataclass(frozen=True, slots=True)
class _Correlation:
    """A value and what it was; `old` is MISSING where it was not there, or cannot be told.  `parent` is the nearest
    around it whose old value is known."""

    new: Any
    old: Any
    parent: _Correlation | None = None

    @property
    def unchanged(self) -> bool:
        if self.old is MISSING:
            return self.parent is not None and self.parent.unchanged
        return equal(self.new, self.old)

    def below(self, new: Any, old: Any) -> _Correlation:
        return _Correlation(new, old, self if self.old is not MISSING else self.parent)


@dataclass(slots=True)
class Evaluation:
    """Evaluates rules with one budget: `errors` are what they find, `warnings` what is forgiven.

    `until` is when it has to end, by the monotonic clock.  With `quick` it raises TakesLong when it must end early.
    """

    budget: int
    until: float | None = None
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    quick: bool = False

    @classmethod
    def begun(cls, budget: int) -> Evaluation:
        """One that may take as long as the work that it is part of."""
        if may_take_long():
            return cls(budget, monotonic() + _MOST_SECONDS)
        return cls(min(budget, _QUICK_BUDGET), monotonic() + _QUICK_SECONDS, quick=True)

    def run(self, of: Validator, path: str, new: Any, old: Any, ratchet: bool = True) -> None:
        """`old` is MISSING where there was nothing before; `ratchet`: whether unchanged values are forgiven."""
        try:
            self._validate(of, path, new, old, _Correlation(new, old if ratchet else MISSING))
        except _Stopped:
            if self.quick:
                raise TakesLong from None

    def _validate(self, of: Validator, path: str, new: Any, old: Any, correlation: _Correlation) -> None:
        if new is None:
            return
        if of.rules:
            self._rules(of, path, new, MISSING if old is None else old, correlation)
        for part in of.all_of:
            self._validate(part, path, new, old, _Correlation(new, MISSING, correlation.parent))
        if isinstance(new, list):
            if of.items is not None:
                self._list(of, of.items, path, new, old, correlation)
        elif isinstance(new, dict):
            self._members(of, path, new, old, correlation)

    def _list(
        self, of: Validator, items: Validator, path: str, new: list[Any], old: Any, correlation: _Correlation
    ) -> None:
        before: dict[tuple[str, ...], Any] = {}
        if of.keys and isinstance(old, list):
            before = {_keys(item, of.keys): item for item in old}
        for index, item in enumerate(new):
            was = before.get(_keys(item, of.keys), MISSING) if before else MISSING
            self._validate(items, f"{path}[{index}]", item, was, correlation.below(item, was))

    def _members(self, of: Validator, path: str, new: dict[str, Any], old: Any, correlation: _Correlation) -> None:
        for name, part in new.items():
            was = old.get(name, MISSING) if of.granular and isinstance(old, dict) else MISSING
            below = correlation.below(part, was)
            if not path and name in ("apiVersion", "kind"):  # both values are in the same version by now
                below = _Correlation(part, MISSING)
            if of.additional is not None:
                self._validate(of.additional, f"{path}[{name}]", part, was, below)
            if name in of.properties:
                self._validate(of.properties[name], f"{path}.{name}" if path else name, part, was, below)

    def _rules(self, of: Validator, path: str, new: Any, old: Any, correlation: _Correlation) -> None:
        if self.budget <= 0:
            self._stop(path, of, _OUT_OF_BUDGET)
        value = to_value(new, of.declared)
        before = old if old is MISSING else to_value(old, of.declared)
        for compiled, below in of.rules:
            rule = compiled.rule
            if compiled.error:
                self.errors.append(invalid_value(path or "<nil>", of.type, f"rule compile error: {compiled.error}"))
            if compiled.program is None or (compiled.uses_old and old is MISSING and not rule.optionalOldSelf):
                continue
            variables = {SELF: value}
            if rule.optionalOldSelf:
                variables[OLD_SELF] = NONE if before is MISSING else Optional(before, True)
            elif before is not MISSING:
                variables[OLD_SELF] = before
            if self._keeps(of, compiled, path, variables):
                continue
            where = f"{path}{below}".removeprefix(".") or "<nil>"
            error = self._broken(of, compiled, where, new, variables)
            if not compiled.uses_old and correlation.unchanged:
                self.warnings.append(str(error))
            else:
                self.errors.append(error)

    def _keeps(self, of: Validator, compiled: CompiledRule, path: str, variables: dict[str, Any]) -> bool:
        """Whether nothing more is to be said of a rule: the value keeps it, or it could not be evaluated."""
        assert compiled.program is not None
        shown = _shown(compiled.rule)
        try:
            value, cost = compiled.program.evaluate(variables, min(BUDGET_PER_CALL, self.budget), self.until)
        except BudgetExceeded as error:
            if error.cost > self.budget:
                self._stop(path, of, _OUT_OF_BUDGET)
            why = "no further validation rules will be run due to call cost exceeds limit for rule"
            self._stop(path, of, f"'{error}': {why}: {shown}")
        except EvaluationError as error:
            self._spend(error.cost, path, of, _OUT_OF_BUDGET)
            wrong = str(error).startswith("no such overload")
            detail = f"'{error}': {_WRONG_CALL}: {shown}" if wrong else f"{error} evaluating rule: {shown}"
            self.errors.append(invalid_value(path or "<nil>", of.type, detail))
            return True
        self._spend(cost, path, of, _OUT_OF_BUDGET)
        return value is True

    def _broken(
        self, of: Validator, compiled: CompiledRule, where: str, new: Any, variables: dict[str, Any]
    ) -> FieldError:
        """What is said of a value that breaks a rule."""
        rule = compiled.rule
        detail = self._message(of, compiled, where, variables)
        if not detail:
            detail = rule.message.strip() if rule.message else f"failed rule: {_shown(rule)}"
        match rule.reason:
            case "FieldValueForbidden":
                return forbidden(where, detail)
            case "FieldValueRequired":
                return required(where, detail)
            case "FieldValueDuplicate":
                return duplicate(where, new)
        if of.type in ("object", "array"):
            return without_value(where, detail)
        return invalid_value(where, new, detail)

    def _message(self, of: Validator, compiled: CompiledRule, where: str, variables: dict[str, Any]) -> str:
        """What the rule's expression says; empty when there is none or it cannot be used."""
        if compiled.message is None:
            return ""
        source = compiled.rule.messageExpression
        try:
            message, cost = compiled.message.evaluate(variables, min(BUDGET_PER_CALL, self.budget), self.until)
        except BudgetExceeded as error:
            if error.cost > self.budget:
                self._stop(where, of, _MESSAGE_OUT_OF_BUDGET)
            why = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
            self._stop(where, of, f'{why}: "{source}"')
        except EvaluationError as error:
            self._spend(error.cost, where, of, _MESSAGE_OUT_OF_BUDGET)
            return ""
        self._spend(cost, where, of, _MESSAGE_OUT_OF_BUDGET)
        message = str(message).strip()
        usable = len(message.encode()) <= _LONGEST_MESSAGE and "\n" not in message
        return message if usable else ""

    def _spend(self, cost: int, path: str, of: Validator, why: str) -> None:
        if cost > self.budget:
            self._stop(path, of, why)
        self.budget -= cost

    def _stop(self, path: str, of: Validator, why: str) -> NoReturn:
        self.errors.append(invalid_value(path or "<nil>", of.type, why))
        raise _Stopped


def _keys(item: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repr(item.get(key)) for key in keys) if isinstance(item, dict) else (repr(item),)


def _shown(rule: ValidationRule) -> str:
    return (rule.message or rule.rule).strip()
