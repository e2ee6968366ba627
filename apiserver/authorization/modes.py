"""The authorizers that `--authorization-mode` names, or an AuthorizationConfiguration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.clock import Clock
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.authorization.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, Union
from apiserver.authorization.bootstrap_policy import node_rules
from apiserver.authorization.node import NodeAuthorizer
from apiserver.authorization.rbac import RBAC
from apiserver.storage.watch_cache import WatchCache


def authorizer_of(modes: Sequence[str], roles: RBAC, cache: WatchCache) -> Union:
    """All of them, asked in order; they know all by themselves."""
    kinds = _local(roles, cache)
    return Union([kinds[mode]() for mode in modes])


def configured_authorizer(
    modes: Sequence[str], options: AuthenticationOptions, roles: RBAC, cache: WatchCache, clock: Clock
) -> Union:
    """The same with webhooks among them.  Raises ConfigurationError."""
    if options.authorization_config is None and "Webhook" not in modes:
        return authorizer_of(modes, roles, cache)
    from apiserver.authorization.configuration import flagged_webhook, read_authorizers
    from apiserver.authorization.webhook import WebhookAuthorizer, WebhookSettings
    from apiserver.webhook_client import WebhookClient

    kinds, calls = _local(roles, cache), WebhookClient()
    if options.authorization_config is not None:
        wanted = read_authorizers(options.authorization_config, (*kinds, "Webhook"))
    else:
        wanted = [flagged_webhook(options) if mode == "Webhook" else mode for mode in modes]
    return Union(
        [
            WebhookAuthorizer(each, calls, clock) if isinstance(each, WebhookSettings) else kinds[each]()
            for each in wanted
        ]
    )


def _local(roles: RBAC, cache: WatchCache) -> dict[str, Callable[[], Authorizer]]:
    return {
        "AlwaysAllow": AlwaysAllow,
        "AlwaysDeny": AlwaysDeny,
        "Node": lambda: NodeAuthorizer(node_rules(), cache),
        "RBAC": lambda: roles,
    }
