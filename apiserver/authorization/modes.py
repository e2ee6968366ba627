"""The authorizers that `--authorization-mode` names, or an AuthorizationConfiguration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from api.clock import Clock
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.authorization.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, Union
from apiserver.authorization.bootstrap_policy import node_rules
from apiserver.authorization.node import NodeAuthorizer
from apiserver.authorization.rbac import RBAC
from apiserver.storage.watch_cache import WatchCache

log = logging.getLogger(__name__)


def authorizer_of(modes: Sequence[str], roles: RBAC, cache: WatchCache) -> Union:
    """All of them, asked in order; they know all by themselves."""
    kinds = _local(roles, cache)
    return Union([kinds[mode]() for mode in modes])


@dataclass(frozen=True)
class Authorization:
    """All authorizers, and what follows the file of configuration, for ever."""

    authorizer: Union
    follow: Callable[[], Coroutine[Any, Any, None]] | None = None


def authorization(
    modes: Sequence[str], options: AuthenticationOptions, roles: RBAC, cache: WatchCache, clock: Clock
) -> Authorization:
    """The same with webhooks among them.  Raises ConfigurationError."""
    path = options.authorization_config
    if path is None and "Webhook" not in modes:
        return Authorization(authorizer_of(modes, roles, cache))
    from apiserver.authorization.configuration import flagged_webhook, read_authorizers
    from apiserver.authorization.webhook import WebhookAuthorizer, WebhookSettings
    from apiserver.configuration_file import ConfigurationError
    from apiserver.followed_file import follow, signature
    from apiserver.webhook_client import WebhookClient

    kinds, calls = _local(roles, cache), WebhookClient()

    def made(wanted: Sequence[str | WebhookSettings]) -> list[Authorizer]:
        return [
            WebhookAuthorizer(each, calls, clock) if isinstance(each, WebhookSettings) else kinds[each]()
            for each in wanted
        ]

    if path is None:
        return Authorization(Union(made([flagged_webhook(options) if mode == "Webhook" else mode for mode in modes])))
    types = (*kinds, "Webhook")
    since = signature(path)
    union = Union(made(read_authorizers(path, types)))

    async def changed() -> None:
        try:
            union.replace(made(read_authorizers(path, types)))
        except ConfigurationError as error:
            log.error("the authorization configuration stays as it was: %s", error)
        else:
            log.info("the authorization configuration of %s is in force", path)

    return Authorization(union, lambda: follow(path, clock, changed, since=since))


def _local(roles: RBAC, cache: WatchCache) -> dict[str, Callable[[], Authorizer]]:
    return {
        "AlwaysAllow": AlwaysAllow,
        "AlwaysDeny": AlwaysDeny,
        "Node": lambda: NodeAuthorizer(node_rules(), cache),
        "RBAC": lambda: roles,
    }
