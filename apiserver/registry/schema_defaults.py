"""Whether the defaults in a structural schema fit the schema themselves."""

from __future__ import annotations

from collections.abc import Iterator

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import FieldError, invalid_value
from apiserver.patch.json_value import copied
from apiserver.registry.embedded_objects import validate_embedded
from apiserver.registry.schema_pruning import prune
from apiserver.registry.schema_rules import has_rules
from apiserver.registry.schema_values import validate_value

_BUDGET = 10_000_000


def _rule_errors(schema: JSONSchemaProps, where: str, embedded: bool) -> list[FieldError]:
    """The schema's rules that its own default breaks."""
    if not has_rules(schema):
        return []
    from apiserver.expressions.rule_evaluation import Evaluation, validator

    rules = validator(schema, embedded)
    evaluation = Evaluation.begun(_BUDGET)
    if rules is not None:
        evaluation.run(rules, where, schema.default, schema.default, ratchet=False)
    return [error for error in evaluation.errors if "rule compile error" not in error.detail]


def validate_defaults(schema: JSONSchemaProps, path: str, embedded: bool = True) -> Iterator[FieldError]:
    """`embedded`: whether the schema is that of a whole object, as it is at the root.

    Below additionalProperties there are none.
    """
    if schema.default is not None:
        where = f"{path}.default"
        known = copied(schema.default)
        prune(known, schema, embedded)
        if known != schema.default:
            yield invalid_value(where, schema.default, "must not have unknown fields")
        yield from (
            list(validate_embedded(schema.default, schema, where, embedded))
            or list(validate_value(schema.default, schema, where))
            or _rule_errors(schema, where, embedded)
        )
    if isinstance(schema.items, JSONSchemaProps):
        yield from validate_defaults(schema.items, f"{path}.items", schema.items.x_kubernetes_embedded_resource)
    for name, field in schema.properties.items():
        yield from validate_defaults(field, f"{path}.properties[{name}]", field.x_kubernetes_embedded_resource)
