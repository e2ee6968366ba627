"""The simple limit on requests in progress, for servers without priority and fairness.

`--max-requests-inflight` is for those that read and `--max-mutating-requests-inflight` for all others; 0 is no limit.
"""

from __future__ import annotations

from collections import Counter

from apiserver.authorization.authorizer import MASTERS
from apiserver.filters.flow_control import send_too_many
from apiserver.request import ASGI, Receive, Scope, Send, request_of

_READING = ("get", "list", "watch")


class MaxInFlightFilter:
    def __init__(self, app: ASGI, reading: int, mutating: int) -> None:
        self._app = app
        self._limits = {True: reading, False: mutating}
        self._running: Counter[bool] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        info = request.info
        reads = info.verb in _READING
        limit = self._limits[reads]
        if not limit or info.verb == "watch" or info.connects:
            await self._app(scope, receive, send)
            return
        if self._running[reads] >= limit and MASTERS not in request.user.groups:
            await send_too_many(request, send)
            return
        self._running[reads] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[reads] -= 1
