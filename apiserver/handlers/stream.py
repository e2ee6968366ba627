"""Sends a watch to a client: lines of JSON over HTTP, or messages of a WebSocket, until one side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson

from api.errors import StatusError
from apiserver import tables
from apiserver.endpoint import API, Endpoint
from apiserver.handlers.list import ListOptions
from apiserver.handlers.watch import WatchItem, watch_events
from apiserver.negotiation import MediaType
from apiserver.request import Receive, Request, Send
from apiserver.storage.protocol import StoreError


async def serve_watch(
    api: API, endpoint: Endpoint, request: Request, media: MediaType, receive: Receive, send: Send
) -> None:
    """Raises StatusError before the first byte; later errors travel as ERROR events."""
    info = request.info
    options = ListOptions.parse(request.query, endpoint.strategy.selectable_field_names(), watch=True)
    if info.name:
        options = options.only_name(info.name)
    namespace = info.namespace if endpoint.namespaced else ""
    events = await watch_events(api.cache, endpoint.prefix, namespace, options, api.clock, endpoint.head)
    frames = _Frames(api, endpoint, request, media)
    if request.scope["type"] == "websocket":
        sender = _WebSocketSender(send)
    else:
        sender = _HTTPSender(request, send)
    await sender.start(receive)
    relay = asyncio.create_task(_relay(events, frames, sender))
    gone = asyncio.create_task(_until_gone(receive))
    try:
        await asyncio.wait({relay, gone}, return_when=asyncio.FIRST_COMPLETED)
        if relay.done():
            relay.result()
            await sender.end()
    finally:
        for task in (relay, gone):
            task.cancel()
        await asyncio.gather(relay, gone, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


async def _relay(
    batches: AsyncIterator[list[WatchItem]], frames: _Frames, sender: _HTTPSender | _WebSocketSender
) -> None:
    try:
        async for batch in batches:
            await sender.send([frames.frame(item) for item in batch])
    except StatusError as error:
        await sender.send([_error_frame(error)])
    except StoreError:
        return  # too slow, or the server is stopping: the client resumes from where it was


def _error_frame(error: StatusError) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **error.status().to_dict()}
    return orjson.dumps({"type": "ERROR", "object": status}) + b"\n"


class _Frames:
    """Encodes the items of one watch: plain JSON is shared between watchers, tables are this client's own."""

    def __init__(self, api: API, endpoint: Endpoint, request: Request, media: MediaType) -> None:
        self._api, self._endpoint, self._request, self._media = api, endpoint, request, media
        self._first = True

    def frame(self, item: WatchItem) -> bytes:
        if item.bookmark is not None:
            return self._bookmark(item.bookmark, item.initial_events_end)
        if self._media.transform:
            return self._transformed(item)
        return item.frame(self._endpoint.head)

    def _bookmark(self, revision: int, initial_events_end: bool) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(revision)}
        if initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        resource = self._endpoint.resource
        kind = {"kind": resource.kind, "apiVersion": resource.api_version}
        if self._media.transform == "Table":
            kind = {"kind": "Table", "apiVersion": f"meta.k8s.io/{self._media.transform_version}"}
            return (
                orjson.dumps(
                    {
                        "type": "BOOKMARK",
                        "object": {**kind, "metadata": metadata, "columnDefinitions": None, "rows": []},
                    }
                )
                + b"\n"
            )
        if self._media.transform:
            kind = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self._media.transform_version}"}
            return orjson.dumps({"type": "BOOKMARK", "object": {**kind, "metadata": metadata}}) + b"\n"
        body = {**kind, **self._endpoint.model.from_dict({"metadata": metadata}).to_dict()}
        return orjson.dumps({"type": "BOOKMARK", "object": body}) + b"\n"

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
