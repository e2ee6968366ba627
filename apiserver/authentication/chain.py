"""Puts together what the flags ask for.  What no flag asks for is not loaded."""

from __future__ import annotations

from pathlib import Path

from api.clock import Clock
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.authentication.service_account_tokens import ServiceAccountTokens, TokenSettings
from apiserver.authentication.token_keys import TokenKeys
from apiserver.authentication.tokens import BearerTokens, ForTheServer, GetObject, StaticTokens, TokenAuthenticator


def service_account_tokens(
    options: AuthenticationOptions, own_key: Path, clock: Clock, get: GetObject
) -> ServiceAccountTokens:
    """`own_key` is where the cluster's own key lies or will be made."""
    settings = TokenSettings(
        options.service_account_issuer,
        options.audiences,
        int(options.service_account_max_token_expiration),
        options.service_account_extend_token_expiration,
        options.service_account_lookup,
        options.service_account_jwks_uri,
    )
    keys = TokenKeys(own_key, options.service_account_signing_key_file, options.service_account_key_file)
    return ServiceAccountTokens(keys, settings, clock, get)


def bearer_tokens(
    options: AuthenticationOptions, accounts: ServiceAccountTokens, clock: Clock, get: GetObject
) -> BearerTokens:
    """Every kind of token.  Raises TokenFileError."""
    own = options.audiences
    kinds: list[TokenAuthenticator] = []
    if options.token_auth_file:
        kinds.append(ForTheServer(StaticTokens.from_file(options.token_auth_file), own))
    kinds.append(accounts)
    if options.enable_bootstrap_token_auth:
        from apiserver.authentication.bootstrap_tokens import BootstrapTokens

        kinds.append(ForTheServer(BootstrapTokens(clock, get), own))
    return BearerTokens(kinds, own)
