"""The kubelet's endpoints as one ASGI application: health, logs, exec, attach, port-forward, stats, metrics.

What the apiserver relays to (https://kubernetes.io/docs/reference/node/kubelet-api/ lists what a kubelet serves).
One application serves all nodes of its process: pods are found by namespace and name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from api.clock import Clock
from kubelet.runtime.protocol import ExecSession, Runtime, RuntimeFailure
from kubelet.server import channels, port_forward, spdy_channels
from kubelet.server.backend import ContainerReference, ServerBackend, UnknownContainer
from kubelet.server.container_log import LogOptions, read_log
from kubelet.server.resource_metrics import resource_metrics
from kubelet.server.spdy import SpdyForwarder
from kubelet.server.spdy_channels import SpdyChannels
from kubelet.server.summary import summary
from kubelet.server.upgrade import offered_protocols, switched, wants_spdy

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Refused(Exception):
    """The request gets this answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Query:
    def __init__(self, scope: Scope) -> None:
        self._values: dict[str, list[str]] = parse_qs(scope["query_string"].decode(), keep_blank_values=True)

    def text(self, name: str) -> str:
        return self._values.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def flag(self, *names: str) -> bool:
        return any(self.text(name).lower() in ("1", "true") for name in names)

    def number(self, name: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        try:
            value = int(text)
        except ValueError:
            raise Refused(400, f"{name}: {text!r} is not a number") from None
        if value < 0:
            raise Refused(422, f"{name} must be greater than or equal to 0")
        return value


class KubeletApp:
    """`node_name` is what /stats/summary calls the node."""

    def __init__(self, backend: ServerBackend, runtime: Runtime, clock: Clock, node_name: str = "") -> None:
        self._backend = backend
        self._runtime = runtime
        self._clock = clock
        self._node_name = node_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = [unquote(part) for part in scope["path"].strip("/").split("/")]
        try:
            if scope["type"] == "websocket":
                await self._stream(parts, Query(scope), scope, receive, send)
            elif scope["type"] == "http":
                await self._answer(parts, Query(scope), scope, receive, send)
        except UnknownContainer as error:
            await _refuse(scope, send, error.http_status, error.message)
        except Refused as error:
            await _refuse(scope, send, error.status, error.message)
        except RuntimeFailure as error:
            await _refuse(scope, send, 500, error.message)

    async def _answer(self, parts: list[str], query: Query, scope: Scope, receive: Receive, send: Send) -> None:
        if parts[0] in ("exec", "attach", "portForward"):
            if not wants_spdy(scope):
                raise Refused(400, "you must upgrade the connection to a WebSocket or SPDY/3.1")
            await self._stream(parts, query, scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            raise Refused(405, "method not allowed")
        match parts:
            case ["healthz" | "readyz" | "livez"]:
                healthy = self._backend.healthy()
                await _respond(send, 200 if healthy else 500, b"ok" if healthy else b"the runtime does not answer")
            case ["pods"] | ["runningpods"]:
                await _respond(send, 200, self._backend.pods_json(), "application/json")
            case ["metrics"]:
                await _respond(send, 200, self._backend.metrics_text().encode(), "text/plain; version=0.0.4")
            case ["metrics", "resource"]:
                stats = await self._backend.pod_stats(query.text("nodeName"))
                body = resource_metrics(stats, self._clock.now())
                await _respond(send, 200, body, "text/plain; version=0.0.4")
            case ["stats", "summary"]:
                node = query.text("nodeName") or self._node_name
                stats = await self._backend.pod_stats(query.text("nodeName"))
                await _respond(send, 200, summary(node, stats, self._clock.now()), "application/json")
            case ["containerLogs", namespace, pod, container]:
                await self._logs(namespace, pod, container, query, receive, send)
            case _:
                raise Refused(404, "404 page not found")

    # --- logs ---

    async def _logs(self, namespace: str, pod: str, container: str, query: Query, receive: Receive, send: Send) -> None:
        options = self._log_options(query)
        found = await self._backend.find_container(namespace, pod, container, previous=query.flag("previous"))
        if not found.log_path:
            raise Refused(400, f"container {container} has no log")
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_disconnected(receive))
        copying = asyncio.ensure_future(self._copy_log(found, options, send))
        try:
            await asyncio.wait((gone, copying), return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
                await send({"type": "http.response.body", "body": b""})
        finally:
            for task in (gone, copying):
                task.cancel()
            await asyncio.gather(gone, copying, return_exceptions=True)

    async def _copy_log(self, found: ContainerReference, options: LogOptions, send: Send) -> None:
        if options.follow:  # the reader should know at once that it is connected
            await send({"type": "http.response.body", "body": b"", "more_body": True})

        async def finished() -> None:
            await self._backend.wait_finished(found.container_id)

        async with contextlib.aclosing(read_log(Path(found.log_path), options, finished)) as pieces:
            async for text in pieces:
                await send({"type": "http.response.body", "body": text, "more_body": True})

    def _log_options(self, query: Query) -> LogOptions:
        since = None
        seconds = query.number("sinceSeconds")
        if seconds is not None:
            since = self._clock.now() - timedelta(seconds=seconds)
        elif query.text("sinceTime"):
            try:
                since = datetime.fromisoformat(query.text("sinceTime"))
            except ValueError:
                raise Refused(400, f"sinceTime: {query.text('sinceTime')!r} is not a time") from None
        return LogOptions(
            follow=query.flag("follow"),
            tail_lines=query.number("tailLines"),
            since=since,
            timestamps=query.flag("timestamps"),
            limit_bytes=query.number("limitBytes"),
            stream={"Stdout": "stdout", "Stderr": "stderr"}.get(query.text("stream"), ""),
        )

    # --- streams ---

    async def _stream(self, parts: list[str], query: Query, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
        match parts:
            case ["exec" | "attach" as verb, namespace, pod, container]:
                await self._session(verb, namespace, pod, "", container, query, scope, receive, send)
            case ["exec" | "attach" as verb, namespace, pod, uid, container]:
                await self._session(verb, namespace, pod, uid, container, query, scope, receive, send)
            case ["portForward", namespace, pod]:
                await self._forward(namespace, pod, "", query, scope, receive, send)
            case ["portForward", namespace, pod, uid]:
                await self._forward(namespace, pod, uid, query, scope, receive, send)
            case _:
                raise Refused(404, "404 page not found")

    async def _session(
        self, verb: str, namespace: str, pod: str, uid: str, container: str, query: Query, scope: Scope,
        receive: Receive, send: Send,
    ) -> None:  # fmt: skip
        found = await self._backend.find_container(namespace, pod, container, uid=uid)
        if not found.running:
            raise Refused(500, f'container not found ("{container}")')
        command = query.all("command")
        stdin, tty = query.flag("input", "stdin"), query.flag("tty")
        stdout, stderr = query.flag("output", "stdout"), query.flag("error", "stderr") and not tty
        if not (stdin or stdout or stderr):
            raise Refused(400, "you must specify at least one of stdin, stdout, stderr")
        if verb == "exec" and not command:
            raise Refused(400, "you must specify at least 1 command for the container")

        async def open_session() -> ExecSession:
            if verb == "attach":
                return await self._runtime.attach(found.container_id, stdin=stdin)
            return await self._runtime.exec(found.container_id, command, tty=tty, stdin=stdin)

        def outcome(code: int) -> bytes:
            return channels.success() if verb == "attach" else channels.exit_status(code, f"{command}")

        async def serve(joined: channels.Joined) -> None:
            await channels.serve_session(
                joined, open_session, stdin=stdin, stdout=stdout, stderr=stderr, outcome=outcome
            )

        if scope["type"] == "websocket":
            await _accept(scope, send, channels.SUBPROTOCOLS)
            await serve(channels.Channels(receive, send))
            return
        flags = {channels.STDIN: stdin, channels.STDOUT: stdout, channels.STDERR: stderr, channels.RESIZE: tty}
        async with switched(scope, _spoken(scope, spdy_channels.PROTOCOLS)) as ends:
            streams = SpdyChannels(*ends)
            if await streams.opened({channels.ERROR, *(each for each, is_wanted in flags.items() if is_wanted)}):
                await serve(streams)

    async def _forward(
        self, namespace: str, pod: str, uid: str, query: Query, scope: Scope, receive: Receive, send: Send
    ) -> None:
        sandbox = await self._backend.find_sandbox(namespace, pod, uid=uid)

        async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(sock=await self._runtime.port_forward(sandbox, port))

        if scope["type"] == "websocket":
            await port_forward.serve(scope, receive, send, query.all("port"), connect)
            return
        async with switched(scope, _spoken(scope, ("portforward.k8s.io",))) as ends:
            await SpdyForwarder(*ends, connect).run()


async def _accept(scope: Scope, send: Send, known: tuple[str, ...]) -> None:
    offered = scope.get("subprotocols") or []
    chosen = next((name for name in known if name in offered), None)
    if offered and chosen is None:
        raise Refused(400, f"unable to upgrade: none of the subprotocols {offered} is known")
    await send({"type": "websocket.accept", "subprotocol": chosen})


def _spoken(scope: Scope, known: tuple[str, ...]) -> str:
    """The first protocol inside SPDY that the client offers and the server knows.  Raises Refused."""
    offered = offered_protocols(scope)
    for name in offered or known:
        if name in known:
            return name
    raise Refused(403, f"unable to upgrade: unable to negotiate protocol: client supports {offered}")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(send: Send, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    if scope["type"] == "http":
        await _respond(send, status, message.encode())
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": message.encode()})
