"""Priority and fairness: each request waits for its turn, and is turned away where too many wait already.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

from apiserver.answer import TEXT, Answer
from apiserver.flow_control.controller import FlowController
from apiserver.flow_control.priority_level import Rejected, Ticket
from apiserver.flow_control.width import width
from apiserver.request import ASGI, Receive, Request, Scope, Send, request_of
from apiserver.storage.watch_cache import WatchCache

_STARTED = ("http.response.start", "websocket.accept")


class FlowControlFilter:
    def __init__(self, app: ASGI, controller: FlowController, cache: WatchCache) -> None:
        self._app = app
        self._controller = controller
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        info = request.info
        if info.connects:
            await self._app(scope, receive, send)
            return
        flow = self._controller.classify(request.user, info)
        level = flow.level
        request.answer_headers += flow.headers
        try:
            ticket = level.arrive(flow, width(request, level, self._cache), request)
            if ticket.began is None:
                await level.wait(ticket)
        except Rejected:
            await send_too_many(request, send)
            return
        if info.verb == "watch":
            await self._watch(ticket, scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            level.leave(ticket)

    async def _watch(self, ticket: Ticket, scope: Scope, receive: Receive, send: Send) -> None:
        """A watch counts until it stands: then it waits, and others do the work."""
        level, stands = ticket.flow.level, False

        async def watched(message: dict[str, object]) -> None:
            nonlocal stands
            if not stands and message["type"] in _STARTED:
                stands = True
                level.leave(ticket)
            await send(message)

        try:
            await self._app(scope, receive, watched)  # type: ignore[arg-type]
        finally:
            if not stands:
                level.leave(ticket)


async def send_too_many(request: Request, send: Send) -> None:
    """The answer to who is turned away, in plain text as Kubernetes has it."""
    headers = {"Retry-After": "1", "X-Content-Type-Options": "nosniff"}
    body = b"Too many requests, please try again later.\n"
    await Answer(429, body=body, content_type=TEXT, headers=headers).send(send, request)
