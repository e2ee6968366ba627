"""Cluster role bindings: who has a cluster role everywhere."""

from __future__ import annotations

from api.rbac_v1 import ClusterRoleBinding
from api.scheme import resource_of
from apiserver.registry.role_bindings import BindingStrategy


class ClusterRoleBindings(BindingStrategy[ClusterRoleBinding]):
    resource = resource_of(ClusterRoleBinding)
    role_kinds = ("ClusterRole",)
