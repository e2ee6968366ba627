"""exec, attach and port-forward over WebSocket: several streams in one connection, the first byte of each message
says which (subprotocols v4.channel.k8s.io and v5.channel.k8s.io; KEP-4006)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

import orjson

from kubelet.runtime.protocol import ExecSession, RuntimeFailure

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
SUBPROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Channels:
    """One accepted WebSocket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def receive(self) -> tuple[int, bytes] | None:
        """(channel, data) of the next message that has a channel; None when the client has left."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return None
            data = message.get("bytes") or (message.get("text") or "").encode()
            if data:
                return data[0], data[1:]

    async def send(self, channel: int, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": bytes((channel,)) + data})

    async def close(self) -> None:
        await self._send({"type": "websocket.close", "code": 1000})


def success() -> bytes:
    return orjson.dumps({"metadata": {}, "status": "Success"})


def exit_status(code: int, command: str) -> bytes:
    """The Status that tells a command's exit code (clients read it from the cause)."""
    if code == 0:
        return success()
    return orjson.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": "command terminated with non-zero exit code: "
            f"error executing command {command}, exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


def internal_error(message: str) -> bytes:
    return orjson.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"Internal error occurred: {message}",
            "reason": "InternalError",
            "details": {"causes": [{"message": message}]},
            "code": 500,
        }
    )


class Joined(Protocol):
    """What `Channels` are over a WebSocket; see there."""

    async def receive(self) -> tuple[int, bytes] | None: ...
    async def send(self, channel: int, data: bytes) -> None: ...
    async def close(self) -> None: ...


async def serve_session(
    channels: Joined,
    open_session: Callable[[], Awaitable[ExecSession]],
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    outcome: Callable[[int], bytes],
) -> None:
    """Join a session's streams with a connection until the command has ended or the client has left."""
    # Clients wait for a first message to know that the connection stands.
    await channels.send(STDOUT if stdout else STDERR if stderr else ERROR, b"")
    try:
        session = await open_session()
    except RuntimeFailure as error:
        await channels.send(ERROR, internal_error(f"error executing command in container: {error.message}"))
        await channels.close()
        return
    outputs = [asyncio.ensure_future(_copy(session.read_stdout, channels, STDOUT if stdout else None))]
    outputs.append(asyncio.ensure_future(_copy(session.read_stderr, channels, STDERR if stderr else None)))
    inputs = asyncio.ensure_future(_take_input(channels, session, stdin))
    ended = asyncio.ensure_future(_finish(session, outputs))
    try:
        await asyncio.wait((inputs, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await channels.send(ERROR, outcome(ended.result()))
            await channels.close()
    finally:
        for task in (inputs, ended, *outputs):
            task.cancel()
        await asyncio.gather(inputs, ended, *outputs, return_exceptions=True)
        await session.aclose()


async def _finish(session: ExecSession, outputs: Sequence[asyncio.Future[None]]) -> int:
    code = await session.wait()
    await asyncio.gather(*outputs)
    return code


async def _copy(read: Callable[[], Awaitable[bytes]], channels: Joined, channel: int | None) -> None:
    while data := await read():
        if channel is not None:
            await channels.send(channel, data)


async def _take_input(channels: Joined, session: ExecSession, stdin: bool) -> None:
    """Until the client has left."""
    while (message := await channels.receive()) is not None:
        channel, data = message
        if channel == STDIN and stdin and data:
            await session.write_stdin(data)
        elif channel == RESIZE:
            size = orjson.loads(data)
            await session.resize(int(size.get("Width", 0)), int(size.get("Height", 0)))
        elif channel == CLOSE and data[:1] == bytes((STDIN,)) and stdin:
            await session.close_stdin()
