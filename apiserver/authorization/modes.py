"""The authorizers that `--authorization-mode` names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.authorization.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, Union
from apiserver.authorization.bootstrap_policy import node_rules
from apiserver.authorization.node import NodeAuthorizer
from apiserver.authorization.rbac import RBAC
from apiserver.storage.watch_cache import WatchCache


def authorizer_of(modes: Sequence[str], roles: RBAC, cache: WatchCache) -> Union:
    """All of them, asked in order."""
    kinds: dict[str, Callable[[], Authorizer]] = {
        "AlwaysAllow": AlwaysAllow,
        "AlwaysDeny": AlwaysDeny,
        "Node": lambda: NodeAuthorizer(node_rules(), cache),
        "RBAC": lambda: roles,
    }
    return Union([kinds[mode]() for mode in modes])
