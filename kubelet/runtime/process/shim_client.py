"""The kubelet's end of one shim's socket."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from kubelet.runtime.process import linux
from kubelet.runtime.protocol import ExecFailed, NotRunning


class ShimConnection:
    """A live shim.  `pid` is the shim's, told by the kernel.  `ended` is called once, when the shim has gone."""

    def __init__(self, connection: socket.socket, ended: Callable[[], None]) -> None:
        connection.setblocking(False)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid: int = struct.unpack("3i", credentials)[0]
        self._connection = connection
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._number = 0
        self._closed = False
        self.settled = asyncio.Event()  # the main process runs, or the shim is gone: `state.json` says which
        self._loop.add_reader(connection.fileno(), self._receive)

    @classmethod
    def open(cls, directory: Path, ended: Callable[[], None]) -> ShimConnection | None:
        """None when no shim answers for the container in `directory`."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            at = os.open(directory, os.O_PATH)
        except OSError:
            connection.close()
            return None
        try:
            connection.connect(f"/proc/self/fd/{at}/shim.sock")  # an address holds no more than 107 bytes
        except OSError:
            connection.close()
            return None
        finally:
            os.close(at)
        return cls(connection, ended)

    def close(self) -> None:
        """Let go of the shim, which goes on."""
        if self._closed:
            return
        self._closed = True
        self.settled.set()
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(NotRunning("the container is not running"))
        for exited in self._exits.values():
            if not exited.done():
                exited.set_result(137)  # killed with its container
        self._answers.clear()
        self._exits.clear()

    def _receive(self) -> None:
        while not self._closed:
            try:
                data, fds = linux.receive(self._connection, 1 << 16, 4)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self.close()
                self._ended()
                return
            message = orjson.loads(data)
            if "running" in message:
                self.settled.set()
                continue
            if "exit" in message:
                exited = self._exits.pop(message["exec"], None)
                if exited is not None and not exited.done():
                    exited.set_result(message["exit"])
                continue
            answer = self._answers.pop(message.get("exec", message.get("attach")), None)
            if answer is not None and not answer.done():
                answer.set_result((message, fds))
            else:
                for fd in fds:
                    os.close(fd)

    def _send(self, request: dict[str, Any], fds: Sequence[int] = ()) -> None:
        if self._closed:
            raise NotRunning("the container is not running")
        try:
            socket.send_fds(self._connection, [orjson.dumps(request)], list(fds))
        except BlockingIOError as error:
            raise NotRunning("the container's shim does not take requests") from error
        except OSError as error:
            raise NotRunning("the container is not running") from error

    def signal(self, number: int) -> None:
        self._send({"op": "signal", "signal": number})

    def kill(self) -> None:
        """The whole tree."""
        self._send({"op": "kill"})

    def kill_exec(self, number: int) -> None:
        self._send({"op": "kill_exec", "id": number})

    def close_stdin(self) -> None:
        self._send({"op": "close_stdin"})

    async def exec(self, argv: Sequence[str], *, tty: bool, streams: Sequence[int]) -> tuple[int, asyncio.Future[int]]:
        """Start a command on these streams (stdin, stdout, stderr, or one terminal).  Returns its number here and
        what will hold its exit code.  Raises ExecFailed, NotRunning."""
        self._number += 1
        number = self._number
        exited: asyncio.Future[int] = self._loop.create_future()
        self._exits[number] = exited
        try:
            message, _ = await self._request({"op": "exec", "id": number, "argv": list(argv), "tty": tty}, streams)
        except BaseException:
            self._exits.pop(number, None)
            raise
        if "error" in message:
            self._exits.pop(number, None)
            raise ExecFailed(message["error"])
        return number, exited

    async def attach(self, streams: Sequence[int]) -> int:
        """Have the output copied to these (stdout, stderr).  Returns the stdin or terminal to write to, or -1."""
        self._number += 1
        _, fds = await self._request({"op": "attach", "id": self._number}, streams)
        return fds[0] if fds else -1

    async def _request(self, request: dict[str, Any], fds: Sequence[int]) -> tuple[dict[str, Any], list[int]]:
        answer: asyncio.Future[tuple[dict[str, Any], list[int]]] = self._loop.create_future()
        self._answers[request["id"]] = answer
        try:
            self._send(request, fds)
            return await answer
        finally:
            self._answers.pop(request["id"], None)
