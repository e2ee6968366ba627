"""Establishes who is asking: client certificate, then bearer token, then anonymous.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from api.errors import Unauthorized
from apiserver.request import ASGI, Receive, Request, Scope, Send, User, request_of

if TYPE_CHECKING:
    from apiserver.filters.request_header import FrontProxy

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))

TOKEN_SUBPROTOCOL = "base64url.bearer.authorization.k8s.io."
"""How the name of a WebSocket's subprotocol begins that is a token, and is nobody else's to see."""
_UID = "1.3.6.1.4.1.57683.2"
"""The attribute of a subject that holds a user's uid, among Kubernetes' own object identifiers."""


class Authenticator(Protocol):
    """One way of showing who one is."""

    async def authenticate(self, request: Request) -> User | None:
        """The user, or None when the request carries no such credential.

        Raises Unauthorized when it carries one that is wrong.
        """
        ...


def user_of_certificate(certificate: Mapping[str, Any] | None, encoded: bytes | None) -> User | None:
    """The user a verified client certificate names: CN is the user, each O a group, and one attribute may be the uid.

    `encoded` is the certificate in DER; its digest tells credentials of one user apart (KEP-4193).
    """
    if not certificate or encoded is None:
        return None
    name, groups, uids = "", [], []
    for relative in certificate.get("subject", ()):
        for attribute, value in relative:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
            elif attribute == _UID:
                uids.append(value)
    if not name or len(uids) > 1:
        return None
    digest = hashlib.sha256(encoded).hexdigest()
    extra = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}
    return User(name, "".join(uids), (*groups, AUTHENTICATED), extra)


class ClientCertificates:
    """The certificate of the TLS connection; the handshake has checked it against the CAs already."""

    async def authenticate(self, request: Request) -> User | None:
        shown: User | FrontProxy | None = request.scope.get("client_user")
        return shown if shown is None or isinstance(shown, User) else shown.user(request)


@dataclass(frozen=True)
class Anonymous:
    """Whether requests without credentials are served; with `paths`, only those for one of them."""

    enabled: bool = True
    paths: frozenset[str] | None = None

    def admits(self, path: str) -> bool:
        return self.enabled and (self.paths is None or path in self.paths)


def bearer_token(request: Request) -> str:
    """The token of `Authorization: Bearer …`, or of a WebSocket's subprotocol; empty without one.

    Browsers cannot give a WebSocket headers
    (https://kubernetes.io/docs/reference/access-authn-authz/authentication/, and kubernetes/kubernetes#47740).
    """
    kind, _, token = request.headers.get(b"authorization", b"").strip().partition(b" ")
    if kind.lower() == b"bearer":
        return token.strip().decode("utf-8", "surrogateescape")
    for offered in request.scope.get("subprotocols", ()):
        if offered.startswith(TOKEN_SUBPROTOCOL):
            return _decoded(offered.removeprefix(TOKEN_SUBPROTOCOL))
    return ""


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthorized("Unauthorized") from None


class AuthenticationFilter:
    """Asks each authenticator in turn; a credential that is wrong is refused, none at all is anonymous."""

    def __init__(self, app: ASGI, authenticators: Sequence[Authenticator], *, anonymous: Anonymous) -> None:
        self._app = app
        self._authenticators = authenticators
        self._anonymous = anonymous

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        request.user = await self.authenticate(request)
        await self._app(scope, receive, send)

    async def authenticate(self, request: Request) -> User:
        """The user a request comes from.  Raises Unauthorized."""
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(request)
            if user is not None:
                return user
        if not self._anonymous.admits(request.path):
            raise Unauthorized("Unauthorized")
        return ANONYMOUS
