"""From configuration to authenticators of JWTs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from api.clock import Clock
from apiserver.authentication.configuration import (
    ClaimOrExpression,
    ClaimValidationRule,
    JWTAuthenticatorConfiguration,
    PrefixedClaimOrExpression,
)
from apiserver.authentication.issuer_keys import IssuerKeys
from apiserver.authentication.jose import SIGNING_ALGORITHMS
from apiserver.authentication.oidc import (
    ClaimMapping,
    JWTAuthenticator,
    JWTSettings,
    Rule,
    required_claim,
)
from apiserver.configuration_file import ConfigurationError
from apiserver.configured_expressions import CLAIMS, TEXT, TEXTS, TRUTH, USER, ConfiguredExpression
from cel.types import Type

_WELL_KNOWN = "/.well-known/openid-configuration"


def jwt_authenticator(
    given: JWTAuthenticatorConfiguration, where: str, clock: Clock, algorithms: Sequence[str] = SIGNING_ALGORITHMS
) -> JWTAuthenticator:
    """`where` is the place of the configuration, for messages.  Raises ConfigurationError."""
    issuer, mappings = given.issuer, given.claimMappings
    settings = JWTSettings(
        issuer.url,
        tuple(issuer.audiences),
        _mapping(mappings.username, f"{where}.claimMappings.username"),
        _mapping(mappings.groups, f"{where}.claimMappings.groups", TEXTS),
        _mapping(mappings.uid, f"{where}.claimMappings.uid"),
        {
            each.key: ConfiguredExpression(
                each.valueExpression, CLAIMS, f"{where}.claimMappings.extra[{index}].valueExpression", TEXTS
            )
            for index, each in enumerate(mappings.extra)
        },
        [_claim_rule(rule, f"{where}.claimValidationRules[{i}]") for i, rule in enumerate(given.claimValidationRules)],
        [
            _rule(rule.expression, rule.message, USER, f"{where}.userValidationRules[{index}]")
            for index, rule in enumerate(given.userValidationRules)
        ],
    )
    discovery = issuer.discoveryURL or issuer.url.rstrip("/") + _WELL_KNOWN
    try:
        keys = IssuerKeys(issuer.url, discovery, issuer.certificateAuthority, clock, algorithms)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{where}.issuer.certificateAuthority: {error}") from None
    return JWTAuthenticator(settings, keys, clock)


def _mapping(
    given: PrefixedClaimOrExpression | ClaimOrExpression | None, where: str, results: Sequence[Type] = TEXT
) -> ClaimMapping:
    if given is None:
        return ClaimMapping()
    if given.expression:
        return ClaimMapping(expression=ConfiguredExpression(given.expression, CLAIMS, f"{where}.expression", results))
    prefix = given.prefix if isinstance(given, PrefixedClaimOrExpression) else None
    return ClaimMapping(given.claim, prefix or "")


def _claim_rule(given: ClaimValidationRule, where: str) -> Rule:
    if given.claim:
        return required_claim(given.claim, given.requiredValue)
    return _rule(given.expression, given.message, CLAIMS, where)


def _rule(text: str, message: str, variables: Mapping[str, Type], where: str) -> Rule:
    expression = ConfiguredExpression(text, variables, f"{where}.expression", TRUTH)

    def holds(values: Mapping[str, Any]) -> bool:
        return expression(values) is True

    return Rule(holds, f"oidc: validation expression '{text}' failed: {message}")
