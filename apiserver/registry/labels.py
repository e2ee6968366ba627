"""Labels and label selectors: what is valid, what matches, how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api.errors import FieldError, forbidden, invalid_value, required
from api.meta_v1 import FieldSelectorRequirement, LabelSelector, LabelSelectorRequirement
from apiserver.registry.names import label_value, qualified


def validate_labels(labels: Mapping[str, str], path: str) -> Iterator[FieldError]:
    """Complaints about a map of labels, in the order of its keys."""
    for key in sorted(labels):
        value = labels[key]
        for complaint in qualified(key):
            yield invalid_value(path, key, complaint)
        for complaint in label_value(value):
            yield invalid_value(path, value, complaint)


def validate_selector(
    selector: LabelSelector | None, path: str, *, allow_bad_values: bool = False
) -> Iterator[FieldError]:
    """Complaints about a LabelSelector (meta/v1)."""
    if selector is None:
        return
    yield from validate_labels(selector.matchLabels, f"{path}.matchLabels")
    for index, requirement in enumerate(selector.matchExpressions):
        where = f"{path}.matchExpressions[{index}]"
        yield from validate_requirement(requirement, where, allow_bad_values=allow_bad_values)


def validate_requirement(
    requirement: LabelSelectorRequirement, path: str, *, allow_bad_values: bool = False, any_operator: bool = False
) -> Iterator[FieldError]:
    """Complaints about one condition.  With `any_operator` those that are not known are let through."""
    yield from validate_operator(requirement, path, any_operator=any_operator)
    for complaint in qualified(requirement.key):
        yield invalid_value(f"{path}.key", requirement.key, complaint)
    if not allow_bad_values:
        for position, value in enumerate(requirement.values):
            for complaint in label_value(value):
                yield invalid_value(f"{path}.values[{position}]", value, complaint)


def validate_operator(
    requirement: LabelSelectorRequirement | FieldSelectorRequirement, path: str, *, any_operator: bool = False
) -> Iterator[FieldError]:
    """Complaints about an operator that does not fit its values."""
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{path}.values", detail)
        case _ if not any_operator:
            yield invalid_value(f"{path}.operator", requirement.operator, "not a valid selector operator")


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a selector; an empty selector matches everything."""
    if any(labels.get(key) != value for key, value in selector.matchLabels.items()):
        return False
    for requirement in selector.matchExpressions:
        present = requirement.key in labels
        match requirement.operator:
            case "In" if not present or labels[requirement.key] not in requirement.values:
                return False
            case "NotIn" if present and labels[requirement.key] in requirement.values:
                return False
            case "Exists" if not present:
                return False
            case "DoesNotExist" if present:
                return False
    return True


def format_labels(labels: Mapping[str, str]) -> str:
    """As `kubectl get` shows them: "a=b,c=d", "<none>" for none."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>"


def format_selector(selector: LabelSelector | None) -> str:
    """A LabelSelector in the notation of `kubectl get -l`; empty for none."""
    if selector is None:
        return ""
    parts = [(key, f"{key}={value}") for key, value in selector.matchLabels.items()]
    for requirement in selector.matchExpressions:
        key, values = requirement.key, ",".join(sorted(requirement.values))
        match requirement.operator:
            case "In":
                parts.append((key, f"{key} in ({values})"))
            case "NotIn":
                parts.append((key, f"{key} notin ({values})"))
            case "Exists":
                parts.append((key, key))
            case "DoesNotExist":
                parts.append((key, f"!{key}"))
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0]))
