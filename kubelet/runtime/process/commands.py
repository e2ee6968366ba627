"""Running commands in containers and attaching to them, over the shim's socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence

from api.clock import Clock
from kubelet.runtime.process.session import StreamSession
from kubelet.runtime.process.shim_client import ShimConnection
from kubelet.runtime.protocol import ContainerConfig, ExecResult, ExecTimeout, NotRunning

_LONGEST_OUTPUT = 16 << 20


class Commands:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def within(self, seconds: float, end: asyncio.Future[int]) -> bool:
        """Wait for `end` at most that long on the cluster's clock; True when it came."""
        if end.done():
            return True
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((end, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await alarm
        return end.done()

    async def open(
        self, shim: ShimConnection, command: Sequence[str], *, tty: bool, stdin: bool
    ) -> tuple[StreamSession, int]:
        """Start a command; its session and its number at the shim."""
        if tty:
            ours, theirs = os.openpty()
            given, kept = [theirs], (os.dup(ours) if stdin else -1, ours, -1, ours)
            os.set_inheritable(ours, False)
        else:
            stdin_theirs, stdin_ours = os.pipe() if stdin else (os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1)
            stdout_ours, stdout_theirs = os.pipe()
            stderr_ours, stderr_theirs = os.pipe()
            given, kept = [stdin_theirs, stdout_theirs, stderr_theirs], (stdin_ours, stdout_ours, stderr_ours, -1)
        try:
            number, exited = await shim.exec(command, tty=tty, streams=given)
        except BaseException:
            for fd in {fd for fd in kept if fd >= 0}:
                os.close(fd)
            raise
        finally:
            for fd in given:
                os.close(fd)
        return StreamSession(stdin=kept[0], stdout=kept[1], stderr=kept[2], terminal=kept[3], exited=exited), number

    async def run(self, shim: ShimConnection, command: Sequence[str], timeout: float) -> ExecResult:
        """As Runtime.exec_sync."""
        session, number = await self.open(shim, command, tty=False, stdin=False)
        outputs = [asyncio.ensure_future(_read_all(read)) for read in (session.read_stdout, session.read_stderr)]
        ended = asyncio.ensure_future(session.wait())
        try:
            if timeout > 0 and not await self.within(timeout, ended):
                with contextlib.suppress(NotRunning):
                    shim.kill_exec(number)
                raise ExecTimeout(f"command timed out after {timeout:g} seconds")
            code = await ended
            stdout, stderr = [await output for output in outputs]
            return ExecResult(code, stdout, stderr)
        finally:
            for task in (*outputs, ended):
                task.cancel()
            await asyncio.gather(*outputs, ended, return_exceptions=True)
            await session.aclose()

    async def attach(
        self, shim: ShimConnection, config: ContainerConfig, end: asyncio.Future[int], *, stdin: bool
    ) -> StreamSession:
        """As Runtime.attach."""
        stdout_ours, stdout_theirs = os.pipe()
        stderr_ours, stderr_theirs = os.pipe()
        try:
            given = await shim.attach([stdout_theirs, stderr_theirs])
        except BaseException:
            os.close(stdout_ours)
            os.close(stderr_ours)
            raise
        finally:
            os.close(stdout_theirs)
            os.close(stderr_theirs)
        if config.tty:  # everything comes over the terminal
            os.close(stderr_ours)
            stderr_ours = -1
        if given >= 0 and not stdin and not config.tty:
            os.close(given)
            given = -1

        def close_for_good() -> None:
            if config.stdin_once:
                with contextlib.suppress(NotRunning):
                    shim.close_stdin()

        return StreamSession(
            stdin=os.dup(given) if config.tty and stdin and given >= 0 else given if not config.tty else -1,
            stdout=stdout_ours,
            stderr=stderr_ours,
            terminal=given if config.tty else -1,
            exited=end,
            closing_stdin=close_for_good,
        )


async def _read_all(read: Callable[[], Awaitable[bytes]]) -> bytes:
    """To the end; what is more than 16 MiB is read and dropped."""
    parts: list[bytes] = []
    size = 0
    while data := await read():
        if size < _LONGEST_OUTPUT:
            parts.append(data[: _LONGEST_OUTPUT - size])
            size += len(data)
    return b"".join(parts)
