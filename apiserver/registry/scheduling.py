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
from api.meta_v1 import LabelSelector
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import label, label_value, qualified, subdomain

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists")
_COMPARISONS = ("Lt", "Gt")
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
        # A preference that names what no node can have does no harm.
        yield from _validate_term(preferred.preference, f"{where}.preference", any_value=True)


def validate_node_selector(selector: NodeSelector, path: str) -> Iterator[FieldError]:
    where = f"{path}.nodeSelectorTerms"
    if not selector.nodeSelectorTerms:
        yield required(where, "must have at least one node selector term")
    for index, term in enumerate(selector.nodeSelectorTerms):
        yield from _validate_term(term, f"{where}[{index}]")


def _validate_term(term: NodeSelectorTerm, path: str, *, any_value: bool = False) -> Iterator[FieldError]:
    for index, requirement in enumerate(term.matchExpressions):
        yield from _validate_requirement(requirement, f"{path}.matchExpressions[{index}]", any_value)
    for index, requirement in enumerate(term.matchFields):
        yield from _validate_field_requirement(requirement, f"{path}.matchFields[{index}]")


def _validate_requirement(requirement: NodeSelectorRequirement, path: str, any_value: bool) -> Iterator[FieldError]:
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
    for index, value in enumerate(() if any_value else requirement.values):
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
        yield from _validate_match_keys(term.matchLabelKeys, term.mismatchLabelKeys, term.labelSelector, path)
    if not term.topologyKey:
        yield required(f"{path}.topologyKey", "can not be empty")
    for complaint in qualified(term.topologyKey):
        yield invalid_value(f"{path}.topologyKey", term.topologyKey, complaint)


def _validate_match_keys(
    match: list[str], mismatch: list[str], selector: LabelSelector | None, path: str
) -> Iterator[FieldError]:
    """KEP-3633, KEP-3243.  What the keys stand for is in the selector by now, behind the client's own requirements."""
    for name, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            yield forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            for complaint in qualified(key):
                yield invalid_value(f"{path}.{name}[{index}]", key, complaint)
    if selector is not None:
        positions = {key: index for index, key in enumerate(match)}
        known = set(selector.matchLabels)
        for requirement in selector.matchExpressions:
            if requirement.key in positions and requirement.key in known:
                detail = "exists in both matchLabelKeys and labelSelector"
                yield invalid_value(f"{path}[{positions[requirement.key]}]", requirement.key, detail)
            known.add(requirement.key)
    for index, key in enumerate(match):
        if key in mismatch:
            yield invalid_value(
                f"{path}.matchLabelKeys[{index}]", key, "exists in both matchLabelKeys and mismatchLabelKeys"
            )


def validate_spread(constraints: list[TopologySpreadConstraint], path: str) -> Iterator[FieldError]:
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        if constraint.maxSkew <= 0:
            yield invalid_value(f"{where}.maxSkew", constraint.maxSkew, "must be greater than zero")
        if not constraint.topologyKey:
            yield required(f"{where}.topologyKey", "can not be empty")
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
            yield from _validate_match_keys(constraint.matchLabelKeys, [], constraint.labelSelector, where)
        yield from validate_selector(constraint.labelSelector, f"{where}.labelSelector")


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
            # Comparisons of numbers (KEP-5471) are off by default.
            known = (*_OPERATORS, *_COMPARISONS) if toleration.operator in _COMPARISONS else _OPERATORS
            yield not_supported(f"{where}.operator", toleration.operator, known)
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
