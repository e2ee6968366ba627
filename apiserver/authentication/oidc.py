"""Tokens of other issuers: OpenID Connect ID tokens, and JWTs like them.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from api.clock import Clock
from api.quoting import quoted
from apiserver.authentication.issuer_keys import IssuerKeys
from apiserver.authentication.jose import JoseError, unverified, verified
from apiserver.authentication.tokens import Audiences, Rejected, Verdict
from apiserver.authorization.rules import quoted as quoted_list
from apiserver.request import User

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_EARLY = 300.0
"""Seconds that a token may be used before its time, for clocks that differ."""
Claims = Mapping[str, Any]


class Expression(Protocol):
    """CEL over named values.  Raises ValueError when it cannot be evaluated."""

    def __call__(self, values: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class ClaimMapping:
    """Where one attribute of a user comes from: a claim, with something put before it, or an expression."""

    claim: str = ""
    prefix: str = ""
    expression: Expression | None = None


@dataclass(frozen=True)
class Rule:
    """Something that must be true; `message` says what is wrong when it is not."""

    holds: Callable[[Mapping[str, Any]], bool]
    message: str


@dataclass(frozen=True)
class JWTSettings:
    """One issuer and how its claims become a user.  Rules of claims see `claims`, those of users `user`."""

    issuer: str
    audiences: Audiences
    username: ClaimMapping
    groups: ClaimMapping = ClaimMapping()
    uid: ClaimMapping = ClaimMapping()
    extra: Mapping[str, Expression] = field(default_factory=dict)
    claim_rules: Sequence[Rule] = ()
    user_rules: Sequence[Rule] = ()


class JWTAuthenticator:
    """Tokens of one issuer, signed with one of its keys."""

    def __init__(self, settings: JWTSettings, keys: IssuerKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        parts = unverified(token)
        if parts is None or parts[1].get("iss") != self._settings.issuer:
            return None
        key_id = parts[0].get("kid")
        try:
            keys = await self._keys.named(key_id if isinstance(key_id, str) else "")
            claims = verified(token, lambda _: keys)
        except JoseError as error:
            raise Rejected(f"oidc: verify token: failed to verify signature: {error}") from None
        self._check(claims)
        return self.user(claims), audiences

    def _check(self, claims: Claims) -> None:
        now, settings = self._clock.now().timestamp(), self._settings
        meant = claims.get("aud")
        meant = [meant] if isinstance(meant, str) else meant if isinstance(meant, list) else []
        if not any(audience in meant for audience in settings.audiences):
            wanted = quoted_list(settings.audiences)
            raise Rejected(
                f"oidc: verify token: oidc: expected audience in {wanted} got {quoted_list(map(str, meant))}"
            )
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not _is_number(expires) or expires <= now:
            raise Rejected("oidc: verify token: oidc: token is expired")
        if not _is_number(begins) or begins > now + _EARLY:
            raise Rejected("oidc: verify token: oidc: token is used before its time")

    def user(self, claims: Claims) -> User:
        """The user that checked claims name.  Raises Rejected."""
        settings = self._settings
        name = self._username(claims)
        groups = self._groups(claims)
        uid = self._uid(claims)
        extra: dict[str, list[str]] = {}
        for key, expression in settings.extra.items():
            values = _strings(_evaluated(expression, claims, "extra"), "extra")
            if values:
                extra[key] = values
        identifier = claims.get("jti")
        if isinstance(identifier, str) and identifier:
            extra[_CREDENTIAL_ID] = [f"JTI={identifier}"]
        for rule in settings.claim_rules:
            _check_rule(rule, {"claims": claims}, "claim")
        user = User(name, uid, tuple(groups), extra)
        if settings.user_rules:
            info = {"username": name, "uid": uid, "groups": groups, "extra": extra}
            for rule in settings.user_rules:
                _check_rule(rule, {"user": {key: value for key, value in info.items() if value}}, "user info")
        return user

    def _username(self, claims: Claims) -> str:
        mapping = self._settings.username
        if mapping.expression is not None:
            name = _evaluated(mapping.expression, claims, "username claim")
            if not isinstance(name, str):
                raise Rejected("oidc: error evaluating username claim expression: it must return a string")
        else:
            name = _text(claims, mapping.claim, "username")
            if mapping.claim == "email" and claims.get("email_verified", True) is not True:
                raise Rejected("oidc: email not verified")
            name = mapping.prefix + name
        if not name:
            raise Rejected("oidc: username claim mapping is empty")
        return name

    def _groups(self, claims: Claims) -> list[str]:
        mapping = self._settings.groups
        if mapping.expression is not None:
            return _strings(_evaluated(mapping.expression, claims, "group claim"), "group claim")
        if not mapping.claim or mapping.claim not in claims:
            return []
        value = claims[mapping.claim]
        groups = [value] if isinstance(value, str) else value
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise Rejected(f"oidc: parse groups claim {quoted(mapping.claim)}: it is no list of strings")
        return [mapping.prefix + group for group in groups]

    def _uid(self, claims: Claims) -> str:
        mapping = self._settings.uid
        if mapping.expression is not None:
            uid = _evaluated(mapping.expression, claims, "uid claim")
            if not isinstance(uid, str):
                raise Rejected("oidc: error evaluating uid claim expression: it must return a string")
            return uid
        return _text(claims, mapping.claim, "uid") if mapping.claim else ""


def required_claim(name: str, value: str) -> Rule:
    """A claim must be there and have that value."""

    def holds(values: Mapping[str, Any]) -> bool:
        return bool(values["claims"].get(name) == value)

    return Rule(holds, f"oidc: required claim {name} not present or not of the value {quoted(value)}")


def _check_rule(rule: Rule, values: Mapping[str, Any], what: str) -> None:
    try:
        holds = rule.holds(values)
    except ValueError as error:
        raise Rejected(f"oidc: error evaluating {what} validation expression: {error}") from None
    if not holds:
        raise Rejected(rule.message)


def _evaluated(expression: Expression, claims: Claims, what: str) -> Any:
    try:
        return expression({"claims": claims})
    except ValueError as error:
        raise Rejected(f"oidc: error evaluating {what} expression: {error}") from None


def _text(claims: Claims, name: str, what: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        why = "claim not present" if name not in claims else "it is no string"
        raise Rejected(f"oidc: parse {what} claims {quoted(name)}: {why}")
    return value


def _strings(value: Any, what: str) -> list[str]:
    """What an expression returned: a string or strings, of which nothing and the empty ones are left out."""
    values = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise Rejected(f"oidc: error evaluating {what} expression: it must return a string or a list of strings")
    return [each for each in values if each]


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
