"""Label selectors (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors)."""

from __future__ import annotations

from collections.abc import Mapping

from api.meta_v1 import LabelSelector, LabelSelectorRequirement


def matches(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is selected.  No selector selects nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.matchLabels.items()):
        return False
    return all(_holds(requirement, labels) for requirement in selector.matchExpressions)


def is_empty(selector: LabelSelector | None) -> bool:
    """Whether it asks for nothing in particular; controllers refuse to own everything."""
    return selector is None or not (selector.matchLabels or selector.matchExpressions)


def shown(selector: LabelSelector | None) -> str:
    """A selector as Kubernetes' messages quote it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.matchLabels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each.key},Operator:{each.operator},Values:[{' '.join(each.values)}],}},"
        for each in selector.matchExpressions
    )
    listed = f"[]LabelSelectorRequirement{{{expressions}}}"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:{listed},}}"


def selects_all_of(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A service's plain map: every pair must be there.  An empty map selects nothing."""
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
