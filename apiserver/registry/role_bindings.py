"""Role bindings: who has a role in one namespace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from api.errors import FieldError, invalid_value, not_supported, required
from api.rbac_v1 import ClusterRoleBinding, RoleBinding, Subject
from api.scheme import RBAC_V1, resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.names import Complaints, path_segment, subdomain
from apiserver.registry.privileges import check_binding
from apiserver.registry.strategy import Column, Context, Strategy

_GROUP = RBAC_V1.group
_ACCOUNT = "ServiceAccount"

AnyBinding = TypeVar("AnyBinding", RoleBinding, ClusterRoleBinding)


def _names(binding: RoleBinding | ClusterRoleBinding, kind: str) -> str:
    found = (subject for subject in binding.subjects if subject.kind == kind)
    return ", ".join(f"{s.namespace}/{s.name}" if kind == _ACCOUNT else s.name for s in found)


def _role(binding: RoleBinding | ClusterRoleBinding, now: datetime) -> str:
    return f"{binding.roleRef.kind}/{binding.roleRef.name}"


class BindingStrategy(Strategy[AnyBinding]):
    """What role bindings and cluster role bindings have in common."""

    create_on_update = True
    role_kinds: tuple[str, ...]
    """The kinds of roles that it can bind."""
    columns = (
        NAME,
        Column("Role", _role, description="The role that is given."),
        AGE,
        Column("Users", lambda b, now: _names(b, "User"), description="Users who get it.", priority=1),
        Column("Groups", lambda b, now: _names(b, "Group"), description="Groups whose members get it.", priority=1),
        Column("ServiceAccounts", lambda b, now: _names(b, _ACCOUNT), description="Accounts that get it.", priority=1),
    )

    def validate_name(self, name: str, prefix: bool = False) -> Complaints:
        return path_segment(name, prefix)

    def default(self, obj: AnyBinding) -> None:
        obj.roleRef.apiGroup = obj.roleRef.apiGroup or _GROUP
        for subject in obj.subjects:
            if subject.kind in ("User", "Group"):
                subject.apiGroup = subject.apiGroup or _GROUP

    def authorize(self, new: AnyBinding, old: AnyBinding | None, context: Context) -> None:
        check_binding(self.resource, new, old, context)

    def validate(self, new: AnyBinding) -> Iterator[FieldError]:
        role = new.roleRef
        if role.apiGroup != _GROUP:
            yield not_supported("roleRef.apiGroup", role.apiGroup, (_GROUP,))
        if role.kind not in self.role_kinds:
            yield not_supported("roleRef.kind", role.kind, self.role_kinds)
        if not role.name:
            yield required("roleRef.name")
        for complaint in path_segment(role.name):
            yield invalid_value("roleRef.name", role.name, complaint)
        for index, subject in enumerate(new.subjects):
            yield from _validate_subject(subject, f"subjects[{index}]", self.resource.namespaced)

    def validate_update(self, new: AnyBinding, old: AnyBinding) -> Iterator[FieldError]:
        if new.roleRef != old.roleRef:
            yield invalid_value("roleRef", internal(new.roleRef), "cannot change roleRef")


class RoleBindings(BindingStrategy[RoleBinding]):
    resource = resource_of(RoleBinding)
    role_kinds = ("Role", "ClusterRole")


def _validate_subject(subject: Subject, path: str, namespaced: bool) -> Iterator[FieldError]:
    if not subject.name:
        yield required(f"{path}.name")
    if subject.kind == _ACCOUNT:
        for complaint in subdomain(subject.name) if subject.name else ():
            yield invalid_value(f"{path}.name", subject.name, complaint)
        if subject.apiGroup:
            yield not_supported(f"{path}.apiGroup", subject.apiGroup, ("",))
        if not namespaced and not subject.namespace:
            yield required(f"{path}.namespace")
    elif subject.kind in ("User", "Group"):
        if subject.apiGroup != _GROUP:
            yield not_supported(f"{path}.apiGroup", subject.apiGroup, (_GROUP,))
    else:
        yield not_supported(f"{path}.kind", subject.kind, (_ACCOUNT, "User", "Group"))
