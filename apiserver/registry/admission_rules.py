"""What webhooks and admission policies have in common: which requests they are about, and under which conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from api.admissionregistration_v1 import (
    MatchCondition,
    MatchResources,
    NamedRuleWithOperations,
    ParamKind,
    ParamRef,
    RuleWithOperations,
    Variable,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required, too_many
from api.meta_v1 import LabelSelector
from apiserver.registry.expressions import PolicyValidation, validate_match_condition
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import dns1035, dns_subdomain, qualified, subdomain
from apiserver.registry.typed_references import validate_segment

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
_SCOPES = ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_NOT_FOUND_ACTIONS = ("Deny", "Allow")
_MOST_CONDITIONS = 64
_EXCLUSIVE = "name and selector are mutually exclusive"
_is_identifier = re.compile("[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
_RESERVED = frozenset(
    [
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    ]
)


class Matching(Protocol):
    matchPolicy: str | None
    namespaceSelector: LabelSelector | None
    objectSelector: LabelSelector | None


def default_matching(matching: Matching, rules: Sequence[RuleWithOperations | NamedRuleWithOperations]) -> None:
    if matching.matchPolicy is None:
        matching.matchPolicy = "Equivalent"
    if matching.namespaceSelector is None:
        matching.namespaceSelector = LabelSelector()
    if matching.objectSelector is None:
        matching.objectSelector = LabelSelector()
    for rule in rules:
        if rule.scope is None:
            rule.scope = "*"


def default_match_resources(resources: MatchResources | None) -> None:
    if resources is not None:
        default_matching(resources, [*resources.resourceRules, *resources.excludeResourceRules])


def validate_choice(value: str | None, choices: tuple[str, ...], path: str, *, needed: bool) -> Iterator[FieldError]:
    if value is None or value == "":
        if needed:
            yield required(path)
    elif value not in choices:
        yield not_supported(path, value, choices)


# --- rules ----------------------------------------------------------------------------------------


def validate_rule(rule: RuleWithOperations | NamedRuleWithOperations, path: str) -> Iterator[FieldError]:
    yield from _validate_wildcards(rule.operations, f"{path}.operations", "operations")
    for index, operation in enumerate(rule.operations):
        if operation not in _OPERATIONS:
            yield not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    yield from _validate_wildcards(rule.apiGroups, f"{path}.apiGroups", "API groups")
    yield from _validate_wildcards(rule.apiVersions, f"{path}.apiVersions", "API versions")
    for index, version in enumerate(rule.apiVersions):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _validate_resources(rule.resources, f"{path}.resources")
    if rule.scope is not None and rule.scope not in _SCOPES:
        yield not_supported(f"{path}.scope", rule.scope, _SCOPES)


def _validate_wildcards(values: Sequence[str], path: str, what: str) -> Iterator[FieldError]:
    if not values:
        yield required(path)
    if len(values) > 1 and "*" in values:
        yield invalid_value(path, list(values), f"if '*' is present, must not specify other {what}")


def _validate_resources(resources: Sequence[str], path: str) -> Iterator[FieldError]:
    if not resources:
        yield required(path)
    whole: set[str] = set()  # x of x/*
    everywhere: set[str] = set()  # x of */x
    plain = False
    for index, text in enumerate(resources):
        where = f"{path}[{index}]"
        if not text:
            yield required(where)
            continue
        resource, slash, sub = text.partition("/")
        if not slash:
            plain = text != "*"
            continue
        if resource in whole:
            yield invalid_value(where, text, f"if '{resource}/*' is present, must not specify {text}")
        if sub in everywhere:
            yield invalid_value(where, text, f"if '*/{sub}' is present, must not specify {text}")
        if sub == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        yield invalid_value(path, list(resources), "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        detail = "if '*' is present, must not specify other resources without subresources"
        yield invalid_value(path, list(resources), detail)


def validate_match_resources(resources: MatchResources | None, path: str) -> Iterator[FieldError]:
    if resources is None:
        return
    yield from validate_choice(resources.matchPolicy, MATCH_POLICIES, f"{path}.matchPolicy", needed=True)
    yield from validate_selector(resources.namespaceSelector, f"{path}.namespaceSelector")
    yield from validate_selector(resources.objectSelector, f"{path}.objectSelector")
    for field in ("resourceRules", "excludeResourceRules"):
        rules: list[NamedRuleWithOperations] = getattr(resources, field)
        for index, rule in enumerate(rules):
            where = f"{path}.{field}[{index}]"
            seen: set[str] = set()
            for position, name in enumerate(rule.resourceNames):
                yield from validate_segment(name, f"{where}.resourceNames[{position}]", needed=False)
                if name in seen:
                    yield duplicate(f"{where}.resourceNames[{position}]", name)
                seen.add(name)
            yield from validate_rule(rule, where)


# --- conditions, variables, parameters ------------------------------------------------------------


def validate_match_conditions(
    conditions: Sequence[MatchCondition], path: str, params: bool = False
) -> Iterator[FieldError]:
    """`params`: whether they are those of a policy that has a paramKind."""
    if len(conditions) > _MOST_CONDITIONS:
        yield too_many(path, len(conditions), _MOST_CONDITIONS)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        where = f"{path}[{index}]"
        yield from validate_match_condition(condition.expression, f"{where}.expression", params)
        if not condition.name:
            yield required(f"{where}.name")
            continue
        for complaint in qualified(condition.name):
            yield invalid_value(f"{where}.name", condition.name, complaint)
        if condition.name in seen:
            yield duplicate(f"{where}.name", condition.name)
        seen.add(condition.name)


def validate_variables(variables: Sequence[Variable], expressions: PolicyValidation, path: str) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        where = f"{path}[{index}]"
        if not variable.name.strip():
            yield required(f"{where}.name", "name is not specified")
        elif not _is_identifier(variable.name) or variable.name in _RESERVED:
            yield invalid_value(f"{where}.name", variable.name, "must be a valid CEL identifier")
        yield from expressions.variable(variable, f"{where}.expression")


def validate_param_kind(kind: ParamKind | None, path: str) -> Iterator[FieldError]:
    if kind is None:
        return
    where, text = f"{path}.apiVersion", kind.apiVersion
    if not text:
        yield required(where)
    elif text.count("/") > 1:
        yield invalid_value(where, text, f"unexpected GroupVersion string: {text}")
    else:
        group, _, version = text.rpartition("/")
        if group and subdomain(group):
            yield invalid_value(where, group, ",".join(subdomain(group)))
        if not version:
            yield invalid_value(where, text, "version must be specified")
        elif dns1035(version):
            yield invalid_value(where, version, ",".join(dns1035(version)))
    if not kind.kind:
        yield required(f"{path}.kind")
    elif complaints := dns1035(kind.kind.lower()):
        detail = "may have mixed case, but should otherwise match: " + ",".join(complaints)
        yield invalid_value(f"{path}.kind", kind.kind, detail)


def validate_policy_name(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    for complaint in dns_subdomain(name):
        yield invalid_value(path, name, complaint)


def validate_param_ref(reference: ParamRef | None, path: str) -> Iterator[FieldError]:
    if reference is None:
        return
    name, selector = reference.name, reference.selector
    if name:
        yield from validate_segment(name, f"{path}.name")
        if selector is not None:
            yield forbidden(f"{path}.name", _EXCLUSIVE)
    if selector is not None:
        yield from validate_selector(selector, f"{path}.selector")
        if name:
            yield forbidden(f"{path}.selector", _EXCLUSIVE)
    if not name and selector is None:
        yield required(path, "one of name or selector must be specified")
    action, where = reference.parameterNotFoundAction, f"{path}.parameterNotFoundAction"
    yield from validate_choice(action, _NOT_FOUND_ACTIONS, where, needed=True)


# --- how tables show them -------------------------------------------------------------------------


def param_kind_shown(kind: ParamKind | None) -> str:
    return "<unset>" if kind is None else f"{kind.apiVersion}/{kind.kind}"


def param_ref_shown(reference: ParamRef | None) -> str:
    if reference is not None and reference.name:
        return f"{reference.namespace or '*'}/{reference.name}"
    if reference is None or reference.selector is None:
        return "<unset>"
    labels = "".join(f"{key}: {value}," for key, value in sorted(reference.selector.matchLabels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each.key},Operator:{each.operator},Values:[{' '.join(each.values)}],}},"
        for each in reference.selector.matchExpressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
