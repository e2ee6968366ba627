"""/healthz, /livez, /readyz and /metrics of a component, and other pages of its own, over HTTP or HTTPS.

A hand-made responder: a web framework in every component would cost more memory than the component.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping

from client.metrics import Registry

Checks = Mapping[str, Callable[[], bool]]
_PATIENCE = 10.0


class HealthServer:
    """Answers GET for the four paths and `pages`; `/healthz/<check>` asks one check.  200 when all is well, else 500.

    `?verbose` lists the checks, as in https://kubernetes.io/docs/reference/using-api/health-checks/.
    """

    def __init__(
        self, metrics: Registry, health: Checks, readiness: Checks, pages: Mapping[str, Callable[[], str]] | None = None
    ) -> None:
        self._metrics, self._health, self._readiness = metrics, health, readiness
        self._pages = pages if pages is not None else {}
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int, certificate: str = "", key: str = "") -> int:
        """Listen; returns the port (a free one when `port` is 0).  HTTPS if files of a certificate and key are
        given.  Raises OSError."""
        context = None
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, key or None)
        self._server = await asyncio.start_server(self._serve, address, port, ssl=context)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            code, body = self.answer(method, target)
            reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed"}.get(code, "Internal Server Error")
            writer.write(
                f"HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
                f"{'' if method == 'HEAD' else body}".encode()
            )
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def answer(self, method: str, target: str) -> tuple[int, str]:
        """Status code and body for a request."""
        path, _, query = target.partition("?")
        if method not in ("GET", "HEAD"):
            return 405, "only GET\n"
        if path == "/metrics":
            return 200, self._metrics.render()
        if path in self._pages:
            return 200, self._pages[path]()
        root, _, single = path.lstrip("/").partition("/")
        if root not in ("healthz", "livez", "readyz"):
            return 404, "404 page not found\n"
        checks = {"ping": lambda: True, **self._health, **(self._readiness if root == "readyz" else {})}
        if single:
            if single not in checks:
                return 404, "404 page not found\n"
            checks = {single: checks[single]}
        results = {name: check() for name, check in checks.items()}
        healthy = all(results.values())
        if healthy and "verbose" not in query:
            return 200, "ok"
        listing = "".join(
            f"[{'+' if good else '-'}]{name} {'ok' if good else 'failed'}\n" for name, good in results.items()
        )
        return (200 if healthy else 500), f"{listing}{root} check {'passed' if healthy else 'failed'}\n"
