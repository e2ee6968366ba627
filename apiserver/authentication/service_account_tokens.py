"""Service-account tokens: signed statements of who a pod is, checked on every use.

Besides signature, audience and times, the account, and the pod, node or secret that the token is bound to, must still
exist (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.clock import Clock
from api.core_v1 import Node, Pod, Secret, ServiceAccount
from api.model import Model
from api.quoting import quoted
from apiserver.authentication.issuer_discovery import KEYS_PATH, Issuer
from apiserver.authentication.jose import JoseError, issuer_of, verified
from apiserver.authentication.token_keys import TokenKeys
from apiserver.authentication.tokens import Audiences, GetObject, Rejected, Verdict, common
from apiserver.authorization.rules import quoted as quoted_list
from apiserver.request import User

BINDABLE: dict[str, type[Model]] = {"Pod": Pod, "Node": Node, "Secret": Secret}
_LEGACY_ISSUER = "kubernetes/serviceaccount"
_EXTRA = "authentication.kubernetes.io/"
_GROUP = "system:serviceaccounts"
_INVALIDATED = "service account token has been invalidated"
_LEEWAY = timedelta(minutes=1)
"""How far the clocks of issuer and checker may be apart, and how long what is being deleted still counts."""
_REMEMBERED = 512  # tokens


@dataclass(frozen=True)
class TokenSettings:
    """`--service-account-issuer`, of which the first signs and all are believed, and the flags around it.

    `audiences` are the API server's own; `longest` is in seconds, 0 for no limit; `extends` says whether tokens of pods
    outlive what was asked for (see `token_requests`); `lookup` whether Secrets of old tokens must still exist;
    `jwks_uri` where the keys are said to be, if not on this server.
    """

    issuers: tuple[str, ...]
    audiences: Audiences
    longest: int = 0
    extends: bool = True
    lookup: bool = True
    jwks_uri: str = ""


class ServiceAccountTokens:
    """Checks the tokens; `token_requests` issues them by the same keys and settings."""

    def __init__(self, keys: TokenKeys, settings: TokenSettings, clock: Clock, get: GetObject) -> None:
        self.keys = keys
        self.settings = settings
        self._clock = clock
        self.get = get
        self.used: Callable[[Secret], object] = lambda secret: None
        """Told of every use of a token in a Secret."""
        self._verified: dict[str, dict[str, Any]] = {}

    def issuer(self, address: str) -> Issuer:
        """What is published of the issuer; `address` is the server's own, with its port."""
        jwks_uri = self.settings.jwks_uri or f"https://{address}{KEYS_PATH}"
        return Issuer(self.settings.issuers[0], jwks_uri, self.keys)

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        claims = await self._claims(token)
        if claims is None:
            return None
        meant = claims.get("aud") or list(self.settings.audiences)
        meant = [meant] if isinstance(meant, str) else meant
        matched = common(meant, audiences)
        if not matched:
            wanted = quoted_list(audiences)
            raise Rejected(f"token audiences {quoted_list(meant)} is invalid for the target audiences {wanted}")
        if claims["iss"] != _LEGACY_ISSUER:
            return self._user(claims), matched
        from apiserver.authentication import legacy_tokens  # few clusters still have any

        account, secret_name = legacy_tokens.check(claims)
        if self.settings.lookup:
            self.used(legacy_tokens.look_up(account, secret_name, token, self.get))
        return _user_of(*account, {}), matched

    async def _claims(self, token: str) -> dict[str, Any] | None:
        """What a token says that is signed rightly; None for one of another issuer.

        A signature that was right stays right; whether the token still holds is looked at every time.
        """
        claims = self._verified.get(token)
        if claims is None:
            issuer = issuer_of(token)
            if issuer != _LEGACY_ISSUER and issuer not in self.settings.issuers:
                return None
            keys = await self.keys.load()
            try:
                claims = verified(token, keys.candidates)
            except JoseError as error:
                raise Rejected(str(error)) from None
            if not _is_readable(claims):
                raise Rejected("the claims of the token are of other types than those of a service account")
            if len(self._verified) >= _REMEMBERED:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = claims
        return claims

    def _user(self, claims: Mapping[str, Any]) -> User:
        now = self._clock.now()
        _check_times(claims, now)
        private = claims.get("kubernetes.io") or {}
        namespace, named = private.get("namespace", ""), private.get("serviceaccount") or {}
        self._check_account(namespace, named, now)
        for kind, model in BINDABLE.items():
            bound = private.get(kind.lower())
            if bound and not (model is Node and "pod" in private):  # where the pod was is told for information
                self._check_bound(model, "" if model is Node else namespace, bound, now)
        extra = {_EXTRA + "credential-id": [f"JTI={claims['jti']}"]} if claims.get("jti") else {}
        for kind in ("node", "pod"):
            for part in ("name", "uid"):
                if value := (private.get(kind) or {}).get(part):
                    extra[f"{_EXTRA}{kind}-{part}"] = [value]
        return _user_of(namespace, named["name"], named["uid"], extra)

    def _check_account(self, namespace: str, named: Mapping[str, str], now: datetime) -> None:
        name, uid = named.get("name", ""), named.get("uid", "")
        account = self.get(ServiceAccount, namespace, name)
        if account is None:
            raise Rejected(f"serviceaccounts {quoted(name)} not found")
        if _is_gone(account, now):
            raise Rejected(f"service account {namespace}/{name} has been deleted")
        if account.metadata.uid != uid:
            raise Rejected(f"service account UID ({account.metadata.uid}) does not match claim ({uid})")

    def _check_bound(self, model: type[Model], namespace: str, bound: Mapping[str, str], now: datetime) -> None:
        found, uid = self.get(model, namespace, bound.get("name", "")), bound.get("uid", "")
        if found is None or _is_gone(found, now):
            raise Rejected(_INVALIDATED)
        if found.metadata.uid != uid:
            kind, is_ = model.__name__.lower(), found.metadata.uid
            raise Rejected(f"{kind} UID ({is_}) does not match service account {kind} ref claim ({uid})")


def _is_gone(obj: Any, now: datetime) -> bool:
    ending = obj.metadata.deletionTimestamp
    return ending is not None and ending < now - _LEEWAY


def _user_of(namespace: str, name: str, uid: str, extra: dict[str, list[str]]) -> User:
    return User(f"system:serviceaccount:{namespace}:{name}", uid, (_GROUP, f"{_GROUP}:{namespace}"), extra)


def _is_readable(claims: Mapping[str, Any]) -> bool:
    """Keys may be shared with issuers of other tokens."""
    private = claims.get("kubernetes.io") or {}
    return (
        isinstance(claims.get("aud") or [], list | str)
        and all(isinstance(claims.get(name, 0), int | float) for name in ("exp", "nbf"))
        and isinstance(private, dict)
        and isinstance(private.get("namespace", ""), str)
        and all(_is_reference(private.get(name) or {}) for name in ("serviceaccount", *map(str.lower, BINDABLE)))
    )


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for part in value.values())


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    # By the server's clock, which need not be the machine's.
    early, late = (now - _LEEWAY).timestamp(), (now + _LEEWAY).timestamp()
    if claims.get("exp", 0) < early:
        raise Rejected("service account token has expired")
    if claims.get("nbf", 0) > late:
        raise Rejected("service account token is not valid yet")
