"""Refuses what the authorizers do not allow."""

from __future__ import annotations

import asyncio
import contextlib

from api.errors import Forbidden, InternalError
from api.meta_v1 import StatusDetails
from apiserver.authorization.authorizer import Undecided, Union, settled
from apiserver.request import ASGI, Receive, Request, RequestInfo, Scope, Send, User, request_of

_ANNOTATION = "authorization.k8s.io"
_PATIENCE = 10.0  # seconds that a request waits for the built-in roles before it is refused without them


class AuthorizationFilter:
    """`complete` is set once the built-in roles exist: until then nobody is refused, only kept waiting."""

    def __init__(self, app: ASGI, authorizer: Union, complete: asyncio.Event) -> None:
        self._app = app
        self._authorizer = authorizer
        self._complete = complete

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        if request.audit is None:
            await check(self._authorizer, request.user, request.info, self._complete)
        else:
            await self._check_and_tell(request)
        await self._app(scope, receive, send)

    async def _check_and_tell(self, request: Request) -> None:
        """The same, and tell the audit log what was decided, and why."""
        user, info = request.user, request.info
        decision, reason = "forbid", ""
        try:
            await check(self._authorizer, user, info, self._complete)
            decision = "allow"
        except InternalError:
            decision, reason = "", "internal error"
            raise
        finally:
            if decision:
                request.annotations[f"{_ANNOTATION}/decision"] = decision
                reason = await settled(lambda: self._authorizer.reason(user, info))
            request.annotations[f"{_ANNOTATION}/reason"] = reason


async def check(authorizer: Union, user: User, info: RequestInfo, complete: asyncio.Event) -> None:
    """Raises Forbidden, worded as Kubernetes words it, or InternalError when who might allow it cannot be asked."""
    try:
        if authorizer.allows(user, info):
            return
    except Undecided as undecided:
        await undecided.settle()
        if await settled(lambda: authorizer.allows(user, info)):
            return
    if not complete.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await complete.wait()
        if await settled(lambda: authorizer.allows(user, info)):
            return
    error = await settled(lambda: authorizer.error(user, info))
    if error:
        raise InternalError(f'Internal Server Error: "{info.path}": {error}')
    raise forbidden(user, info, await settled(lambda: authorizer.reason(user, info)))


def forbidden(user: User, info: RequestInfo, reason: str = "") -> Forbidden:
    because = f": {reason}" if reason else ""
    if not info.is_resource:
        message = f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"{because}'
        return Forbidden(message, StatusDetails())
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    subject = f'{qualified} "{info.object_name}"' if info.object_name else qualified
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return Forbidden(
        f'{subject} is forbidden: User "{user.name}" cannot {info.verb} resource "{resource}" '
        f'in API group "{info.group}" {where}{because}',
        StatusDetails(name=info.object_name, group=info.group, kind=info.resource),
    )
