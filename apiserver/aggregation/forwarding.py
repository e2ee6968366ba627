"""Passes a request on to a remote server and its answer back, both as they come.

What a client hears when that fails is plain text, as from Kubernetes' aggregator.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import httpx

from api.errors import StatusError, Timeout
from api.meta_v1 import StatusDetails
from apiserver.aggregation.identity import identity_headers
from apiserver.aggregation.remote import Remote, exchange, named
from apiserver.answer import TEXT, Answer
from apiserver.dial_errors import dial_error
from apiserver.endpoint import API
from apiserver.handlers.connect import relay_body, relay_websocket
from apiserver.handlers.proxy import NOT_PASSED_ON, ClientGone, forwarded_headers, has_body
from apiserver.handlers.tunnel import tunnel, upgrade_headers
from apiserver.request import Receive, Request, Send

log = logging.getLogger(__name__)
_REQUEST_TIMEOUT = 60.0  # seconds, for all that is not long-running; Kubernetes' --request-timeout
_LONG_RUNNING = frozenset({"attach", "exec", "log", "portforward", "proxy"})
_NO_REDIRECT = b"the backend attempted to redirect this request, which is not permitted"
_SAID_ANEW = (b"audit-id", b"expect", b"host")
"""What a client says to this server."""
_HANDSHAKE = b"sec-websocket-"
_CORS = b"access-control-"
_OURS = NOT_PASSED_ON | {b"date"}
"""What an answer has of this server."""


class _Client:
    """The client's side: the body it sends, then the moment it leaves."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._receive = receive
        self._sent = asyncio.Event()
        if not has_body(request):
            self._sent.set()

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone  # what came of the body must not pass for all of it
            yield message.get("body", b"")
            if not message.get("more_body"):
                self._sent.set()
                return

    async def gone(self) -> None:
        await self._sent.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def forward(api: API, remote: Remote, request: Request, receive: Receive, send: Send) -> None:
    """Raises StatusError before the answer has begun."""
    remote.hold()
    try:
        problem = await _unserved(api, remote, request, receive, send)
    finally:
        await remote.let_go()
    if problem is not None:
        await _refuse(problem, request, send)


async def _unserved(api: API, remote: Remote, request: Request, receive: Receive, send: Send) -> tuple[int, str] | None:
    """Serve the request; a status and text where that is impossible.  Raises StatusError."""
    if not remote.available:
        return 503, "service unavailable"
    if remote.problem:
        return 500, remote.problem
    try:
        target = remote.target(api)
    except StatusError as error:
        log.info("nothing answers for %s: %s", remote.name, error)
        return 503, "service unavailable"
    path = quote(request.path, safe="/:@$&+,;=~")
    query = request.scope["query_string"].decode("latin-1")
    url = f"{target.authority}{path}?{query}" if query else f"{target.authority}{path}"
    headers = [(name, value) for name, value in forwarded_headers(request, path) if name not in _SAID_ANEW]
    headers += [(b"x-forwarded-host", target.authority.encode()), (b"x-forwarded-proto", b"https")]
    headers += [(b"audit-id", request.audit_id.encode()), *identity_headers(request.user)]
    if request.delegated is not None:
        request.delegated()
    client = _Client(request, receive)
    if request.scope["type"] == "websocket":
        extra = [(n.decode("latin-1"), v.decode()) for n, v in headers if not n.startswith(_HANDSHAKE)]
        await relay_websocket(
            f"wss://{url}", remote.context, request, receive, send, headers=extra, server_name=target.name
        )
        return None
    headers += upgrade_headers(request)
    content = client.body() if has_body(request) else None
    message = httpx.Request(
        request.method, f"https://{url}", headers=headers, content=content, extensions=named(target)
    )
    deadline = None if _is_long(request) else asyncio.get_running_loop().time() + _REQUEST_TIMEOUT
    try:
        async with asyncio.timeout_at(deadline):
            answer = await _head(remote, client, message, again=content is None)
    except TimeoutError:
        raise Timeout("Timeout: request did not complete within the allotted timeout", StatusDetails()) from None
    except ClientGone:
        return None
    except httpx.HTTPError as error:
        return 503, f"error trying to reach service: {dial_error(error, target.authority, target.name)}"
    try:
        if answer.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            await tunnel(answer, request, send)
            return None
        async with asyncio.timeout_at(deadline):
            await _relay(answer, request, receive, send)
    except (TimeoutError, httpx.HTTPError) as error:
        # The head is with the client already: all that can be done is to break off, which the server does.
        log.warning("%s did not end its answer to %s %s: %r", remote.name, request.method, request.path, error)
    finally:
        await answer.aclose()
    return None


def _is_long(request: Request) -> bool:
    return request.info.verb in ("watch", "proxy") or request.info.subresource in _LONG_RUNNING


async def _head(remote: Remote, client: _Client, message: httpx.Request, *, again: bool) -> httpx.Response:
    """Send a request and return when the answer begins.  Raises httpx.HTTPError, ClientGone."""
    sending = asyncio.create_task(exchange(remote.client, message, again=again))
    gone = asyncio.create_task(client.gone())
    try:
        await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            raise ClientGone
        return sending.result()
    finally:
        for task in (sending, gone):
            task.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)


async def _relay(answer: httpx.Response, request: Request, receive: Receive, send: Send) -> None:
    if answer.is_redirect and "location" in answer.headers:
        headers = [(b"content-length", b"%d" % len(_NO_REDIRECT))]
        await send({"type": "http.response.start", "status": HTTPStatus.BAD_GATEWAY, "headers": headers})
        await send({"type": "http.response.body", "body": _NO_REDIRECT})
        return
    headers = [(name.lower(), value) for name, value in answer.headers.raw]
    headers = [(name, value) for name, value in headers if name not in _OURS and not name.startswith(_CORS)]
    if "audit-id" not in answer.headers:
        headers.append((b"audit-id", request.audit_id.encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    # The head goes out before there is a body: clients wait for it to know that a watch stands.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await relay_body(answer, receive, send)


async def _refuse(problem: tuple[int, str], request: Request, send: Send) -> None:
    status, text = problem
    headers = {"X-Content-Type-Options": "nosniff"}
    await Answer(status, body=f"{text}\n".encode(), content_type=TEXT, headers=headers).send(send, request)
