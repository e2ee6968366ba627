"""Exec and attach: the kubelet's end of a command's streams."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable

from kubelet.runtime.process.readiness import readable, writable

_CHUNK = 1 << 16


class StreamSession:
    """An ExecSession over file descriptors, which it owns from here on (-1: there is none).

    Reads end when the command has ended and its pipes are drained, even if a child it left behind still holds
    them open.
    """

    def __init__(
        self,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        terminal: int,
        exited: asyncio.Future[int],
        closing_stdin: Callable[[], None] = lambda: None,
    ) -> None:
        self._stdin, self._stdout, self._stderr, self._terminal = stdin, stdout, stderr, terminal
        self._exited = exited
        self._closing_stdin = closing_stdin
        self._fds = {fd for fd in (stdin, stdout, stderr, terminal) if fd >= 0}
        for fd in (stdout, stderr, stdin):
            if fd >= 0:
                os.set_blocking(fd, False)

    async def read_stdout(self) -> bytes:
        return await self._read(self._stdout)

    async def read_stderr(self) -> bytes:
        return await self._read(self._stderr)

    async def _read(self, fd: int) -> bytes:
        while fd in self._fds:
            ended = self._exited.done()  # asked first: what it wrote before its end is in the pipe by then
            try:
                return os.read(fd, _CHUNK)
            except BlockingIOError:
                if ended:
                    return b""
                await readable(fd, self._exited)
            except OSError as error:
                if error.errno == errno.EIO:  # the terminal's last user is gone
                    return b""
                raise
        return b""

    async def write_stdin(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._stdin in self._fds and not self._exited.done():
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await writable(self._stdin)
            except OSError:
                return

    async def close_stdin(self) -> None:
        if self._stdin not in self._fds:
            return
        if self._terminal >= 0:
            await self.write_stdin(b"\x04")
            return
        self._close(self._stdin)
        self._closing_stdin()

    async def resize(self, width: int, height: int) -> None:
        if self._terminal in self._fds:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def wait(self) -> int:
        return await asyncio.shield(self._exited)

    async def aclose(self) -> None:
        for fd in list(self._fds):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._fds:
            self._fds.discard(fd)
            os.close(fd)
