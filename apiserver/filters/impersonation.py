"""Lets those who may act as somebody else do so.

See https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from api.errors import BadRequest
from api.quoting import quoted
from apiserver.authorization.authorizer import Union
from apiserver.filters.authorization import check
from apiserver.request import ASGI, Receive, Request, RequestInfo, Scope, Send, User, request_of

if TYPE_CHECKING:
    from apiserver.authorization.impersonation import Wanted

_EXTRA = b"impersonate-extra-"


class ImpersonationFilter:
    def __init__(self, app: ASGI, authorizer: Union, complete: asyncio.Event) -> None:
        self._app = app
        self._authorizer = authorizer
        self._complete = complete

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name.startswith(b"impersonate-") for name, _ in scope["headers"]):
            await self._impersonate(request_of(scope))
        await self._app(scope, receive, send)

    async def _impersonate(self, request: Request) -> None:
        from apiserver.authorization.impersonation import impersonated  # few clients ever act as others

        wanted = _wanted(request)
        if wanted is None:
            return
        if not wanted.name:
            raise BadRequest(f"requested {_in_go(wanted)} without impersonating a user name")

        async def may(user: User, info: RequestInfo) -> None:
            await check(self._authorizer, user, info, self._complete)

        request.user, request.constraint = await impersonated(wanted, request.user, request.info, may)


def _wanted(request: Request) -> Wanted | None:
    """Whom the headers name; None when they name nobody and nothing."""
    from apiserver.authorization.impersonation import Wanted

    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for name, raw in request.scope["headers"]:
        if name == b"impersonate-group":
            groups.append(raw.decode("latin-1"))
        elif name.startswith(_EXTRA):
            key = unquote(name[len(_EXTRA) :].decode("latin-1")).lower()
            extra.setdefault(key, []).append(raw.decode("latin-1"))
    wanted = Wanted(request.header("impersonate-user"), request.header("impersonate-uid"), tuple(groups), extra)
    return wanted if wanted.name or not wanted.only_name else None


def _in_go(wanted: Wanted) -> str:
    def strings(values: list[str] | tuple[str, ...]) -> str:
        return f"[]string{{{', '.join(map(quoted, values))}}}" if values else "[]string(nil)"

    extra = ", ".join(f"{quoted(key)}:{strings(values)}" for key, values in sorted(wanted.extra.items()))
    shown = f"map[string][]string{{{extra}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{quoted(wanted.uid)}, Groups:{strings(wanted.groups)}, Extra:{shown}}}'
