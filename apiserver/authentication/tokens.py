"""Bearer tokens: several kinds of them, asked about in turn.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#putting-a-bearer-token-in-a-request
"""

from __future__ import annotations

import csv
import hmac
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from api.errors import Unauthorized
from api.model import Model
from apiserver.authorization.rules import aggregate
from apiserver.filters.authentication import AUTHENTICATED, bearer_token
from apiserver.request import Request, User

UNKNOWN = "invalid bearer token"
log = logging.getLogger(__name__)

Audiences = tuple[str, ...]
Verdict = tuple[User, Audiences]
"""Whose token it is, and for whom of those that it was asked for."""
GetObject = Callable[[type[Model], str, str], Any]
"""Finds an object by namespace and name; None when there is none.  The object is shared."""


class Rejected(Exception):
    """A token of a known kind that does not hold; the message says why, and is only for logs and reviews."""


class TokenAuthenticator(Protocol):
    """One kind of token."""

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        """None when the token is not of the kind.  Raises Rejected."""
        ...


class BearerTokens:
    """All kinds of tokens, for requests (an `Authenticator`) and for reviews.

    `audiences` are the API server's own: who names none when they ask for a review means them.  `issuers` are the kinds
    that may change while the server runs; they are asked last.
    """

    def __init__(self, kinds: Sequence[TokenAuthenticator], audiences: Audiences) -> None:
        self._kinds = kinds
        self.issuers: Sequence[TokenAuthenticator] = ()
        self.audiences = audiences

    async def authenticate(self, request: Request) -> User | None:
        """Raises Unauthorized."""
        token = bearer_token(request)
        if not token:
            return None
        try:
            return (await self.review(token, self.audiences))[0]
        except Rejected as error:
            log.info("a token was refused: %s", error)
            raise Unauthorized("Unauthorized") from None

    async def review(self, token: str, audiences: Audiences) -> Verdict:
        """Raises Rejected, with what every kind says."""
        complaints = [UNKNOWN]
        for kind in (*self._kinds, *self.issuers):
            try:
                verdict = await kind.authenticate(token, audiences)
            except Rejected as error:
                complaints.append(str(error))
                continue
            if verdict is not None:
                user, matched = verdict
                if AUTHENTICATED not in user.groups:
                    user = replace(user, groups=(*user.groups, AUTHENTICATED))
                return user, matched
        raise Rejected(aggregate(complaints))


class TokenFileError(Exception):
    """The file of static tokens is malformed; says where."""


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

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        # Every known token is compared, in constant time, so that timing tells nothing about any of them.
        found, encoded = None, token.encode("utf-8", "surrogateescape")
        for known, user in self._users.items():
            if hmac.compare_digest(encoded, known):
                found = user
        return None if found is None else (found, audiences)


class ForTheServer:
    """Tokens of a kind that names no audience: they are for the API server."""

    def __init__(self, kind: TokenAuthenticator, own: Audiences) -> None:
        self._kind, self._own = kind, own

    async def authenticate(self, token: str, audiences: Audiences) -> Verdict | None:
        matched = audiences if audiences is self._own else common(self._own, audiences)
        verdict = await self._kind.authenticate(token, audiences) if matched else None
        return None if verdict is None else (verdict[0], matched)


def common(own: Collection[str], wanted: Iterable[str]) -> Audiences:
    """Those that are wanted and among one's own, in the order in which they are wanted."""
    return tuple(audience for audience in wanted if audience in own)
