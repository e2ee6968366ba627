"""The ASGI application: one dispatcher for all resources, FastAPI for everything else, filters around both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from apiserver.dispatch import Dispatcher
from apiserver.filters.errors import ErrorFilter
from apiserver.filters.metrics import Metrics, MetricsFilter
from apiserver.filters.request_info import RequestInfoFilter
from apiserver.request import ASGI, Receive, Request, Scope, Send, request_of


class Application:
    """Serves resource URLs through the dispatcher and everything else through the plain application.

    What APIServices leave to other servers goes there, whether or not it is a resource.  The plain application may
    still be loading: requests for it set `wanted` and wait.
    """

    def __init__(self, plain: Awaitable[ASGI], wanted: asyncio.Event, dispatcher: Dispatcher) -> None:
        self._plain, self._wanted, self._dispatcher = asyncio.ensure_future(plain), wanted, dispatcher
        self._api = dispatcher.api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        aggregator = self._api.aggregator
        if aggregator is not None and (remote := aggregator.remote_of(scope["path"])) is not None:
            await aggregator.serve(remote, request_of(scope), receive, send)
            return
        if request_of(scope).info.is_resource:
            await self._dispatcher(scope, receive, send)
            return
        if scope["type"] == "websocket":
            scope = {**scope, "type": "http", "method": "GET"}  # nothing here is a stream: the upgrade is declined
        self._wanted.set()
        plain = self._plain.result() if self._plain.done() else await asyncio.shield(self._plain)
        await plain(scope, receive, _with_headers(send, request_of(scope)))


def _with_headers(send: Send, request: Request) -> Send:
    """FastAPI knows nothing of the headers that every answer has."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(b"audit-id", request.audit_id.encode()), *request.answer_headers]
            headers = [*message.get("headers", ()), *own]
            if all(name != b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-cache, private"))
            message["headers"] = headers
        await send(message)

    return sent


@dataclass(frozen=True)
class AuditFilters:
    """What records the requests of those who are who they say, and of those who are not."""

    of_users: Callable[[ASGI], ASGI]
    of_strangers: Callable[[ASGI], ASGI]


def with_filters(
    app: ASGI,
    metrics: Metrics,
    authentication: Callable[[ASGI], ASGI],
    impersonation: Callable[[ASGI], ASGI],
    flow_control: Callable[[ASGI], ASGI],
    authorization: Callable[[ASGI], ASGI],
    audit: AuditFilters | None = None,
) -> ASGI:
    """The way of a request: what it is, whether it counts, who asks, as whom, whose turn it is, whether they may."""
    known = impersonation(flow_control(authorization(app)))
    if audit is None:
        guarded = ErrorFilter(authentication(known))
    else:  # it is told of refusals as of all other answers
        guarded = ErrorFilter(audit.of_strangers(authentication(audit.of_users(ErrorFilter(known)))))
    return ErrorFilter(RequestInfoFilter(MetricsFilter(guarded, metrics)))
