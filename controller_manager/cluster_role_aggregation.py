"""Cluster roles that gather the rules of others, such as admin, edit and view.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from __future__ import annotations

from collections.abc import Iterable

from api.rbac_v1 import ClusterRole, PolicyRule
from client.controller import Controller, Key, Watches
from controller_manager.selectors import matches


class ClusterRoleAggregationController(Controller):
    name = "clusterrole-aggregation-controller"

    def setup(self, watch: Watches) -> None:
        # What one role says may count for any of those that gather.
        self.cluster_roles = watch(ClusterRole, enqueue=lambda old, new: self._gathering())

    def _gathering(self) -> Iterable[Key]:
        return [role.metadata.name for role in self.cluster_roles if role.aggregationRule is not None]

    async def reconcile(self, key: Key) -> None:
        role = self.cluster_roles.get(key)
        if role is None or role.aggregationRule is None:
            return
        rules = gathered(role, self.cluster_roles)
        if rules == (role.rules or []):
            return
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": key},
            "rules": [rule.to_dict() for rule in rules],
        }
        await self.client.patch(ClusterRole, key, "", body, type="apply", field_manager=self.name, force=True)


def gathered(role: ClusterRole, cluster_roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    """The rules of those that its selectors match, each once, in the order of the roles' names."""
    assert role.aggregationRule is not None
    found: list[PolicyRule] = []
    for selector in role.aggregationRule.clusterRoleSelectors:
        for other in sorted(cluster_roles, key=lambda other: other.metadata.name):
            if other.metadata.name != role.metadata.name and matches(selector, other.metadata.labels):
                found += [rule for rule in other.rules or [] if rule not in found]
    return found
