"""Sends a watch to a client: lines of JSON over HTTP, or messages of a WebSocket, until one side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from api.errors import NotAcceptable, StatusError
from apiserver import tables
from apiserver.answer import refusal
from apiserver.endpoint import API, Endpoint
from apiserver.handlers.list_options import list_options
from apiserver.handlers.watch import Watch, WatchItem, open_watch
from apiserver.negotiation import JSON, PROTOBUF, STREAMS, MediaType
from apiserver.request import Receive, Request, Send
from apiserver.storage.entry import Entry


async def serve_watch(
    api: API, endpoint: Endpoint, request: Request, media: MediaType, receive: Receive, send: Send
) -> None:
    """Raises StatusError before the first byte; later errors travel as ERROR events."""
    if media.type not in (JSON, PROTOBUF):
        raise NotAcceptable(f"only the following media types are accepted: {STREAMS}")
    if media.transform == "Table":
        tables.included(request)
    info = request.info
    query = request.query
    if info.name:
        query = {**query, "fieldSelector": _and_name(query.get("fieldSelector", ""), info.name)}
    options = list_options(query, endpoint.field_problem, watch=True)
    namespace = info.namespace if endpoint.namespaced else ""
    frames = _Frames(api, endpoint, request, media)
    if request.scope["type"] == "websocket":
        sender: _HTTPSender | _WebSocketSender = _WebSocketSender(send, media)
    else:
        sender = _HTTPSender(request, send, media)
    watch = open_watch(api.cache, endpoint.prefix, namespace, options, api.clock)
    gone: asyncio.Task[None] | None = None
    relay: asyncio.Task[None] | None = None
    try:
        await sender.start(receive)
        relay = asyncio.create_task(_relay(watch, frames, sender, api, endpoint))
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


async def _relay(
    watch: Watch, frames: _Frames, sender: _HTTPSender | _WebSocketSender, api: API, endpoint: Endpoint
) -> None:
    if frames.impossible:
        return
    resource = endpoint.resource
    told = (resource.group, resource.group_version.version, resource.plural)
    while batch := await watch.next_batch():
        if endpoint.converts:
            try:
                await endpoint.prepare([item.entry for item in batch if item.entry is not None])
            except StatusError as error:  # what cannot be shown ends the watch
                await sender.send([frames.frame(WatchItem("ERROR", error=error))])
                return
        await sender.send([frames.frame(item) for item in batch])
        api.watch_events[told] += len(batch)
        await watch.rest(api.clock)


def protobuf_event(type: str, document: Mapping[str, Any]) -> bytes:
    from apiserver import protobuf  # most watchers speak JSON

    return protobuf.encode_event(type, document)


class _Frames:
    """Encodes the items of one watch: plain JSON is shared between watchers, tables are this client's own."""

    def __init__(self, api: API, endpoint: Endpoint, request: Request, media: MediaType) -> None:
        self._api, self._endpoint, self._request, self._media = api, endpoint, request, media
        self._first = True
        # An event is one object: a client that wants each as a list is told nothing, as Kubernetes does.
        self.impossible = media.transform == "PartialObjectMetadataList"

    def frame(self, item: WatchItem) -> bytes:
        if self._media.type == PROTOBUF:
            return protobuf_event(item.type, self._document(item))
        if not self._media.transform or item.error is not None:
            head, entry = self._endpoint.head, item.entry
            if entry is None or (members := self._endpoint.members(entry)) is entry.members:
                return item.frame(head)  # as it is stored: encoded once for all
            return b'{"type":"%s","object":%s%s}\n' % (item.type.encode(), head, members)
        return orjson.dumps({"type": item.type, "object": self._transformed(item)}) + b"\n"

    def _document(self, item: WatchItem) -> Mapping[str, Any]:
        """The object of an event, for the forms that no two watchers share."""
        if item.error is not None:
            status: Mapping[str, Any] = refusal(item.error).document
            return status
        if self._media.transform:
            return self._transformed(item)
        resource = self._endpoint.resource
        shown = item.bookmark() if item.entry is None else self._endpoint.document(item.entry)
        return {"kind": resource.kind, "apiVersion": resource.api_version, **shown}

    def _transformed(self, item: WatchItem) -> dict[str, Any]:
        entry = item.entry or self._empty(item)
        table = tables.transformed_object(
            self._endpoint, entry, self._media, self._request, self._api.clock.now(), headers=self._first
        )
        document = {**table, "metadata": {"resourceVersion": str(item.revision)}} if "rows" in table else table
        self._first = False
        return document

    def _empty(self, item: WatchItem) -> Entry:
        """A bookmark as an object that has nothing but the metadata it carries."""
        stored = item.bookmark()
        if self._endpoint.custom:
            stored["apiVersion"] = self._endpoint.resource.api_version  # which stored custom objects say of themselves
        return Entry.detached("", "", "", orjson.dumps(stored), 0)


class _HTTPSender:
    """Chunks of a response without an end."""

    def __init__(self, request: Request, send: Send, media: MediaType) -> None:
        self._request, self._send = request, send
        self._type = JSON if media.type == JSON else f"{media.type};stream=watch"

    async def start(self, receive: Receive) -> None:
        headers = [
            (b"content-type", self._type.encode()),
            (b"audit-id", self._request.audit_id.encode()),
            (b"cache-control", b"no-cache, private"),
            *self._request.answer_headers,
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        # The head goes out before there is an event: clients wait for it to know that the watch stands.
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def send(self, frames: list[bytes]) -> None:
        await self._send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})


class _WebSocketSender:
    """One message per event: text, or bytes of protobuf without the length that a stream needs."""

    def __init__(self, send: Send, media: MediaType) -> None:
        self._send, self._text = send, media.type == JSON

    async def start(self, receive: Receive) -> None:
        await receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})

    async def send(self, frames: list[bytes]) -> None:
        for frame in frames:
            message = {"text": frame.rstrip(b"\n").decode()} if self._text else {"bytes": frame[4:]}
            await self._send({"type": "websocket.send", **message})

    async def end(self) -> None:
        await self._send({"type": "websocket.close", "code": 1000})
