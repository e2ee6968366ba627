"""Whether the rules of a structural schema (`x-kubernetes-validations`) compile, and cost no more than they may.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.apiextensions_v1 import JSONSchemaProps, ValidationRule
from api.errors import FieldError, forbidden, invalid_value
from apiserver.patience import TakesLong, may_take_long
from apiserver.registry.structural_schemas import subschemas

if TYPE_CHECKING:
    from cel.declared import Declared

_MOST_FOR_RULE = 10_000_000
_MOST_FOR_SCHEMA = 100_000_000
_QUICK_LENGTH = 20_000
"""Of rules that are compiled at once: some 50 ms of work."""
_MOST_NAMED = 4
"""Of the rules that make a schema too expensive."""
_LARGEST = 2**64 - 1
_CONTRIBUTED = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
_TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
_ADVICE = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared"
)
_NOT_USED = "may not be set if oldSelf is not used in rule"


@dataclass(slots=True)
class _Total:
    """What all rules cost together, and which of them the most."""

    cost: int = 0
    expensive: list[tuple[int, str]] = field(default_factory=list)

    def add(self, cost: int, path: str) -> None:
        self.cost = min(self.cost + cost, _LARGEST)
        if cost * 100 >= _MOST_FOR_SCHEMA:
            self.expensive.append((cost, path))


@dataclass(frozen=True, slots=True)
class _Place:
    """`declared`: what rules see of a value.  `repeated`: how often values can be here, None without a bound.
    `uncorrelated`: the schema below which a value has no one old value."""

    declared: Declared
    repeated: int | None = 1
    uncorrelated: str = ""


def has_rules(schema: JSONSchemaProps) -> bool:
    """Whether there is any rule anywhere."""
    return bool(schema.x_kubernetes_validations) or any(map(has_rules, subschemas(schema)))


def begin_to_compile(schema: JSONSchemaProps) -> None:
    """Raises TakesLong when the rules are long and there is no time for them."""
    if not may_take_long() and _length(schema) > _QUICK_LENGTH:
        raise TakesLong


def _length(schema: JSONSchemaProps) -> int:
    own = sum(len(rule.rule) + len(rule.messageExpression) for rule in schema.x_kubernetes_validations)
    return own + sum(map(_length, subschemas(schema)))


def validate_rules(schema: JSONSchemaProps, path: str, broken: Sequence[str]) -> Iterator[FieldError]:
    """`broken` are the paths of what is wrong with the schema already: rules around them are left alone."""
    if not has_rules(schema):
        return
    begin_to_compile(schema)
    from apiserver.expressions.rules import declare_self

    total = _Total()
    declared = declare_self(schema, whole=True)
    if declared is not None:
        yield from _validate(schema, path, _Place(declared), broken, total)
    if total.cost > _MOST_FOR_SCHEMA:
        for _, where in sorted(total.expensive, key=lambda each: -each[0])[:_MOST_NAMED]:
            yield forbidden(where, _CONTRIBUTED)
        yield forbidden(path, _exceeded(_TOTAL, total.cost, _MOST_FOR_SCHEMA))


def _validate(
    schema: JSONSchemaProps, path: str, place: _Place, broken: Sequence[str], total: _Total
) -> Iterator[FieldError]:
    additional, items, element = schema.additionalProperties, schema.items, place.declared.element
    atomic = place.uncorrelated or (path if schema.x_kubernetes_map_type == "atomic" else "")
    if isinstance(additional, JSONSchemaProps) and element is not None:
        below = _Place(element, _repeated(place, schema.maxProperties), atomic)
        yield from _validate(additional, f"{path}.additionalProperties", below, broken, total)
    for name, part in schema.properties.items():
        declared = place.declared.fields.get(name)
        if declared is not None:
            below = _Place(declared, place.repeated, atomic)
            yield from _validate(part, f"{path}.properties[{name}]", below, broken, total)
    if isinstance(items, JSONSchemaProps) and element is not None:
        uncorrelated = place.uncorrelated or ("" if schema.x_kubernetes_list_type == "map" else path)
        below = _Place(element, _repeated(place, schema.maxItems), uncorrelated)
        yield from _validate(items, f"{path}.items", below, broken, total)
    if schema.x_kubernetes_validations and not any(_is_within(each, path) for each in broken):
        yield from _validate_here(schema, path, place, total)


def _repeated(place: _Place, most: int | None) -> int | None:
    """How often there can be what is repeated at a place up to so many times."""
    if place.repeated is None or most is None:
        return None
    return min(place.repeated * max(most, 0), _LARGEST)


def _is_within(path: str, around: str) -> bool:
    return path == around or path.startswith((f"{around}.", f"{around}["))


def _validate_here(schema: JSONSchemaProps, path: str, place: _Place, total: _Total) -> Iterator[FieldError]:
    from apiserver.expressions.rules import compile_rules
    from apiserver.expressions.schema_types import cardinality

    repeated = cardinality(place.declared) if place.repeated is None else place.repeated
    for index, compiled in enumerate(compile_rules(schema, place.declared)):
        where = f"{path}.x-kubernetes-validations[{index}]"
        rule, at_rule, at_message = compiled.rule, f"{where}.rule", f"{where}.messageExpression"
        cost = min(compiled.cost * repeated, _LARGEST)
        if cost > _MOST_FOR_RULE:
            yield forbidden(at_rule, _exceeded("estimated rule cost", cost, _MOST_FOR_RULE))
        total.add(cost, at_rule)
        if compiled.error:
            yield invalid_value(at_rule, _shown(rule), compiled.error)
        if compiled.message_error:
            yield invalid_value(at_message, _shown(rule), compiled.message_error)
        elif compiled.message is not None:
            cost = compiled.message_cost
            if cost > _MOST_FOR_RULE:
                yield forbidden(at_message, _exceeded("estimated messageExpression cost", cost, _MOST_FOR_RULE))
            total.add(cost, at_message)
        if compiled.uses_old and place.uncorrelated:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            yield invalid_value(at_rule, rule.rule, why)
        elif not compiled.uses_old and rule.optionalOldSelf is not None:
            yield invalid_value(f"{where}.optionalOldSelf", rule.optionalOldSelf, _NOT_USED)


def _shown(rule: ValidationRule) -> dict[str, Any]:
    """A rule as messages quote it."""
    return {
        "Rule": rule.rule,
        "Message": rule.message,
        "MessageExpression": rule.messageExpression,
        "Reason": rule.reason,
        "FieldPath": rule.fieldPath,
        "OptionalOldSelf": rule.optionalOldSelf,
    }


def _exceeded(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} ({_ADVICE})"
