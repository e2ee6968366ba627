"""One publisher, many listeners, each with all events since it began to listen."""

from __future__ import annotations

import asyncio

from kubelet.runtime.protocol import ContainerEvent


class EventStream:
    """An async iterator of events; ends when the hub is closed or `aclose` is called."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._queue: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()

    def put(self, event: ContainerEvent | None) -> None:
        self._queue.put_nowait(event)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> ContainerEvent:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        self._hub.forget(self)
        self.put(None)


class EventHub:
    def __init__(self) -> None:
        self._streams: list[EventStream] = []

    def subscribe(self) -> EventStream:
        stream = EventStream(self)
        self._streams.append(stream)
        return stream

    def forget(self, stream: EventStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def publish(self, event: ContainerEvent) -> None:
        for stream in self._streams:
            stream.put(event)

    def close(self) -> None:
        for stream in self._streams:
            stream.put(None)
        self._streams.clear()
