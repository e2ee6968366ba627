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
            await send_too_many(request, send, level.retry_after())
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
        stands = False

        def stand() -> None:
            nonlocal stands
            if not stands:
                stands = True
                ticket.flow.level.leave(ticket)

        async def watched(message: dict[str, object]) -> None:
            if message["type"] in _STARTED:
                stand()
            await send(message)

        request_of(scope).delegated = stand
        try:
            await self._app(scope, receive, watched)  # type: ignore[arg-type]
        finally:
            stand()


async def send_too_many(request: Request, send: Send, retry_after: int = 1) -> None:
    """The answer to who is turned away, in plain text as Kubernetes has it.  `retry_after` is in seconds."""
    headers = {"Retry-After": str(retry_after), "X-Content-Type-Options": "nosniff"}
    body = b"Too many requests, please try again later.\n"
    await Answer(429, body=body, content_type=TEXT, headers=headers).send(send, request)
