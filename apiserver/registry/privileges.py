"""Nobody gives more than they have: who writes a role or a binding must hold all of its rules.

Except for those who may `escalate` the role or `bind` it.  See
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping.
"""

from __future__ import annotations

from typing import Any

from api.errors import Forbidden, not_found
from api.meta_v1 import StatusDetails
from api.model import Model
from api.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding
from api.scheme import Resource
from apiserver.registry.strategy import Context, Requester

_EVERYTHING = (
    PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]),
    PolicyRule(verbs=["*"], nonResourceURLs=["*"]),
)


def check_escalation(
    resource: Resource, new: Role | ClusterRole, old: Role | ClusterRole | None, context: Context
) -> None:
    """Raises Forbidden when a role would have rules that its writer does not."""
    requester, meta = context.requester, new.metadata
    if requester is None or _only_for_collection(new, old):
        return
    # A new object has no name yet as far as permissions go: what is sent to a collection is about all of it.
    if requester.may("escalate", resource.group, resource.plural, meta.namespace, old.metadata.name if old else ""):
        return
    _grant(resource, meta.name, requester, new.rules or [], meta.namespace)
    aggregates = [each for each in (new, old) if isinstance(each, ClusterRole) and each.aggregationRule is not None]
    if aggregates and requester.grant(_EVERYTHING, ""):
        raise _forbidden(resource, meta.name, "must have cluster-admin privileges to use the aggregationRule")


def check_binding(
    resource: Resource,
    new: RoleBinding | ClusterRoleBinding,
    old: RoleBinding | ClusterRoleBinding | None,
    context: Context,
) -> None:
    """Raises Forbidden when a binding would give rules that its writer does not have, NotFound when there is no such
    role to have rules."""
    requester, role, namespace = context.requester, new.roleRef, new.metadata.namespace
    if requester is None or _only_for_collection(new, old):
        return
    plural = {"Role": "roles", "ClusterRole": "clusterroles"}.get(role.kind, "")
    if requester.may("bind", resource.group, plural, namespace, role.name):
        return
    bound: Any = None
    if role.kind == "ClusterRole":
        bound = context.get(ClusterRole, "", role.name)
    elif role.kind == "Role":
        bound = context.get(Role, namespace, role.name)
    if bound is None:
        raise not_found(resource.group, resource.plural, role.name)
    _grant(resource, new.metadata.name, requester, bound.rules or [], namespace)


def _only_for_collection(new: Model, old: Model | None) -> bool:
    """Whether an update changes nothing but what garbage collection needs: owners and finalizers."""
    if old is None:
        return False
    before, after = old.to_dict(), new.to_dict()
    for document in (before, after):
        document.pop("kind", None)
        document.pop("apiVersion", None)
        for name in ("ownerReferences", "finalizers", "managedFields"):
            document["metadata"].pop(name, None)
    return before == after


def _grant(resource: Resource, name: str, requester: Requester, rules: list[PolicyRule], namespace: str) -> None:
    why_not = requester.grant(rules, namespace)
    if why_not:
        raise _forbidden(resource, name, why_not)


def _forbidden(resource: Resource, name: str, why: str) -> Forbidden:
    return Forbidden(
        f'{resource.group_resource} "{name}" is forbidden: {why}',
        StatusDetails(name=name, group=resource.group, kind=resource.plural),
    )
