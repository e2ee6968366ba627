"""The authorizers that `--authorization-mode` names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.authorization.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, NodeAuthorizer, Union
from apiserver.authorization.bootstrap_policy import node_rules
from apiserver.authorization.rbac import RBAC


def authorizer_of(modes: Sequence[str], roles: RBAC) -> Authorizer:
    """All of them, asked in order."""
    kinds: dict[str, Callable[[], Authorizer]] = {
        "AlwaysAllow": AlwaysAllow,
        "AlwaysDeny": AlwaysDeny,
        "Node": lambda: NodeAuthorizer(node_rules()),
        "RBAC": lambda: roles,
    }
    return Union([kinds[mode]() for mode in modes])
