"""Which stages a request is recorded at, however it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from api.clock import ManualClock
from apiserver.audit.backend import Backend, Event, Sink
from apiserver.audit.flags import BLOCKING, SinkOptions
from apiserver.audit.policy import Policy
from apiserver.filters.audit import AuditFilter
from apiserver.filters.errors import ErrorFilter
from apiserver.filters.request_info import parse
from apiserver.request import ASGI, Receive, Request, Scope, Send, User

OPTIONS = SinkOptions(BLOCKING, 1, 1, 0.0, False, 1.0, 1, False, 1, 1)


async def nothing(*_: Any) -> Any:
    """Receives nothing, sends nowhere."""


async def recorded(app: ASGI, path: str, kind: str = "http", body: bytes | None = None) -> list[dict[str, Any]]:
    """The events of one request, as they are written."""
    events: list[dict[str, Any]] = []

    async def deliver(batch: Sequence[Event]) -> None:
        events.extend(orjson.loads(event.encoded) for event in batch)

    clock = ManualClock()
    backend = Backend([Sink("log", OPTIONS, deliver, clock)], clock)
    scope: dict[str, Any] = {"type": kind, "path": path, "query_string": b"", "headers": [], "client": ("::1", 5)}
    request = Request(scope, nothing)
    request.info, request.user = parse("GET", path, {}), User("alice")
    request._body = body
    scope["nanokube.request"] = request
    policy = Policy.from_dict({"rules": [{"level": "RequestResponse"}]})
    await AuditFilter(ErrorFilter(app), policy, backend, clock)(scope, nothing, nothing)
    return events


async def test_a_failure_of_the_server_is_a_panic(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("with details nobody should see")

    received, panic = await recorded(fails, "/api/v1/pods")
    assert (received["stage"], panic["stage"]) == ("RequestReceived", "Panic")
    assert panic["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": "APIServer panic'd: ZeroDivisionError",
        "reason": "InternalError", "code": 500,
    }  # fmt: skip
    assert "failed" in caplog.text


async def test_an_exec_begins_when_the_protocol_changes() -> None:
    async def accepts(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    path = "/api/v1/namespaces/ns/pods/p/exec"
    events = await recorded(accepts, path, "websocket")
    assert [event["stage"] for event in events] == ["RequestReceived", "ResponseStarted", "ResponseComplete"]
    assert events[1]["responseStatus"] == {"metadata": {}, "code": 101}
    assert events[0]["objectRef"] == {
        "resource": "pods", "namespace": "ns", "name": "p", "apiVersion": "v1", "subresource": "exec",
    }  # fmt: skip


async def test_a_client_that_leaves_early_is_recorded_to_the_end() -> None:
    events = await recorded(nothing, "/api/v1/namespaces/ns/pods/p")
    assert events[-1]["stage"] == "ResponseComplete"
    assert events[-1]["responseStatus"]["message"] == "Connection closed early"


async def test_what_is_no_document_is_left_out() -> None:
    events = await recorded(nothing, "/api/v1/namespaces/ns/pods/p", body=b"{not json")
    assert "requestObject" not in events[-1]
