"""AuthenticationConfiguration: which issuers of JWTs are believed and what their claims mean; anonymous requests.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-AuthenticationConfiguration
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from api.model import Model, Required
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.configuration_file import ConfigurationError

VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


class Issuer(Model):
    """url: What tokens call it.
    discoveryURL: Where its metadata is; below `url` by default.
    certificateAuthority: Who signs its certificate (PEM); the system's CAs by default.
    audiences: Whom its tokens are for.
    audienceMatchPolicy: MatchAny.
    egressSelectorType: Which network its keys are fetched through; this server has one.
    """

    url: Annotated[str, Required()] = ""
    discoveryURL: str = ""
    certificateAuthority: str = ""
    audiences: list[str] = []
    audienceMatchPolicy: str = ""
    egressSelectorType: str = ""


class ClaimValidationRule(Model):
    """claim, requiredValue: A claim that must have this value.
    expression, message: CEL over `claims` that must be true, and what is wrong when it is not.
    """

    claim: str = ""
    requiredValue: str = ""
    expression: str = ""
    message: str = ""


class PrefixedClaimOrExpression(Model):
    """claim, prefix: The claim, and what is put before it.
    expression: CEL over `claims` in their place.
    """

    claim: str = ""
    prefix: str | None = None
    expression: str = ""


class ClaimOrExpression(Model):
    """claim: The claim.
    expression: CEL over `claims` in its place.
    """

    claim: str = ""
    expression: str = ""


class ExtraMapping(Model):
    """key: A domain-prefixed path in lower case.
    valueExpression: CEL over `claims`; a string or strings.
    """

    key: Annotated[str, Required()] = ""
    valueExpression: Annotated[str, Required()] = ""


class ClaimMappings(Model):
    """username, groups, uid, extra: Where each comes from."""

    username: PrefixedClaimOrExpression = PrefixedClaimOrExpression()
    groups: PrefixedClaimOrExpression | None = None
    uid: ClaimOrExpression | None = None
    extra: list[ExtraMapping] = []


class UserValidationRule(Model):
    """expression, message: CEL over `user` that must be true, and what is wrong when it is not."""

    expression: Annotated[str, Required()] = ""
    message: str = ""


class JWTAuthenticatorConfiguration(Model):
    """issuer, claimValidationRules, claimMappings, userValidationRules: Each as its type says."""

    issuer: Issuer = Issuer()
    claimValidationRules: list[ClaimValidationRule] = []
    claimMappings: ClaimMappings = ClaimMappings()
    userValidationRules: list[UserValidationRule] = []


class AnonymousAuthCondition(Model):
    """path: A path that may be asked for."""

    path: Annotated[str, Required()] = ""


class AnonymousAuthConfig(Model):
    """enabled: Whether requests without credentials are served.
    conditions: Only those for one of these paths, if any are given.
    """

    enabled: bool
    conditions: list[AnonymousAuthCondition] = []


class AuthenticationConfiguration(Model):
    """jwt: The issuers.
    anonymous: In place of --anonymous-auth.
    """

    kind: str = ""
    apiVersion: str = ""
    jwt: list[JWTAuthenticatorConfiguration] = []
    anonymous: AnonymousAuthConfig | None = None


def problems(configuration: AuthenticationConfiguration, own_issuers: Iterable[str]) -> list[str]:
    """What is wrong with it, each with its place.  `own_issuers` are those of service accounts' tokens."""
    found, seen = [], set(own_issuers)
    places: set[str] = set()
    if len(configuration.jwt) > 64:
        found.append("jwt: must have at most 64 items")
    for index, each in enumerate(configuration.jwt):
        where = f"jwt[{index}]"
        issuer, mappings = each.issuer, each.claimMappings
        found += [f"{where}.issuer.{problem}" for problem in _issuer_problems(issuer, seen, places)]
        seen.add(issuer.url)
        places.add(issuer.discoveryURL or issuer.url)
        found += [f"{where}.claimMappings.{problem}" for problem in _mapping_problems(mappings)]
        for position, rule in enumerate(each.claimValidationRules):
            if bool(rule.claim) == bool(rule.expression):
                found.append(f"{where}.claimValidationRules[{position}]: one of claim and expression is required")
        if _uses(mappings.username.expression, "email") and not _verifies_email(each):
            found.append(
                f"{where}.claimMappings.username.expression: claims.email_verified must be used in "
                "claimMappings.username.expression or claimMappings.extra[*].valueExpression or "
                "claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression"
            )
    return found


def _issuer_problems(issuer: Issuer, seen: set[str], places: set[str]) -> Iterable[str]:
    if not issuer.url.startswith("https://"):
        yield "url: URL scheme must be https"
    if issuer.url in seen:
        yield f"url: {issuer.url} is another issuer's"
    if issuer.discoveryURL and not issuer.discoveryURL.startswith("https://"):
        yield "discoveryURL: URL scheme must be https"
    if issuer.discoveryURL and (issuer.discoveryURL == issuer.url or issuer.discoveryURL in places):
        yield "discoveryURL: must be different from URL and from those of others"
    if not issuer.audiences or "" in issuer.audiences or len(set(issuer.audiences)) < len(issuer.audiences):
        yield "audiences: at least one is required, and each must be given once and not be empty"
    if len(issuer.audiences) > 1 and issuer.audienceMatchPolicy != "MatchAny":
        yield "audienceMatchPolicy: must be MatchAny for multiple audiences"
    if issuer.audienceMatchPolicy not in ("", "MatchAny"):
        yield "audienceMatchPolicy: must be empty or MatchAny"


def _mapping_problems(mappings: ClaimMappings) -> Iterable[str]:
    if bool(mappings.username.claim) == bool(mappings.username.expression):
        yield "username: one of claim and expression is required"
    for name, mapping in (("username", mappings.username), ("groups", mappings.groups)):
        if mapping is None:
            continue
        if mapping.claim and mapping.expression:
            yield f"{name}: claim and expression can't both be set"
        if mapping.claim and mapping.prefix is None:
            yield f"{name}.prefix: prefix is required when claim is set. It can be set to an empty string to disable it"
        if mapping.expression and mapping.prefix is not None:
            yield f"{name}.prefix: prefix can't be set when expression is set"
    if mappings.uid is not None and mappings.uid.claim and mappings.uid.expression:
        yield "uid: claim and expression can't both be set"
    keys = [each.key for each in mappings.extra]
    for index, each in enumerate(mappings.extra):
        host = each.key.partition("/")[0]
        if each.key != each.key.lower() or "/" not in each.key:
            yield f"extra[{index}].key: must be a domain-prefixed path in lower case"
        if host in ("k8s.io", "kubernetes.io") or host.endswith((".k8s.io", ".kubernetes.io")):
            yield f"extra[{index}].key: k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
        if keys.count(each.key) > 1:
            yield f"extra[{index}].key: {each.key} is there twice"


def _uses(expression: str, claim: str) -> bool:
    return re.search(rf"""\bclaims\s*(\.\s*\??{claim}\b|\[\??\s*['"]{claim}['"])""", expression) is not None


def _verifies_email(each: JWTAuthenticatorConfiguration) -> bool:
    expressions = [each.claimMappings.username.expression]
    expressions += [extra.valueExpression for extra in each.claimMappings.extra]
    expressions += [rule.expression for rule in each.claimValidationRules]
    return any(_uses(expression, "email_verified") for expression in expressions)


def from_flags(options: AuthenticationOptions) -> JWTAuthenticatorConfiguration:
    """What the `--oidc-*` flags ask for.  Raises ConfigurationError when the CA cannot be read."""
    claim, prefix = options.oidc_username_claim, options.oidc_username_prefix
    if not prefix and claim != "email":
        prefix = f"{options.oidc_issuer_url}#"
    elif prefix == "-":
        prefix = ""
    try:
        authority = options.oidc_ca_file.read_text() if options.oidc_ca_file else ""
    except OSError as error:
        raise ConfigurationError(f"cannot read {options.oidc_ca_file}: {error.strerror}") from None
    groups = PrefixedClaimOrExpression(claim=options.oidc_groups_claim, prefix=options.oidc_groups_prefix)
    rules = [part.partition("=") for part in options.oidc_required_claim]
    return JWTAuthenticatorConfiguration(
        issuer=Issuer(url=options.oidc_issuer_url, audiences=[options.oidc_client_id], certificateAuthority=authority),
        claimMappings=ClaimMappings(
            username=PrefixedClaimOrExpression(claim=claim, prefix=prefix), groups=groups if groups.claim else None
        ),
        claimValidationRules=[ClaimValidationRule(claim=name, requiredValue=value) for name, _, value in rules],
    )
