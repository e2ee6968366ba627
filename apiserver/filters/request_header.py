"""Front proxies: servers that say in headers whom they ask for, and are believed for their client certificate.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from api.errors import Unauthorized
from apiserver.filters.authentication import (
    ANONYMOUS,
    AUTHENTICATED,
    UNAUTHENTICATED,
    bearer_token,
    user_of_certificate,
)
from apiserver.request import Request, User


@dataclass(frozen=True)
class RequestHeaders:
    """Where front proxies say who somebody is, and who may be one: with `allowed_names`, only those common names."""

    user: tuple[str, ...] = ("X-Remote-User",)
    uid: tuple[str, ...] = ("X-Remote-Uid",)
    group: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefix: tuple[str, ...] = ("X-Remote-Extra-",)
    allowed_names: tuple[str, ...] = ()

    def read(self, request: Request) -> User | None:
        """The user that the headers name; None when they name none."""
        given = [(name.decode("latin-1"), value.decode(errors="replace")) for name, value in request.scope["headers"]]
        name = next(_values(given, self.user), "")
        if not name:
            return None
        groups = list(_values(given, self.group))
        if name == ANONYMOUS.name:
            groups += [] if UNAUTHENTICATED in groups else [UNAUTHENTICATED]
        elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups.append(AUTHENTICATED)
        extra: dict[str, list[str]] = {}
        for prefix in map(str.lower, self.extra_prefix):
            for header, value in given:
                if header.startswith(prefix):
                    extra.setdefault(unquote(header[len(prefix) :]), []).append(value)
        return User(name, next(_values(given, self.uid), ""), tuple(groups), extra)


def _values(given: list[tuple[str, str]], headers: tuple[str, ...]) -> Iterator[str]:
    """The values of some headers that are not empty, in the headers' order.  `given` has names in lower case."""
    for wanted in map(str.lower, headers):
        yield from (value for name, value in given if name == wanted and value)


@dataclass(frozen=True)
class FrontProxy:
    """The other end of a connection with a certificate of the front proxies' CA.

    `own` is who it is itself: None unless that CA is one of clients, too.
    """

    common_name: str
    own: User | None
    headers: RequestHeaders

    def user(self, request: Request) -> User | None:
        """Whom it asks for, or None when another credential has to tell.  Raises Unauthorized when none can."""
        allowed = not self.headers.allowed_names or self.common_name in self.headers.allowed_names
        found = self.headers.read(request) if allowed else None
        if found is None:
            found = self.own
        if found is None and not bearer_token(request):
            raise Unauthorized("Unauthorized")
        return found


@dataclass
class FrontProxies:
    """Tells which client certificates are those of front proxies.  `roots` and `client_roots` are DER."""

    roots: frozenset[bytes]
    client_roots: frozenset[bytes]
    headers: RequestHeaders
    _seen: set[bytes] = field(default_factory=set)
    """The certificates of front proxies.  A connection that resumes a TLS session has no chain any more."""

    @classmethod
    def of(cls, ca_file: Path, client_ca_file: Path, headers: RequestHeaders) -> FrontProxies:
        """Raises OSError (ssl.SSLError is one) when a file is no bundle of certificates."""
        return cls(certificates_of(ca_file), certificates_of(client_ca_file), headers)

    def peer(self, connection: Any, certificate: Mapping[str, Any], encoded: bytes) -> FrontProxy | User | None:
        """Who showed a certificate, which the handshake has verified against both CAs together."""
        root = root_of(connection)
        if root in self.roots:
            self._seen.add(encoded)
        user = user_of_certificate(certificate, encoded)
        if encoded not in self._seen:
            return user
        both = root is not None and root in self.client_roots
        return FrontProxy(user.name if user is not None else "", user if both else None, self.headers)


def certificates_of(file: Path) -> frozenset[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return frozenset(context.get_ca_certs(binary_form=True))


def root_of(connection: Any) -> bytes | None:
    """The CA's certificate in DER that the peer's was verified against; None for a resumed session."""
    if hasattr(connection, "get_verified_chain"):  # from Python 3.13 on
        chain = connection.get_verified_chain()
        return chain[-1] if chain else None
    chain = connection._sslobj.get_verified_chain()
    return ssl.PEM_cert_to_DER_cert(chain[-1].public_bytes()) if chain else None
