"""Lets those who may act as somebody else do so.

See https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from api.errors import BadRequest
from apiserver.authentication.tokens import AUTHENTICATED
from apiserver.authorization.authorizer import Authorizer
from apiserver.filters.authentication import ANONYMOUS, UNAUTHENTICATED
from apiserver.filters.authorization import check
from apiserver.request import ASGI, Receive, Request, RequestInfo, Scope, Send, User, request_of

_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION = "authentication.k8s.io"
_EXTRA = b"impersonate-extra-"


@dataclass(frozen=True, slots=True)
class Identity:
    """One thing that somebody wants to be.  `kind` is User, ServiceAccount, Group, UserExtra or UID."""

    kind: str
    name: str
    namespace: str = ""
    key: str = ""

    def permission(self) -> RequestInfo:
        """What one must be allowed for it."""
        resource = {"UserExtra": "userextras", "UID": "uids"}.get(self.kind, self.kind.lower() + "s")
        group = _AUTHENTICATION if self.kind in ("UserExtra", "UID") else ""
        return RequestInfo(
            "", "impersonate", is_resource=True, group=group, namespace=self.namespace, resource=resource,
            subresource=self.key, name=self.name,
        )  # fmt: skip

    def __str__(self) -> str:
        version = f"{_AUTHENTICATION}/v1" if self.kind in ("UserExtra", "UID") else ""
        return f"{{{self.kind} {self.namespace} {self.name}  {version}  {self.key}}}"


class ImpersonationFilter:
    def __init__(self, app: ASGI, authorizer: Authorizer, complete: asyncio.Event) -> None:
        self._app = app
        self._authorizer = authorizer
        self._complete = complete

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name.startswith(b"impersonate-") for name, _ in scope["headers"]):
            request = request_of(scope)
            wanted = list(_identities(request))
            if wanted and not any(identity.kind in ("User", "ServiceAccount") for identity in wanted):
                shown = " ".join(map(str, wanted))
                raise BadRequest(f"requested [{shown}] without impersonating a user")
            for identity in wanted:
                await check(self._authorizer, request.user, identity.permission(), self._complete)
            if wanted:
                request.user = _acting_as(wanted)
        await self._app(scope, receive, send)


def _identities(request: Request) -> Iterator[Identity]:
    headers = [(name, value.decode("latin-1")) for name, value in request.scope["headers"]]
    user = request.header("impersonate-user")
    if user:
        namespace, colon, account = user.removeprefix(_ACCOUNT).partition(":")
        if user.startswith(_ACCOUNT) and colon and namespace and account:
            yield Identity("ServiceAccount", account, namespace)
        else:
            yield Identity("User", user)
    for name, value in headers:
        if name == b"impersonate-group":
            yield Identity("Group", value)
    for name, value in headers:
        if name.startswith(_EXTRA):
            yield Identity("UserExtra", value, key=unquote(name[len(_EXTRA) :].decode("latin-1")).lower())
    uid = request.header("impersonate-uid")
    if uid:
        yield Identity("UID", uid)


def _acting_as(wanted: list[Identity]) -> User:
    name = uid = ""
    groups: list[str] = []
    accounts: list[str] = []
    extra: dict[str, list[str]] = {}
    for identity in wanted:
        match identity.kind:
            case "User":
                name = identity.name
            case "ServiceAccount":
                name = f"{_ACCOUNT}{identity.namespace}:{identity.name}"
                accounts = ["system:serviceaccounts", f"system:serviceaccounts:{identity.namespace}"]
            case "Group":
                groups.append(identity.name)
            case "UID":
                uid = identity.name
            case _:
                extra.setdefault(identity.key, []).append(identity.name)
    groups = groups or accounts
    if name == ANONYMOUS.name:
        if UNAUTHENTICATED not in groups:
            groups.append(UNAUTHENTICATED)
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    return User(name, uid, tuple(groups), extra)
