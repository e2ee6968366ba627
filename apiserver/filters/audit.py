"""Records requests as the audit policy says: when they come, when long ones begin to be answered, when they are done.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

from __future__ import annotations

from datetime import datetime

from api.clock import Clock
from api.errors import InternalError, Unauthorized
from apiserver.audit.backend import Backend
from apiserver.audit.policy import COMPLETE, NONE, PANIC, RECEIVED, STARTED, Policy
from apiserver.audit.record import Record
from apiserver.request import ASGI, Receive, Request, Scope, Send, User, request_of


class AuditFilter:
    """Stands behind authentication; refusals come to it as answers, since an ErrorFilter is behind it."""

    def __init__(self, app: ASGI, policy: Policy, backend: Backend, clock: Clock) -> None:
        self._app = app
        self._policy = policy
        self._backend = backend
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        decision = self._policy.decide(request.user, request.info)
        self._backend.levels[decision.level] += 1
        if decision.level == NONE:
            await self._app(scope, receive, send)
            return
        record = request.audit = Record(request, decision, self._clock.now(), request.user)
        if not await self._backend.process(record, RECEIVED):
            raise InternalError(f'Internal Server Error: "{request.path}": failed to store audit event')
        long_running = request.info.verb == "watch" or request.info.connects
        started = False

        async def watched(message: dict[str, object]) -> None:
            nonlocal started
            kind = message["type"]
            if kind in ("http.response.start", "websocket.accept", "websocket.http.response.start") and not started:
                started = True
                record.began(101 if kind == "websocket.accept" else int(message["status"]))  # type: ignore[call-overload]
                if long_running:
                    await self._backend.process(record, STARTED)
            await send(message)

        try:
            await self._app(scope, receive, watched)  # type: ignore[arg-type]
        except BaseException as error:
            record.panicked(error)
            await self._backend.process(record, PANIC)
            raise
        if record.failed:
            await self._backend.process(record, PANIC)
            return
        if record.status is None:
            record.status = {"metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200}
            if long_running:
                await self._backend.process(record, STARTED)
        await self._backend.process(record, COMPLETE)


class FailedAuthenticationFilter:
    """Records the requests of those who are not who they say; stands in front of authentication."""

    def __init__(self, app: ASGI, policy: Policy, backend: Backend, clock: Clock) -> None:
        self._app = app
        self._policy = policy
        self._backend = backend
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = self._clock.now()
        try:
            await self._app(scope, receive, send)
        except Unauthorized:
            request = request_of(scope)
            if request.audit is None:
                await self._record(request, received)
            raise

    async def _record(self, request: Request, received: datetime) -> None:
        nobody = User("")
        decision = self._policy.decide(nobody, request.info)
        self._backend.levels[decision.level] += 1
        if decision.level != NONE:
            record = Record(request, decision, received, nobody)
            record.status = {"status": "Failure", "message": _attempted(request), "reason": "Unauthorized", "code": 401}
            await self._backend.process(record, STARTED)


def _attempted(request: Request) -> str:
    """Which ways of showing who one is were tried."""
    kind, _, token = request.header("authorization").strip().partition(" ")
    tried = []
    if kind.lower() == "basic" and token:
        tried.append("basic")
    if kind.lower() == "bearer" and token.strip():
        tried.append("bearer")
    if request.query.get("access_token", "").strip():
        tried.append("access_token")
    if request.scope.get("client_user") is not None:
        tried.append("x509")
    if not tried:
        return "Authentication failed, no credentials provided"
    return f"Authentication failed, attempted: {', '.join(tried)}"
