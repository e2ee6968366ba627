"""A request that waits for its turn when the server begins to leave."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn

from apiserver.draining import DrainingServer


async def test_a_watch_that_stands_only_after_all_were_ended_is_ended_too() -> None:
    watches: list[asyncio.Event] = []
    asked, told = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await told.wait()
        watches.append(over := asyncio.Event())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await over.wait()
        await send({"type": "http.response.body", "body": b"the end"})

    def end_watches() -> None:
        for watch in watches:
            watch.set()
        told.set()

    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=60)
    config.load()
    server = DrainingServer(config, end_watches)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server._serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(asked.wait(), 60)
        server.should_exit = True
        answer = await asyncio.wait_for(reader.read(), 30)  # long before it would be cut off
        writer.close()
        await writer.wait_closed()
        await serving
    assert answer.endswith(b"the end\r\n0\r\n\r\n")
