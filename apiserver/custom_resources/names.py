"""Which names a definition gets: those that no other definition of its group has.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ (conditions
NamesAccepted and Established) and KEP-1111 (KubernetesAPIApprovalPolicyConformant).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from api.apiextensions_v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
)
from api.quoting import quoted
from apiserver.registry.custom_resource_definitions import APPROVAL, APPROVAL_RULES, is_protected

Condition = CustomResourceDefinitionCondition


def accept_names(definition: CustomResourceDefinition, others: Iterable[CustomResourceDefinitionNames]) -> None:
    """Bring the status up to date with the names that `others`, of the same group, have.  The times of new conditions
    are left empty."""
    status = definition.status
    wanted, has = definition.spec.names, status.acceptedNames
    if wanted != has:
        names, problem = _accepted(wanted, has, list(others))
        status.acceptedNames = names
        set_condition(status, "NamesAccepted", not problem, *(problem or ("NoConflicts", "no conflicts found")))
        if not _is_true(status, "Established"):
            if problem:
                set_condition(status, "Established", False, "NotAccepted", "not all names are accepted")
            else:
                why = "the initial names have been accepted"
                set_condition(status, "Established", True, "InitialNamesAccepted", why)
    if is_protected(definition.spec.group):
        set_condition(status, "KubernetesAPIApprovalPolicyConformant", *_approval(definition))


def _accepted(
    wanted: CustomResourceDefinitionNames,
    has: CustomResourceDefinitionNames,
    others: list[CustomResourceDefinitionNames],
) -> tuple[CustomResourceDefinitionNames, tuple[str, str] | None]:
    """The names it gets, and the last conflict among the others: a reason and a message."""
    resources = {name for other in others for name in (other.plural, other.singular, *other.shortNames)}
    kinds = {name for other in others for name in (other.kind, other.listKind)}
    names, problem = has.copy_deep(), None
    names.categories = list(wanted.categories)

    def conflicts(name: str, mine: Iterable[str], taken: set[str]) -> Iterator[str]:
        if name not in mine and name in taken:
            yield f"{quoted(name)} is already in use"

    for field, reason, taken in (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    ):
        given, mine = getattr(wanted, field), getattr(has, field)
        if isinstance(given, list):
            found = [text for name in given for text in conflicts(name, mine, taken)]
        else:
            found = list(conflicts(given, (mine,), taken))
        if found:
            problem = reason, found[0] if len(found) == 1 else f"[{', '.join(found)}]"
        else:
            setattr(names, field, given)
    return names, problem


def _approval(definition: CustomResourceDefinition) -> tuple[bool, str, str]:
    """Whether somebody has approved of a definition in one of Kubernetes' own groups: a condition without its type."""
    given = definition.metadata.annotations.get(APPROVAL, "")
    rule = f"protected groups must have approval annotation {quoted(APPROVAL)}"
    if not given:
        return False, "MissingAnnotation", f"{rule}, {APPROVAL_RULES}"
    if given.startswith("unapproved"):
        return False, "UnapprovedAnnotation", f"not approved: {quoted(given)}"
    if "://" in given:
        return True, "ApprovedAnnotation", f"approved in {given}"
    why = f'{rule} with either a URL or a reason starting with "unapproved", {APPROVAL_RULES}'
    return False, "InvalidAnnotation", why


def set_condition(status: CustomResourceDefinitionStatus, name: str, holds: bool, reason: str, message: str) -> None:
    """Say that something is so, or is not; the time is left empty where that is new."""
    new = Condition(type=name, status="True" if holds else "False", reason=reason, message=message)
    for index, condition in enumerate(status.conditions):
        if condition.type == name:
            if condition.status == new.status:
                new.lastTransitionTime = condition.lastTransitionTime
            status.conditions[index] = new
            return
    status.conditions.append(new)


def stamp(status: CustomResourceDefinitionStatus, now: datetime) -> None:
    """Fill in the time of what is new."""
    for condition in status.conditions:
        if condition.lastTransitionTime is None:
            condition.lastTransitionTime = now.replace(microsecond=0)


def _is_true(status: CustomResourceDefinitionStatus, name: str) -> bool:
    return any(condition.type == name and condition.status == "True" for condition in status.conditions)
