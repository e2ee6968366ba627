"""Cluster roles: what may be done in any namespace and outside of all."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, invalid_value, required
from api.rbac_v1 import ClusterRole
from api.scheme import resource_of
from apiserver.registry.labels import validate_selector
from apiserver.registry.roles import RoleStrategy


class ClusterRoles(RoleStrategy[ClusterRole]):
    resource = resource_of(ClusterRole)

    def validate(self, new: ClusterRole) -> Iterator[FieldError]:
        yield from super().validate(new)
        if new.aggregationRule is None:
            return
        path = "aggregationRule.clusterRoleSelectors"
        if not new.aggregationRule.clusterRoleSelectors:
            yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(new.aggregationRule.clusterRoleSelectors):
            errors = list(validate_selector(selector, f"{path}[{index}]"))
            yield from errors
            if errors:
                yield invalid_value(f"{path}[{index}]", None, "invalid label selector.")
