"""Roles: what may be done in one namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from api.errors import FieldError, invalid_value, required
from api.rbac_v1 import ClusterRole, PolicyRule, Role
from api.scheme import resource_of
from apiserver.registry.names import Complaints, path_segment
from apiserver.registry.privileges import check_escalation
from apiserver.registry.strategy import Context, Strategy

AnyRole = TypeVar("AnyRole", Role, ClusterRole)


class RoleStrategy(Strategy[AnyRole]):
    """What roles and cluster roles have in common."""

    create_on_update = True

    def validate_name(self, name: str, prefix: bool = False) -> Complaints:
        return path_segment(name, prefix)

    def authorize(self, new: AnyRole, old: AnyRole | None, context: Context) -> None:
        check_escalation(self.resource, new, old, context)

    def prepare_for_create(self, new: AnyRole, context: Context) -> None:
        new.rules = new.rules or None  # no rules are null on the wire, however they were sent

    def prepare_for_update(self, new: AnyRole, old: AnyRole, context: Context) -> None:
        new.rules = new.rules or None

    def validate(self, new: AnyRole) -> Iterator[FieldError]:
        for index, rule in enumerate(new.rules or ()):
            yield from _validate_rule(rule, f"rules[{index}]", self.resource.namespaced)


class Roles(RoleStrategy[Role]):
    resource = resource_of(Role)


def _validate_rule(rule: PolicyRule, path: str, namespaced: bool) -> Iterator[FieldError]:
    if not rule.verbs:
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if rule.nonResourceURLs:
        where = f"{path}.nonResourceURLs"
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(where, rule.nonResourceURLs, detail)
        if rule.apiGroups or rule.resources or rule.resourceNames:
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(where, rule.nonResourceURLs, detail)
        return
    if not rule.apiGroups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
