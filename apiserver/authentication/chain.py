"""Puts together what the flags ask for.  What no flag asks for is not loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.clock import Clock
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.authentication.service_account_tokens import ServiceAccountTokens, TokenSettings
from apiserver.authentication.token_keys import TokenKeys
from apiserver.authentication.tokens import BearerTokens, ForTheServer, GetObject, StaticTokens, TokenAuthenticator
from apiserver.filters.authentication import Anonymous
from apiserver.request import User

if TYPE_CHECKING:
    from api.core_v1 import Secret
    from apiserver.endpoint import API
    from apiserver.followed_file import Signature

log = logging.getLogger(__name__)


def service_account_tokens(
    options: AuthenticationOptions, own_key: Path, clock: Clock, get: GetObject
) -> ServiceAccountTokens:
    """`own_key` is where the cluster's own key lies or will be made.  Raises PKIError for keys of flags."""
    settings = TokenSettings(
        options.service_account_issuer,
        options.audiences,
        int(options.service_account_max_token_expiration),
        options.service_account_extend_token_expiration,
        options.service_account_lookup,
        options.service_account_jwks_uri,
    )
    keys = TokenKeys(
        own_key,
        options.service_account_signing_key_file,
        options.service_account_key_file,
        options.service_account_key_algorithm,
    )
    if options.service_account_signing_key_file or options.service_account_key_file:
        keys.preload()
    return ServiceAccountTokens(keys, settings, clock, get)


def noting_use(api: API, writer: User, keep: Callable[[Coroutine[Any, Any, None]], None]) -> Callable[[Secret], None]:
    """What to tell of every use of a token in a Secret; `keep` runs what is written then."""

    async def note(secret: Secret) -> None:
        from apiserver.authentication.legacy_use import note_use  # few clusters still have such tokens

        await note_use(api, writer, secret)

    return lambda secret: keep(note(secret))


@dataclass(frozen=True)
class Authentication:
    """Every kind of token, which requests need none, and what follows the file of configuration, for ever."""

    bearers: BearerTokens
    anonymous: Anonymous
    follow: Callable[[], Coroutine[Any, Any, None]] | None = None


def authentication(options: AuthenticationOptions, accounts: ServiceAccountTokens, clock: Clock) -> Authentication:
    """Raises TokenFileError, ConfigurationError."""
    own, get = options.audiences, accounts.get
    kinds: list[TokenAuthenticator] = []
    if options.token_auth_file:
        kinds.append(ForTheServer(StaticTokens.from_file(options.token_auth_file), own))
    kinds.append(accounts)
    if options.enable_bootstrap_token_auth:
        from apiserver.authentication.bootstrap_tokens import BootstrapTokens

        kinds.append(ForTheServer(BootstrapTokens(clock, get), own))
    if options.authentication_token_webhook_config_file:
        kinds.append(_webhook(options, options.authentication_token_webhook_config_file, clock))
    bearers, anonymous = BearerTokens(kinds, own), Anonymous(options.anonymous_auth)
    if not options.oidc_issuer_url and options.authentication_config is None:
        return Authentication(bearers, anonymous)
    from apiserver.followed_file import signature

    path = options.authentication_config
    since = None if path is None else signature(path)
    bearers.issuers, configured = _configured(options, clock)
    return Authentication(bearers, configured or anonymous, lambda: _follow(bearers, options, clock, since))


async def _follow(bearers: BearerTokens, options: AuthenticationOptions, clock: Clock, since: Signature | None) -> None:
    """Issuers may come and go while the server runs; what is said of anonymous requests counts from its start."""
    from apiserver.configuration_file import ConfigurationError
    from apiserver.followed_file import follow

    async def changed() -> None:
        try:
            bearers.issuers, _ = _configured(options, clock)
        except ConfigurationError as error:
            log.error("the authentication configuration stays as it was: %s", error)
        else:
            log.info("the authentication configuration of %s is in force", options.authentication_config)

    if options.authentication_config is not None and since is not None:
        await follow(options.authentication_config, clock, changed, since=since)


def _configured(options: AuthenticationOptions, clock: Clock) -> tuple[Sequence[TokenAuthenticator], Anonymous | None]:
    """Issuers of JWTs by flags or file, and what the file says of anonymous requests."""
    from apiserver.authentication.configuration import (
        VERSIONS,
        AuthenticationConfiguration,
        from_flags,
        problems,
    )
    from apiserver.authentication.jose import SIGNING_ALGORITHMS
    from apiserver.authentication.jwt_issuers import jwt_authenticator
    from apiserver.configuration_file import ConfigurationError, read_configuration

    path = options.authentication_config
    algorithms: Sequence[str] = SIGNING_ALGORITHMS
    if path is not None:
        given = read_configuration(path, AuthenticationConfiguration, VERSIONS)
    else:
        algorithms = options.oidc_signing_algs
        given = AuthenticationConfiguration(jwt=[from_flags(options)])
    place = str(path or "--oidc-*")
    if found := problems(given, options.service_account_issuer):
        raise ConfigurationError(f"{place}: {'; '.join(found)}")
    jwts = [
        ForTheServer(jwt_authenticator(each, f"{place}: jwt[{index}]", clock, algorithms), options.audiences)
        for index, each in enumerate(given.jwt)
    ]
    if given.anonymous is None:
        return jwts, None
    paths = frozenset(condition.path for condition in given.anonymous.conditions)
    return jwts, Anonymous(given.anonymous.enabled, paths or None)


def _webhook(options: AuthenticationOptions, kubeconfig: Path, clock: Clock) -> TokenAuthenticator:
    from apiserver.authentication.webhook import WebhookTokens
    from apiserver.webhook_client import WebhookClient
    from apiserver.webhook_kubeconfig import target_of_kubeconfig

    target, version = target_of_kubeconfig(kubeconfig), options.authentication_token_webhook_version
    ttl = options.authentication_token_webhook_cache_ttl
    return WebhookTokens(target, version, ttl, options.audiences, WebhookClient(), clock)
