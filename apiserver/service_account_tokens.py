"""Service-account tokens: signed statements of who a pod is.

Made by TokenRequest and checked on every use: besides signature, audience and times, the account (and the pod
or secret the token is bound to) must still exist
(https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from api.authentication_v1 import BoundObjectReference, TokenRequestSpec, TokenRequestStatus
from api.clock import Clock
from api.core_v1 import Node, Pod, Secret, ServiceAccount
from api.errors import BadRequest, Conflict, FieldError, Unauthorized, invalid, invalid_value, not_found
from api.meta_v1 import StatusDetails
from api.model import Model
from apiserver.filters.authentication import AUTHENTICATED, bearer_token
from apiserver.request import Request, User

ISSUER = "https://kubernetes.default.svc"
_ALGORITHM = "ES256"
_SHORTEST, _USUAL, _LONGEST = 600, 3600, 1 << 32
_GROUP = "system:serviceaccounts"
log = logging.getLogger(__name__)

_REMEMBERED = 512  # tokens
GetObject = Callable[[type[Model], str, str], Any]


class ServiceAccountTokens:
    """Issues and checks tokens with the cluster's own key, made on first use in `key_file`."""

    def __init__(self, key_file: Path, clock: Clock, get_object: GetObject) -> None:
        self._key_file = key_file
        self._clock = clock
        self._get = get_object
        self._loaded: Any = None
        # A signature that was right stays right; whether the token still holds is looked at every time.
        self._claims = lru_cache(_REMEMBERED)(self._verify)

    def _key(self) -> Any:
        if self._loaded is None:
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric import ec

            from apiserver.pki import write_private

            if not self._key_file.exists():
                key = ec.generate_private_key(ec.SECP256R1())
                form = serialization.PrivateFormat.PKCS8
                pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
                write_private(self._key_file, pem)
            self._loaded = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        return self._loaded

    # --- issuing ---------------------------------------------------------------------------------

    def issue(self, account: ServiceAccount, spec: TokenRequestSpec) -> TokenRequestStatus:
        """A token for an account.

        Raises Invalid or BadRequest for a request that makes no sense, NotFound when the object to bind it to is not
        there, Conflict when that is another one than asked for.
        """
        import jwt

        seconds = _USUAL if spec.expirationSeconds is None else spec.expirationSeconds
        errors = list(_problems(seconds))
        if errors:
            raise invalid("authentication.k8s.io", "TokenRequest", "", errors)
        now = self._clock.now()
        private: dict[str, Any] = {
            "namespace": account.metadata.namespace,
            "serviceaccount": {"name": account.metadata.name, "uid": account.metadata.uid},
        }
        if spec.boundObjectRef is not None:
            private |= self._bound(account, spec.boundObjectRef)
        expires = now + timedelta(seconds=seconds)
        claims = {
            "aud": spec.audiences or [ISSUER],
            "exp": int(expires.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "sub": f"system:serviceaccount:{account.metadata.namespace}:{account.metadata.name}",
        }
        token = jwt.encode(claims, self._key(), algorithm=_ALGORITHM)
        return TokenRequestStatus(token=token, expirationTimestamp=expires)

    def _bound(self, account: ServiceAccount, reference: BoundObjectReference) -> dict[str, Any]:
        """What a token says of the object it is bound to, with whose end it ends."""
        model = _BINDABLE.get(reference.kind) if reference.apiVersion in ("", "v1") else None
        if model is None:
            group, _, version = reference.apiVersion.rpartition("/")
            raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={reference.kind}")
        namespace = "" if model is Node else account.metadata.namespace
        found = self._get(model, namespace, reference.name)
        if found is None:
            raise not_found("", f"{reference.kind.lower()}s", reference.name)
        if isinstance(found, Pod) and found.spec.serviceAccountName != account.metadata.name:
            raise BadRequest(
                f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different '
                "serviceaccount name."
            )
        if reference.uid and reference.uid != found.metadata.uid:
            raise Conflict(
                f'Operation cannot be fulfilled on {reference.kind} "{reference.name}": the UID in the bound object '
                f"reference ({reference.uid}) does not match the UID in record. The object might have been deleted and "
                "then recreated",
                StatusDetails(name=reference.name, kind=reference.kind),
            )
        claims = {reference.kind.lower(): {"name": reference.name, "uid": found.metadata.uid}}
        if isinstance(found, Pod) and found.spec.nodeName:
            claims["node"] = {"name": found.spec.nodeName}
            node = self._get(Node, "", found.spec.nodeName)
            if node is not None:
                claims["node"]["uid"] = node.metadata.uid
        return claims

    # --- checking --------------------------------------------------------------------------------

    async def authenticate(self, request: Request) -> User | None:
        """The account a bearer token speaks for; None when the token is not one of ours at all."""
        token = bearer_token(request)
        if token.count(b".") != 2:
            return None
        return self.check(token.decode("latin-1"))

    def check(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User:
        """Raises Unauthorized."""
        claims = self._claims(token, audiences)
        self._check_times(claims)
        return self._user(claims)

    def _verify(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key().public_key(),
                algorithms=[_ALGORITHM],
                audience=list(audiences),
                issuer=ISSUER,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError as error:
            log.info("a token was refused: %s", error)
            raise Unauthorized("Unauthorized") from None
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        # By the server's clock, which need not be the machine's.
        now: datetime = self._clock.now()
        if not claims.get("nbf", 0) <= now.timestamp() + 1 or claims["exp"] <= now.timestamp():
            raise Unauthorized("Unauthorized")

    def _user(self, claims: Mapping[str, Any]) -> User:
        private = claims.get("kubernetes.io") or {}
        namespace, named = private.get("namespace", ""), private.get("serviceaccount") or {}
        account = self._get(ServiceAccount, namespace, named.get("name", ""))
        if account is None or account.metadata.uid != named.get("uid"):
            raise Unauthorized("Unauthorized")
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti', '')}"]}
        for kind, model in _BINDABLE.items():
            bound = private.get(kind.lower())
            if bound is None:
                continue
            if model is Node and "pod" in private:
                continue  # where the pod was, told for information
            found = self._get(model, "" if model is Node else namespace, bound["name"])
            if found is None or found.metadata.uid != bound["uid"]:
                raise Unauthorized("Unauthorized")
            if model is Pod:
                extra["authentication.kubernetes.io/pod-name"] = [bound["name"]]
                extra["authentication.kubernetes.io/pod-uid"] = [bound["uid"]]
        if private.get("node"):
            extra["authentication.kubernetes.io/node-name"] = [private["node"]["name"]]
            if private["node"].get("uid"):
                extra["authentication.kubernetes.io/node-uid"] = [private["node"]["uid"]]
        groups = (_GROUP, f"{_GROUP}:{namespace}", AUTHENTICATED)
        return User(claims["sub"], account.metadata.uid, groups, extra)


_BINDABLE: dict[str, type[Model]] = {"Pod": Pod, "Node": Node, "Secret": Secret}


def _problems(seconds: int) -> list[FieldError]:
    errors = []
    if seconds < _SHORTEST:
        errors.append(
            invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        )
    if seconds > _LONGEST:
        errors.append(
            invalid_value("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
        )
    return errors
