"""Establishes who is asking: client certificate, then bearer token, then anonymous.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import csv
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from api.errors import Unauthorized
from apiserver.request import ASGI, Receive, Request, Scope, Send, User, request_of

if TYPE_CHECKING:
    from apiserver.filters.request_header import FrontProxy

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))


class TokenFileError(Exception):
    """The file of static tokens is malformed; says where."""


class Authenticator(Protocol):
    """One way of showing who one is."""

    async def authenticate(self, request: Request) -> User | None:
        """The user, or None when the request carries no such credential.

        Raises Unauthorized when it carries one that is wrong.
        """
        ...


def user_of_certificate(certificate: Mapping[str, Any] | None, encoded: bytes | None) -> User | None:
    """The user a verified client certificate names: CN is the user, each O a group.

    `encoded` is the certificate in DER; its digest tells credentials of one user apart (KEP-4193).
    """
    if not certificate or encoded is None:
        return None
    name, groups = "", []
    for relative in certificate.get("subject", ()):
        for attribute, value in relative:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
    if not name:
        return None
    digest = hashlib.sha256(encoded).hexdigest()
    extra = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}
    return User(name, groups=(*groups, AUTHENTICATED), extra=extra)


class ClientCertificates:
    """The certificate of the TLS connection; the handshake has checked it against the CAs already."""

    async def authenticate(self, request: Request) -> User | None:
        shown: User | FrontProxy | None = request.scope.get("client_user")
        return shown if shown is None or isinstance(shown, User) else shown.user(request)


class StaticTokens:
    """`--token-auth-file`: csv lines of token, user, uid and, optionally, quoted comma-separated groups."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {token.encode(): user for token, user in users.items()}

    @classmethod
    def from_file(cls, path: Path) -> StaticTokens:
        users = {}
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise TokenFileError(f"cannot read {path}: {error.strerror}") from None
        for number, row in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
            if not row or row[0].lstrip().startswith("#"):
                continue
            if len(row) < 3 or not row[0] or not row[1]:
                raise TokenFileError(f'{path}, line {number}: write token,user,uid or token,user,uid,"group,group"')
            groups = [group.strip() for group in row[3].split(",") if group.strip()] if len(row) > 3 else []
            users[row[0]] = User(row[1], row[2], (*groups, AUTHENTICATED))
        return cls(users)

    async def authenticate(self, request: Request) -> User | None:
        token = bearer_token(request)
        if not token:
            return None
        # Every known token is compared, in constant time, so that timing tells nothing about any of them.
        found = None
        for known, user in self._users.items():
            if hmac.compare_digest(token, known):
                found = user
        return found


def bearer_token(request: Request) -> bytes:
    """The token of `Authorization: Bearer …`, or of a WebSocket's subprotocol; empty without one."""
    kind, _, token = request.headers.get(b"authorization", b"").strip().partition(b" ")
    return token.strip() if kind.lower() == b"bearer" else b""


class AuthenticationFilter:
    """Asks each authenticator in turn; a token that none knows is refused, no credential at all is anonymous."""

    def __init__(self, app: ASGI, authenticators: Sequence[Authenticator], *, anonymous: bool) -> None:
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
        if bearer_token(request) or not self._anonymous:
            raise Unauthorized("Unauthorized")
        return ANONYMOUS
