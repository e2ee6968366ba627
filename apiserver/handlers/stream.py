"""Sends a watch to a client: lines of JSON over HTTP, or messages of a WebSocket, until one side ends it."""

from __future__ import annotations

import asyncio

import orjson

from api.clock import Clock
from api.errors import NotAcceptable
from apiserver import tables
from apiserver.endpoint import API, Endpoint
from apiserver.handlers.list_options import list_options
from apiserver.handlers.watch import Watch, WatchItem, open_watch
from apiserver.negotiation import JSON, MediaType
from apiserver.request import Receive, Request, Send

_AVAILABLE = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"


async def serve_watch(
    api: API, endpoint: Endpoint, request: Request, media: MediaType, receive: Receive, send: Send
) -> None:
    """Raises StatusError before the first byte; later errors travel as ERROR events."""
    if media.type != JSON:
        raise NotAcceptable(f"only the following media types are accepted: {_AVAILABLE}")
    info = request.info
    query = request.query
    if info.name:
        query = {**query, "fieldSelector": _and_name(query.get("fieldSelector", ""), info.name)}
    options = list_options(query, endpoint.strategy.selectable_field_names(), watch=True)
    namespace = info.namespace if endpoint.namespaced else ""
    frames = _Frames(api, endpoint, request, media)
    sender = _WebSocketSender(send) if request.scope["type"] == "websocket" else _HTTPSender(request, send)
    watch = open_watch(api.cache, endpoint.prefix, namespace, options, api.clock)
    gone: asyncio.Task[None] | None = None
    relay: asyncio.Task[None] | None = None
    try:
        await sender.start(receive)
        relay = asyncio.create_task(_relay(watch, frames, sender, api.clock))
        gone = asyncio.create_task(_until_gone(receive))
        await asyncio.wait({relay, gone}, return_when=asyncio.FIRST_COMPLETED)
        if relay.done():
            relay.result()
            await sender.end()
    finally:
        tasks = [task for task in (relay, gone) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await watch.aclose()


def _and_name(selector: str, name: str) -> str:
    return f"{selector},metadata.name={name}" if selector else f"metadata.name={name}"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


async def _relay(watch: Watch, frames: _Frames, sender: _HTTPSender | _WebSocketSender, clock: Clock) -> None:
    if frames.impossible:
        return
    while batch := await watch.next_batch():
        await sender.send([frames.frame(item) for item in batch])
        if pause := watch.pause:
            await clock.sleep(pause)


class _Frames:
    """Encodes the items of one watch: plain JSON is shared between watchers, tables are this client's own."""

    def __init__(self, api: API, endpoint: Endpoint, request: Request, media: MediaType) -> None:
        self._api, self._endpoint, self._request, self._media = api, endpoint, request, media
        self._first = True
        # An event is one object: a client that wants each as a list is told nothing, as Kubernetes does.
        self.impossible = media.transform == "PartialObjectMetadataList"

    def frame(self, item: WatchItem) -> bytes:
        if not self._media.transform or item.error is not None:
            if item.entry is not None and not self._endpoint.owns_storage:
                return b'{"type":"%s","object":%s}\n' % (item.type.encode(), self._endpoint.wire(item.entry))
            return item.frame(self._endpoint.head)
        if item.entry is None:
            return self._bookmark(item)
        return self._transformed(item)

    def _bookmark(self, item: WatchItem) -> bytes:
        table = self._media.transform == "Table"
        document: dict[str, object] = {
            "kind": "Table" if table else "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{self._media.transform_version}",
            **item.bookmark(),
        }
        if table:
            document |= {"columnDefinitions": None, "rows": []}
        return orjson.dumps({"type": "BOOKMARK", "object": document}) + b"\n"

    def _transformed(self, item: WatchItem) -> bytes:
        assert item.entry is not None
        document = tables.transformed_object(
            self._endpoint, item.entry, self._media, self._request, self._api.clock.now(), headers=self._first
        )
        self._first = False
        return orjson.dumps({"type": item.type, "object": document}) + b"\n"


class _HTTPSender:
    """Chunks of a response without an end."""

    def __init__(self, request: Request, send: Send) -> None:
        self._request, self._send = request, send

    async def start(self, receive: Receive) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"audit-id", self._request.audit_id.encode()),
            (b"cache-control", b"no-cache, private"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        # The head goes out before there is an event: clients wait for it to know that the watch stands.
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def send(self, frames: list[bytes]) -> None:
        await self._send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})


class _WebSocketSender:
    """One text message per event."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def start(self, receive: Receive) -> None:
        await receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})

    async def send(self, frames: list[bytes]) -> None:
        for frame in frames:
            await self._send({"type": "websocket.send", "text": frame.rstrip(b"\n").decode()})

    async def end(self) -> None:
        await self._send({"type": "websocket.close", "code": 1000})
