"""Flow schemas: which requests belong together, and at what priority level they are served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.flowcontrol_v1 import (
    FlowSchema,
    FlowSchemaStatus,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    Subject,
)
from api.model import Model
from api.scheme import resource_of
from apiserver.flow_control.bootstrap_configuration import MANDATORY_SCHEMAS
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.names import dns_label, dns_subdomain
from apiserver.registry.strategy import Column, Context, Status, Strategy

_MOST = 10_000
_DEFAULT = 1000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_ALL = "*"


@dataclass(frozen=True)
class FlowControlStatus(Status):
    """`/status` of flow schemas and priority levels: nothing but conditions."""

    def unowned(self, model: type[Model]) -> Mapping[str, Any]:
        return {**(super().unowned(model) or {}), "f:metadata": {}}

    def prepare_for_update(self, new: Any, old: Any) -> None:
        super().prepare_for_update(new, old)
        new.metadata = old.metadata

    def validate_update(self, new: Any, old: Any) -> Iterable[FieldError]:
        return _validate_conditions(new.status.conditions)


def _missing_level(schema: FlowSchema) -> str:
    return next((c.status for c in schema.status.conditions if c.type == "Dangling"), "?")


class FlowSchemas(Strategy[FlowSchema]):
    resource = resource_of(FlowSchema)
    subresources = (FlowControlStatus(),)
    columns = (
        NAME,
        Column(
            "PriorityLevel",
            lambda s, now: s.spec.priorityLevelConfiguration.name,
            description="The level its requests are served at.",
        ),
        Column(
            "MatchingPrecedence",
            lambda s, now: s.spec.matchingPrecedence,
            description="Which schema is taken where several fit: the least.",
        ),
        Column(
            "DistinguisherMethod",
            lambda s, now: s.spec.distinguisherMethod.type if s.spec.distinguisherMethod else "<none>",
            description="How its requests are told apart into flows.",
        ),
        AGE,
        Column("MissingPL", lambda s, now: _missing_level(s), description="Whether the level does not exist."),
    )

    def default(self, obj: FlowSchema) -> None:
        obj.spec.matchingPrecedence = obj.spec.matchingPrecedence or _DEFAULT

    def prepare_for_create(self, new: FlowSchema, context: Context) -> None:
        new.status = FlowSchemaStatus()
        new.metadata.generation = 1
        _null_namespaces(new)

    def prepare_for_update(self, new: FlowSchema, old: FlowSchema, context: Context) -> None:
        new.status = old.status
        _null_namespaces(new)
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate(self, new: FlowSchema) -> Iterator[FieldError]:
        spec, name = new.spec, new.metadata.name
        path = "spec.matchingPrecedence"
        if spec.matchingPrecedence <= 0:
            yield invalid_value(path, spec.matchingPrecedence, "must be a positive value")
        if spec.matchingPrecedence > _MOST:
            yield invalid_value(path, spec.matchingPrecedence, f"must not be greater than {_MOST}")
        if spec.matchingPrecedence == 1 and name != "exempt":
            yield invalid_value(path, 1, "only the schema named 'exempt' may have matchingPrecedence 1")
        method = spec.distinguisherMethod
        if method is not None and method.type not in _METHODS:
            yield not_supported("spec.distinguisherMethod.type", internal(method), _METHODS)
        level = spec.priorityLevelConfiguration.name
        if not level:
            yield required("spec.priorityLevelConfiguration.name", "must reference a priority level")
        for complaint in dns_subdomain(level) if level else ():
            yield invalid_value("spec.priorityLevelConfiguration.name", level, complaint)
        for index, rule in enumerate(spec.rules):
            yield from _validate_rules(rule, f"spec.rules[{index}]")
        if name in MANDATORY_SCHEMAS and spec.to_dict() != MANDATORY_SCHEMAS[name]:
            yield invalid_value("spec", internal(spec), f"spec of '{name}' must equal the fixed value")


def _null_namespaces(schema: FlowSchema) -> None:
    """No namespaces are null on the wire, however they were sent."""
    for rules in schema.spec.rules:
        for rule in rules.resourceRules:
            rule.namespaces = rule.namespaces or None


def _validate_conditions(conditions: Sequence[Any]) -> Iterator[FieldError]:
    seen = set()
    for index, condition in enumerate(conditions):
        path = f"status.conditions[{index}].type"
        if condition.type in seen:
            yield duplicate(path, condition.type)
        seen.add(condition.type)
        if not condition.type:
            yield required(path, "must not be empty")


def _validate_rules(rules: PolicyRulesWithSubjects, path: str) -> Iterator[FieldError]:
    for index, subject in enumerate(rules.subjects):
        yield from _validate_subject(subject, f"{path}.subjects[{index}]")
    if not rules.subjects:
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    if not rules.resourceRules and not rules.nonResourceRules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, rule in enumerate(rules.resourceRules):
        yield from _validate_resource_rule(rule, f"{path}.resourceRules[{index}]")
    for index, other in enumerate(rules.nonResourceRules):
        yield from _validate_path_rule(other, f"{path}.nonResourceRules[{index}]")


def _validate_subject(subject: Subject, path: str) -> Iterator[FieldError]:
    own = _SUBJECTS.get(subject.kind)
    if own is None:
        yield not_supported(f"{path}.kind", subject.kind, tuple(_SUBJECTS))
        return
    found = getattr(subject, own)
    if found is None:
        yield required(f"{path}.{own}", f"{own} is required when subject kind is '{subject.kind}'")
    elif not found.name:
        yield required(f"{path}.{own}.name")
    if subject.kind == "ServiceAccount" and found is not None:
        for complaint in dns_subdomain(found.name) if found.name not in ("", _ALL) else ():
            yield invalid_value(f"{path}.{own}.name", found.name, complaint)
        if not found.namespace:
            yield required(f"{path}.{own}.namespace", "must specify namespace for service account")
        for complaint in dns_label(found.namespace) if found.namespace else ():
            yield invalid_value(f"{path}.{own}.namespace", found.namespace, complaint)
    for kind, member in (("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")):
        if kind != subject.kind and getattr(subject, member) is not None:
            yield forbidden(f"{path}.{member}", f"{member} is forbidden when subject kind is not '{kind}'")


def _validate_verbs(verbs: list[str], path: str) -> Iterator[FieldError]:
    if not verbs:
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    elif _ALL in verbs:
        yield from _alone(verbs, f"{path}.verbs", "verbs")
    elif not set(verbs) <= set(_VERBS):
        yield not_supported(f"{path}.verbs", verbs, _VERBS)


def _alone(values: list[str], path: str, what: str) -> Iterator[FieldError]:
    if _ALL in values and len(values) > 1:
        yield invalid_value(path, values, f"if '*' is present, must not specify other {what}")


def _validate_resource_rule(rule: ResourcePolicyRule, path: str) -> Iterator[FieldError]:
    yield from _validate_verbs(rule.verbs, path)
    if not rule.apiGroups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    yield from _alone(rule.apiGroups, f"{path}.apiGroups", "api groups")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
    yield from _alone(rule.resources, f"{path}.resources", "resources")
    namespaces, where = rule.namespaces or [], f"{path}.namespaces"
    if not namespaces and not rule.clusterScope:
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(where, detail)
    elif _ALL in namespaces:
        yield from _alone(namespaces, where, "namespaces")
    else:
        for index, namespace in enumerate(namespaces):
            for complaint in dns_label(namespace):
                detail = f"each member of this list must be '*' or a DNS-1123 label; {complaint}"
                yield invalid_value(f"{where}[{index}]", namespace, detail)


def _validate_path_rule(rule: NonResourcePolicyRule, path: str) -> Iterator[FieldError]:
    yield from _validate_verbs(rule.verbs, path)
    paths, where = rule.nonResourceURLs, f"{path}.nonResourceURLs"
    if not paths:
        yield required(where, "nonResourceURLs must contain at least one value")
    elif _ALL in paths:
        yield from _alone(paths, where, "non-resource URLs")
    else:
        for index, each in enumerate(paths):
            problem = _path_problem(each)
            if problem:
                yield invalid_value(f"{where}[{index}]", each, problem)


def _path_problem(path: str) -> str:
    if not path:
        return "must not be empty"
    if not path.startswith("/"):
        return "must start with slash"
    if " " in path:
        return "must not contain white-space"
    if "//" in path:
        return "must not contain double slash"
    if "*" in path and (path.count("*") > 1 or not path.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
