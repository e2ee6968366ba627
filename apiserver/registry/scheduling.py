"""The rules of where a pod may run: affinity, tolerations, spread, gates."""

from __future__ import annotations

from collections.abc import Iterator

from api.core_v1 import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSpec,
    Toleration,
    TopologySpreadConstraint,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import label, label_value, qualified, subdomain

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists")
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"


def validate_affinity(affinity: Affinity, path: str) -> Iterator[FieldError]:
    if affinity.nodeAffinity is not None:
        yield from validate_node_affinity(affinity.nodeAffinity, f"{path}.nodeAffinity")
    if affinity.podAffinity is not None:
        yield from _validate_pod_affinity(affinity.podAffinity, f"{path}.podAffinity")
    if affinity.podAntiAffinity is not None:
        yield from _validate_pod_affinity(affinity.podAntiAffinity, f"{path}.podAntiAffinity")


def validate_node_affinity(affinity: NodeAffinity, path: str) -> Iterator[FieldError]:
    must = affinity.requiredDuringSchedulingIgnoredDuringExecution
    if must is not None:
        yield from validate_node_selector(must, f"{path}.{_REQUIRED}")
    for index, preferred in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        where = f"{path}.{_PREFERRED}[{index}]"
        if not 1 <= preferred.weight <= 100:
            yield invalid_value(f"{where}.weight", preferred.weight, _WEIGHT)
        yield from _validate_term(preferred.preference, f"{where}.preference")


def validate_node_selector(selector: NodeSelector, path: str) -> Iterator[FieldError]:
    where = f"{path}.nodeSelectorTerms"
    if not selector.nodeSelectorTerms:
        yield required(where, "must have at least one node selector term")
    for index, term in enumerate(selector.nodeSelectorTerms):
        yield from _validate_term(term, f"{where}[{index}]")


def _validate_term(term: NodeSelectorTerm, path: str) -> Iterator[FieldError]:
    for index, requirement in enumerate(term.matchExpressions):
        yield from _validate_requirement(requirement, f"{path}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.matchFields):
        yield from _validate_field_requirement(requirement, f"{path}.matchFields[{index}]")


def _validate_requirement(requirement: NodeSelectorRequirement, path: str) -> Iterator[FieldError]:
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case "Gt" | "Lt":
            if len(requirement.values) != 1:
                yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
        case _:
            yield invalid_value(f"{path}.operator", requirement.operator, "not a valid selector operator")
    for complaint in qualified(requirement.key):
        yield invalid_value(f"{path}.key", requirement.key, complaint)
    for index, value in enumerate(requirement.values):
        for complaint in label_value(value):
            yield invalid_value(f"{path}.values[{index}]", value, complaint)


def _validate_field_requirement(requirement: NodeSelectorRequirement, path: str) -> Iterator[FieldError]:
    if requirement.operator not in ("In", "NotIn"):
        yield invalid_value(f"{path}.operator", requirement.operator, "not a valid selector operator")
    elif len(requirement.values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", detail)
    if requirement.key != "metadata.name":
        yield invalid_value(f"{path}.key", requirement.key, "not a valid field selector key")
        return
    for index, value in enumerate(requirement.values):
        for complaint in subdomain(value):
            yield invalid_value(f"{path}.values[{index}]", value, complaint)


def _validate_pod_affinity(affinity: PodAffinity | PodAntiAffinity, path: str) -> Iterator[FieldError]:
    for index, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution):
        yield from _validate_pod_term(term, f"{path}.{_REQUIRED}[{index}]")
    for index, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        where = f"{path}.{_PREFERRED}[{index}]"
        if not 1 <= weighted.weight <= 100:
            yield invalid_value(f"{where}.weight", weighted.weight, _WEIGHT)
        yield from _validate_pod_term(weighted.podAffinityTerm, f"{where}.podAffinityTerm")


def _validate_pod_term(term: PodAffinityTerm, path: str) -> Iterator[FieldError]:
    yield from validate_selector(term.labelSelector, f"{path}.labelSelector")
    yield from validate_selector(term.namespaceSelector, f"{path}.namespaceSelector")
    for name in term.namespaces:
        for complaint in label(name):
            yield invalid_value(f"{path}.namespace", name, complaint)
    if term.matchLabelKeys or term.mismatchLabelKeys:
        yield from _validate_match_keys(term, path)
    if not term.topologyKey:
        yield required(f"{path}.topologyKey", "can not be empty")
    for complaint in qualified(term.topologyKey):
        yield invalid_value(f"{path}.topologyKey", term.topologyKey, complaint)


def _validate_match_keys(term: PodAffinityTerm, path: str) -> Iterator[FieldError]:
    """KEP-3633."""
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys: list[str] = getattr(term, name)
        if keys and term.labelSelector is None:
            yield forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set")
        for index, key in enumerate(keys):
            for complaint in qualified(key):
                yield invalid_value(f"{path}.{name}[{index}]", key, complaint)
            if name == "matchLabelKeys" and key in term.mismatchLabelKeys:
                detail = "exists in both matchLabelKeys and mismatchLabelKeys"
                yield invalid_value(f"{path}.{name}[{index}]", key, detail)


def validate_spread(constraints: list[TopologySpreadConstraint], path: str) -> Iterator[FieldError]:
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        if constraint.maxSkew <= 0:
            yield invalid_value(f"{where}.maxSkew", constraint.maxSkew, "must be greater than zero")
        if not constraint.topologyKey:
            yield required(f"{where}.topologyKey", "can not be empty")
        else:
            for complaint in qualified(constraint.topologyKey):
                yield invalid_value(f"{where}.topologyKey", constraint.topologyKey, complaint)
        action = constraint.whenUnsatisfiable
        if action not in _ACTIONS:
            yield not_supported(f"{where}.whenUnsatisfiable", action, _ACTIONS)
        pair = (constraint.topologyKey, action)
        if any((other.topologyKey, other.whenUnsatisfiable) == pair for other in constraints[index + 1 :]):
            field = f"{where}.{{topologyKey, whenUnsatisfiable}}"
            yield duplicate(field, f"{{{pair[0]}, {pair[1]}}}")
        if constraint.minDomains is not None:
            domains = constraint.minDomains
            if domains <= 0:
                yield invalid_value(f"{where}.minDomains", domains, "must be greater than zero")
            if action != "DoNotSchedule":
                detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                yield invalid_value(f"{where}.minDomains", domains, detail)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = getattr(constraint, name)
            if policy is not None and policy not in _POLICIES:
                yield not_supported(f"{where}.{name}", policy, _POLICIES)
        if constraint.matchLabelKeys:
            yield from _validate_spread_keys(constraint, f"{where}.matchLabelKeys")
        yield from validate_selector(constraint.labelSelector, f"{where}.labelSelector")


def _validate_spread_keys(constraint: TopologySpreadConstraint, path: str) -> Iterator[FieldError]:
    if constraint.labelSelector is None:
        yield forbidden(path, "must not be specified when labelSelector is not set")
        return
    for index, key in enumerate(constraint.matchLabelKeys):
        for complaint in qualified(key):
            yield invalid_value(f"{path}[{index}]", key, complaint)


def validate_tolerations(tolerations: list[Toleration], path: str) -> Iterator[FieldError]:
    for index, toleration in enumerate(tolerations):
        where = f"{path}[{index}]"
        if toleration.key:
            for complaint in qualified(toleration.key):
                yield invalid_value(f"{where}.key", toleration.key, complaint)
        elif toleration.operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid_value(f"{where}.operator", toleration.operator, detail)
        if toleration.tolerationSeconds is not None and toleration.effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid_value(f"{where}.effect", toleration.effect, detail)
        if toleration.operator in ("", "Equal"):
            complaints = label_value(toleration.value)
            if complaints:
                yield invalid_value(f"{where}.operator", toleration.value, ";".join(complaints))
        elif toleration.operator == "Exists":
            if toleration.value:
                detail = "value must be empty when `operator` is 'Exists'"
                yield invalid_value(f"{where}.operator", toleration.value, detail)
        else:
            yield not_supported(f"{where}.operator", toleration.operator, _OPERATORS)
        if toleration.effect and toleration.effect not in _EFFECTS:
            yield not_supported(f"{where}.effect", toleration.effect, _EFFECTS)


def validate_gates(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Readiness gates (KEP-580) and scheduling gates (KEP-3521)."""
    for index, gate in enumerate(spec.readinessGates):
        for complaint in qualified(gate.conditionType):
            yield invalid_value(f"{path}.readinessGates[{index}].conditionType", gate.conditionType, complaint)
    seen: set[str] = set()
    for index, scheduling in enumerate(spec.schedulingGates):
        where = f"{path}.schedulingGates[{index}]"
        for complaint in qualified(scheduling.name):
            yield invalid_value(where, scheduling.name, complaint)
        if scheduling.name in seen:
            yield duplicate(where, scheduling.name)
        seen.add(scheduling.name)
