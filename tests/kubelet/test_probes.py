"""When probes are tried, and what their attempts add up to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import Container, GRPCAction, HTTPGetAction, Probe, TCPSocketAction
from kubelet.probes.grpc import probe_grpc
from kubelet.probes.http import probe_http
from kubelet.probes.outcome import Outcome
from kubelet.probes.runner import LIVENESS, READINESS, STARTUP, ProbeRunner
from kubelet.probes.tcp import probe_tcp
from kubelet.timers import Timers
from tests.kubelet.support import settle
from tests.ports import free_port

CONTAINER = Container.from_dict({"name": "main", "ports": [{"name": "web", "containerPort": 80}]})


class Bench:
    """A runner whose attempts are answered from `result`."""

    def __init__(self, kind: str, *, eager: bool = False, enabled: bool = True, delay: float = 0, **probe: Any) -> None:
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.result: Outcome | None = Outcome(True)
        self.broken: Exception | None = None
        self.enabled = enabled
        self.tries: list[float] = []
        self.failures: list[str] = []
        self.changes: list[bool] = []
        self.task = asyncio.create_task(self.timers.run())
        self.runner = ProbeRunner(
            kind,
            Probe.from_dict(probe),
            self.attempt,
            clock=self.clock,
            timers=self.timers,
            delay=delay,
            initial=kind == LIVENESS,
            eager=eager,
            enabled=lambda: self.enabled,
            on_change=lambda: self.changes.append(self.runner.verdict),
            on_failure=lambda outcome: self.failures.append(outcome.output),
        )

    async def attempt(self) -> Outcome:
        self.tries.append(self.clock.monotonic())
        if self.broken is not None:
            raise self.broken
        if self.result is None:
            await asyncio.Event().wait()
        assert self.result is not None
        return self.result

    async def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            await self.clock.advance(0.05)
            await settle(5)


@pytest.fixture
async def bench() -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(kind: str, **options: Any) -> Bench:
        made.append(Bench(kind, **options))
        return made[-1]

    yield make
    for item in made:
        item.runner.stop()
        item.task.cancel()
    await settle()


async def test_it_is_tried_each_period_after_the_delay(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, delay=3, periodSeconds=2)
    await subject.advance(8)
    assert subject.tries == pytest.approx([3, 5, 7], abs=0.11)
    assert subject.changes == [True]


async def test_thresholds_count_in_a_row(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, periodSeconds=1, failureThreshold=3, successThreshold=2)
    await subject.advance(0.5)
    assert not subject.runner.verdict
    await subject.advance(1)
    assert subject.runner.verdict
    subject.result = Outcome(False, "no")
    await subject.advance(2)
    assert subject.runner.verdict
    await subject.advance(1)
    assert not subject.runner.verdict
    assert subject.failures == ["no", "no", "no"]


async def test_a_failed_liveness_probe_condemns_once(bench: Callable[..., Bench]) -> None:
    subject = bench(LIVENESS, periodSeconds=1, failureThreshold=2)
    subject.result = Outcome(False, "dead")
    await subject.advance(5)
    assert subject.changes == [False]
    assert len(subject.tries) == 2


async def test_a_startup_probe_ends_with_its_success(bench: Callable[..., Bench]) -> None:
    subject = bench(STARTUP, periodSeconds=1)
    await subject.advance(3)
    assert (subject.runner.verdict, len(subject.tries)) == (True, 1)


async def test_slow_attempts_fail(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, periodSeconds=10, timeoutSeconds=2, httpGet={"port": 80})
    subject.result = None
    await subject.advance(3)
    assert subject.failures == ["context deadline exceeded (Client.Timeout exceeded while awaiting headers)"]


async def test_errors_count_neither_way(bench: Callable[..., Bench]) -> None:
    subject = bench(LIVENESS, periodSeconds=1, failureThreshold=1)
    subject.result = Outcome(False, "no runtime", error=True)
    await subject.advance(3)
    assert subject.runner.verdict
    assert subject.changes == []


async def test_an_attempt_that_breaks_is_not_the_last(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, periodSeconds=1)
    subject.broken = UnicodeError("label empty or too long")
    await subject.advance(2.5)
    assert subject.failures == ["label empty or too long"] * 3
    subject.broken = None
    await subject.advance(1)
    assert subject.runner.verdict


async def test_it_waits_until_it_is_its_turn(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, periodSeconds=10, enabled=False)
    await subject.advance(1)
    assert subject.tries == []
    subject.enabled = True
    subject.runner.hurry()
    await settle()
    assert subject.runner.verdict


async def test_extra_attempts_right_after_the_start_are_not_counted(bench: Callable[..., Bench]) -> None:
    subject = bench(READINESS, eager=True, periodSeconds=10)
    subject.result = Outcome(False, "refused")
    await subject.advance(0.5)
    assert len(subject.tries) > 2
    assert subject.failures == []
    subject.result = Outcome(True)
    await subject.advance(1)
    assert subject.runner.verdict


# --- what is tried --------------------------------------------------------------------------------


@asynccontextmanager
async def serving(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """A server that answers each request's head with bytes; yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def http(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", "Content-Length: 2", *headers, "", "ok"]).encode()


@pytest.mark.parametrize(
    ("status", "success"), [(200, True), (204, True), (302, True), (399, True), (400, False), (500, False)]
)
async def test_http_succeeds_from_200_to_399(status: int, success: bool) -> None:
    async with serving(lambda _: http(status)) as port:
        outcome = await probe_http(HTTPGetAction(port=port), CONTAINER, "127.0.0.1")
    assert outcome.success is success
    if not success:
        assert outcome.output == f"HTTP probe failed with statuscode: {status}"


async def test_http_sends_what_a_probe_sends() -> None:
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        seen.append(head)
        return http(200)

    action = HTTPGetAction.from_dict({"port": 1, "path": "/z?a=b", "httpHeaders": [{"name": "X-A", "value": "1"}]})
    async with serving(answer) as port:
        action.port = port
        await probe_http(action, CONTAINER, "127.0.0.1")
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /z?a=b HTTP/1.1"
    assert {f"Host: 127.0.0.1:{port}", "User-Agent: kube-probe/1.36", "Accept: */*", "X-A: 1"} <= set(lines)


async def test_http_follows_redirects_on_the_same_host_only() -> None:
    def answer(head: bytes) -> bytes:
        if head.startswith(b"GET /bad "):
            return http(500)
        if head.startswith(b"GET /away "):
            return http(302, "Location: http://example.com/")
        return http(302, "Location: /bad")

    async with serving(answer) as port:
        assert not (await probe_http(HTTPGetAction(port=port), CONTAINER, "127.0.0.1")).success
        assert (await probe_http(HTTPGetAction(port=port, path="/away"), CONTAINER, "127.0.0.1")).success


async def test_refused_connections_read_as_in_go() -> None:
    port = free_port()
    outcome = await probe_http(HTTPGetAction(port=port, path="/x"), CONTAINER, "127.0.0.1")
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert outcome.output == f'Get "http://127.0.0.1:{port}/x": {refused}'
    assert (await probe_tcp(TCPSocketAction(port=port), CONTAINER, "127.0.0.1")).output == refused


async def test_ports_may_be_named() -> None:
    # No server of asyncio: one that ends while it accepts a connection never closes that.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        container = Container.from_dict({"name": "main", "ports": [{"name": "web", "containerPort": port}]})
        assert (await probe_tcp(TCPSocketAction(port="web"), container, "127.0.0.1")).success
    outcome = await probe_tcp(TCPSocketAction(port="no"), CONTAINER, "127.0.0.1")
    assert (outcome.error, outcome.output) == (True, "couldn't find port: no in container main")


@pytest.mark.parametrize(("state", "success"), [(1, True), (2, False)])
async def test_grpc_asks_the_health_service(state: int, success: bool) -> None:
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def answer(_: bytes) -> bytes:
        body = b"\x00\x00\x00\x00\x02\x08" + bytes([state])
        return frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x88") + frame(0, 0, 1, body) + frame(1, 5, 1, b"\x88")

    async with serving(answer) as port:
        outcome = await probe_grpc(GRPCAction(port=port), "127.0.0.1")
    assert outcome.success is success
    assert outcome.output == ("service healthy" if success else 'service unhealthy (responded with "NOT_SERVING")')
