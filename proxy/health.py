"""What load balancers ask: is this proxy well, and does this node serve a Service itself?

https://kubernetes.io/docs/reference/networking/virtual-ips/ and KEP-3836.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

import orjson

from api.clock import Clock
from proxy.service_map import HealthCheck
from proxy.sync_runner import SyncRunner

log = logging.getLogger(__name__)

_PATIENCE = 10.0
_STALE_SECONDS = 60.0
"""How long a change may wait to be carried out before the proxy calls itself unwell."""

Answer = Callable[[str], tuple[int, object]]
"""From a path to a status code and a JSON document."""


class JsonServer:
    """Answers GET with small JSON documents."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, address: str, port: int) -> None:
        """Raises OSError when the port cannot be had.  Port 0 takes a free one."""
        self._server = await asyncio.start_server(self._serve, address, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
            code, document = self._answer(path)
            body = orjson.dumps(document)
            reason = {200: "OK", 404: "Not Found"}.get(code, "Service Unavailable")
            writer.write(
                f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def proxy_health(runner: SyncRunner, clock: Clock) -> Answer:
    """/healthz and /livez: 200 while changes are carried out in time, else 503."""
    started = clock.now(), clock.monotonic()

    def answer(path: str) -> tuple[int, object]:
        if path not in ("/healthz", "/livez"):
            return 404, {"error": "not found"}
        behind = runner.behind_since
        well = runner.last_success is not None and (behind is None or clock.monotonic() - behind < _STALE_SECONDS)
        now = clock.now()
        since = started[0] if runner.last_success is None else now - _seconds(clock.monotonic() - runner.last_success)
        return (200 if well else 503), {
            "lastUpdated": since.isoformat(),
            "currentTime": now.isoformat(),
            "nodeEligible": True,
        }

    return answer


def _seconds(amount: float) -> timedelta:

    return timedelta(seconds=amount)


class ServiceHealth:
    """One listener for every Service with a health check node port."""

    def __init__(self, address: str = "0.0.0.0") -> None:
        self._address = address
        self._checks: dict[int, HealthCheck] = {}
        self._servers: dict[int, JsonServer] = {}

    async def apply(self, checks: Iterable[HealthCheck]) -> None:
        self._checks = {check.port: check for check in checks}
        for port in [port for port in self._servers if port not in self._checks]:
            self._servers.pop(port).stop()
        for port, check in self._checks.items():
            if port in self._servers:
                continue
            server = JsonServer(lambda _, port=port: self._answer(port))  # type: ignore[misc]
            try:
                await server.start(self._address, port)
            except OSError as error:
                log.warning("health check of %s/%s on port %d: %s", check.namespace, check.name, port, error.strerror)
                continue
            self._servers[port] = server

    def _answer(self, port: int) -> tuple[int, object]:
        check = self._checks[port]
        count = check.local_endpoints
        return (200 if count else 503), {
            "service": {"namespace": check.namespace, "name": check.name},
            "localEndpoints": count,
            "serviceProxyHealthy": True,
        }

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()
        self._servers.clear()
