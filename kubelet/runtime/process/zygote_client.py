"""The kubelet's end of the zygote: starts it, asks it for shims, starts another one when it has died."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from kubelet.runtime.process.readiness import readable
from kubelet.runtime.protocol import RuntimeFailure

_ROOT = str(Path(__file__).parents[3])
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from kubelet.runtime.process.zygote import main; main({})"


class Zygote:
    """`start` first; `close` ends it and leaves the shims."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # Nothing of ours may be held open by a process that outlives us: not a terminal, not a pipe someone
            # reads to its end.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM.format(theirs.fileno()), _ROOT],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        self._control = ours

    def close(self) -> None:
        process = self._let_go()
        if process is not None:
            process.wait()

    def _let_go(self) -> subprocess.Popen[bytes] | None:
        """Close our end, for which the process ends."""
        if self._control is not None:
            self._control.close()
        process, self._control, self._process = self._process, None, None
        return process

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def ask(self, operation: str, directory: Path) -> dict[str, Any]:
        """Send one request and wait for the answer.  Raises RuntimeFailure when there is none."""
        message = orjson.dumps({"op": operation, "dir": str(directory)})
        for _ in range(2):  # a zygote that was killed may have taken a request with it
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours:
                with theirs:
                    await self._send(message, theirs.fileno())
                ours.setblocking(False)
                await readable(ours.fileno())
                answer = ours.recv(65536)
            if answer:
                value: dict[str, Any] = orjson.loads(answer)
                return value
        raise RuntimeFailure("the container's shim ended before it could answer")

    async def _send(self, message: bytes, fd: int) -> None:
        for _ in range(2):
            if self._control is None:
                self.start()
            assert self._control is not None
            try:
                socket.send_fds(self._control, [message], [fd])
                return
            except (BrokenPipeError, ConnectionResetError):  # it was killed
                process = self._let_go()  # at once: others who ask meanwhile start the next one, and keep it
                if process is not None:
                    await asyncio.to_thread(process.wait)
        raise RuntimeFailure("the process that starts containers cannot be started")
