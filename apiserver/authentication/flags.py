"""The flags that say who is believed and who is asked for permission."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from apiserver.authentication.jose import SIGNING_ALGORITHMS

DEFAULT_ISSUER = "https://kubernetes.default.svc"
"""Also the audience of tokens for the API server, where no flag says otherwise."""
KEY_ALGORITHMS = ("RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256")
"""What the cluster's own key can be made for, as kubeadm's `encryptionAlgorithm` calls it."""
_LONGEST = 1 << 32  # seconds


@dataclass(frozen=True)
class AuthenticationOptions:
    """Files are read when the server starts.  Durations are in seconds, 0 meaning none where that makes sense."""

    service_account_issuer: tuple[str, ...] = (DEFAULT_ISSUER,)
    service_account_key_file: tuple[Path, ...] = ()
    service_account_signing_key_file: Path | None = None
    service_account_key_algorithm: str = "RSA-2048"
    service_account_max_token_expiration: float = 0
    service_account_extend_token_expiration: bool = True
    service_account_lookup: bool = True
    service_account_jwks_uri: str = ""
    api_audiences: tuple[str, ...] = ()
    token_auth_file: Path | None = None
    enable_bootstrap_token_auth: bool = False
    authentication_config: Path | None = None
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_ca_file: Path | None = None
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_signing_algs: tuple[str, ...] = ("RS256",)
    oidc_required_claim: tuple[str, ...] = ()
    authentication_token_webhook_config_file: Path | None = None
    authentication_token_webhook_version: str = "v1beta1"
    authentication_token_webhook_cache_ttl: float = 120.0
    anonymous_auth: bool = True
    authorization_config: Path | None = None
    authorization_webhook_config_file: Path | None = None
    authorization_webhook_version: str = "v1beta1"
    authorization_webhook_cache_authorized_ttl: float = 300.0
    authorization_webhook_cache_unauthorized_ttl: float = 30.0

    @property
    def audiences(self) -> tuple[str, ...]:
        """Whom tokens for the API server are for."""
        return self.api_audiences or self.service_account_issuer


REPEATED = ("service_account_issuer", "service_account_key_file", "oidc_required_claim")


def add_flags(
    parser: argparse.ArgumentParser, duration: Callable[[str], float], boolean: Callable[[str], bool]
) -> None:
    """Add them to the command line; `taken_from` reads them off the result."""

    def add(name: str, text: str, **more: Any) -> None:
        default = DEFAULTS[name]
        if name in REPEATED:
            more |= {"action": "append", "default": None}
        elif isinstance(default, tuple):
            more |= {"type": _list, "default": default}
        else:
            more |= {"default": default}
        parser.add_argument("--" + name.replace("_", "-"), help=text, **more)

    add("service_account_issuer", "issuer of service-account tokens; may be repeated: the first signs")
    add("service_account_key_file", "further keys of service-account tokens; may be repeated", type=Path)
    add("service_account_signing_key_file", "key that signs them; default: one in the data folder", type=Path)
    add("service_account_key_algorithm", "of the one that is made in the data folder", choices=KEY_ALGORITHMS)
    add("service_account_max_token_expiration", "longest life of a token; 0 is no limit", type=duration)
    add("service_account_extend_token_expiration", "let pods' tokens outlive an hour, a year at most", type=boolean)
    add("service_account_lookup", "whether Secrets of old tokens must still exist", type=boolean)
    add("service_account_jwks_uri", "where the issuer's keys are said to be; default: on this server")
    add("api_audiences", "whom tokens for this server are for; default: the issuers")
    add("token_auth_file", 'csv file of static tokens: token,user,uid,"group,group"', type=Path)
    add("enable_bootstrap_token_auth", "believe tokens in kube-system's bootstrap.kubernetes.io/token Secrets",
        type=boolean, nargs="?", const=True)  # fmt: skip
    add("authentication_config", "AuthenticationConfiguration file: issuers of JWTs, anonymous requests", type=Path)
    add("oidc_issuer_url", "OpenID Connect issuer whose ID tokens are believed")
    add("oidc_client_id", "audience that they must have")
    add("oidc_ca_file", "CA of the issuer's certificate; default: the system's", type=Path)
    add("oidc_username_claim", "claim that is the user's name")
    add("oidc_username_prefix", "put before it; default: the issuer and '#', but for emails; '-' for none")
    add("oidc_groups_claim", "claim that lists the user's groups")
    add("oidc_groups_prefix", "put before each")
    add("oidc_signing_algs", "algorithms that are accepted")
    add("oidc_required_claim", "NAME=VALUE that a token must have; may be repeated")
    add("authentication_token_webhook_config_file", "kubeconfig of a webhook that knows tokens", type=Path)
    add("authentication_token_webhook_version", "of TokenReview", choices=("v1", "v1beta1"))
    add("authentication_token_webhook_cache_ttl", "how long its answers are kept", type=duration)
    add("anonymous_auth", "let requests without credentials be system:anonymous", type=boolean)
    add("authorization_config", "AuthorizationConfiguration file, in place of --authorization-mode", type=Path)
    add("authorization_webhook_config_file", "kubeconfig of the webhook of --authorization-mode Webhook", type=Path)
    add("authorization_webhook_version", "of SubjectAccessReview", choices=("v1", "v1beta1"))
    add("authorization_webhook_cache_authorized_ttl", "how long its yes is kept", type=duration)
    add("authorization_webhook_cache_unauthorized_ttl", "how long its no is kept", type=duration)


DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(AuthenticationOptions)}


def taken_from(given: dict[str, Any], parser: argparse.ArgumentParser) -> AuthenticationOptions:
    """Take these flags' values out of those of all.  Exits with a message when they do not go together."""
    values = {name: given.pop(name) for name in DEFAULTS}
    for name in REPEATED:
        values[name] = tuple(values[name] or DEFAULTS[name])
    options = AuthenticationOptions(**values)
    for problem in _problems(options):
        parser.error(problem)
    return options


def _problems(options: AuthenticationOptions) -> list[str]:
    problems = []
    if bool(options.oidc_issuer_url) != bool(options.oidc_client_id):
        problems.append("oidc-issuer-url and oidc-client-id must be specified together when any oidc flags are set")
    if options.oidc_issuer_url and options.authentication_config:
        problems.append("authentication-config file and oidc-* flags are mutually exclusive")
    for algorithm in options.oidc_signing_algs:
        if algorithm not in SIGNING_ALGORITHMS:
            problems.append(f"oidc-signing-algs: unsupported signing alg {algorithm}")
    for claim in options.oidc_required_claim:
        if "=" not in claim:
            problems.append(f"--oidc-required-claim: {claim!r} is not NAME=VALUE")
    longest = options.service_account_max_token_expiration
    if longest and not 3600 <= longest <= _LONGEST:
        problems.append("the service-account-max-token-expiration must be between 1 hour and 2^32 seconds")
    return problems


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
