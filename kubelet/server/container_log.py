"""Reading a container's log file (CRI format), as `kubectl logs` asks for it.

https://kubernetes.io/docs/concepts/cluster-administration/logging/ : what a reader gets is the current file only; what
was rotated away before is not shown, but a reader who follows misses nothing when the file is rotated.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubelet.server.file_watch import FileWatch

_BLOCK = 1 << 16

Pieces = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions, less what the apiserver has settled.  `None` and "" mean "no limit"."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""  # "stdout", "stderr"


class _Formatter:
    """From entries of the file to what the reader sees."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._since = options.since.strftime("%Y-%m-%dT%H:%M:%S.%f").encode() if options.since else b""
        self._left = options.limit_bytes
        self._at_line_start = True

    @property
    def full(self) -> bool:
        return self._left is not None and self._left <= 0

    def format(self, entry: bytes) -> bytes:
        """`entry` without its newline.  Empty when it is filtered out, or is no entry at all."""
        parts = entry.split(b" ", 3)
        if len(parts) != 4 or self.full:
            return b""
        stamp, stream, tag, text = parts
        # Stamps are UTC with all nine digits: as text they are in order of time.
        if stamp[: len(self._since)] < self._since or (
            self._options.stream and stream.decode() != self._options.stream
        ):
            return b""
        whole = tag.split(b":")[0] == b"F"
        line = (stamp + b" " if self._options.timestamps and self._at_line_start else b"") + text
        self._at_line_start = whole
        if whole:
            line += b"\n"
        if self._left is not None:
            line = line[: self._left]
            self._left -= len(line)
        return line


async def read_log(path: Path, options: LogOptions, finished: Callable[[], Awaitable[None]]) -> Pieces:
    """Pieces of text, as they are there.  With `follow` it goes on until `finished()` has returned (the container has
    ended) and all is read."""
    formatter = _Formatter(options)
    if not options.follow:
        with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
            _seek_tail(file, options.tail_lines)
            while not formatter.full and (text := _read_entries(file, formatter)) is not None:
                if text:
                    yield text
        return
    watch = FileWatch(path.parent)
    end = asyncio.ensure_future(finished())
    try:
        async for text in _follow(path, options.tail_lines, formatter, watch, end):
            yield text
    finally:
        watch.close()
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)


async def _follow(
    path: Path, tail_lines: int | None, formatter: _Formatter, watch: FileWatch, end: asyncio.Future[None]
) -> Pieces:
    file: io.FileIO | None = None
    try:
        while not formatter.full:
            over = end.done()  # asked before reading: its last words are in the file by then
            if file is None:
                with contextlib.suppress(FileNotFoundError):
                    file = path.open("rb", buffering=0)
                    _seek_tail(file, tail_lines)
            if file is not None:
                text = _read_entries(file, formatter)
                if text is not None:
                    if text:
                        yield text
                    continue
                following = _next_file(path, file)
                if following is not None:
                    while (text := _read_entries(file, formatter)) is not None:  # written before it was renamed
                        if text:
                            yield text
                    with contextlib.suppress(FileNotFoundError):  # it, too, has been renamed by now: we will be told
                        opened = following.open("rb", buffering=0)
                        file.close()
                        file = opened
                        continue
            if over:
                return
            changed = asyncio.ensure_future(watch.wait())
            await asyncio.wait((changed, end), return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            await asyncio.gather(changed, return_exceptions=True)
    finally:
        if file is not None:
            file.close()


def _read_entries(file: io.FileIO, formatter: _Formatter) -> bytes | None:
    """What the next whole entries say (it may be nothing); None at the end.  Unfinished ones are left in the file."""
    data = file.read(_BLOCK) or b""
    while data and b"\n" not in data:
        more = file.read(_BLOCK)
        if not more:
            break
        data += more
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        file.seek(whole - len(data), os.SEEK_CUR)
    if not whole:
        return None
    return b"".join(formatter.format(entry) for entry in data[: whole - 1].split(b"\n"))


def _seek_tail(file: io.FileIO, lines: int | None) -> None:
    """Move to where the last `lines` entries begin."""
    if lines is None:
        return
    position = file.seek(0, os.SEEK_END)
    missing = lines + 1  # the newline before the first of them ends another entry
    if lines <= 0:
        return
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start) or b""
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                file.seek(start + at + 1)
                return
        position = start
    file.seek(0)


def _next_file(path: Path, file: io.FileIO) -> Path | None:
    """The file that follows the open one after a rotation; None while the open one is current."""
    inode = os.fstat(file.fileno()).st_ino
    try:
        if path.stat().st_ino == inode:
            return None
    except FileNotFoundError:
        return None  # in the middle of a rotation, or removed
    rotated = sorted(entry for entry in path.parent.iterdir() if entry.name.startswith(path.name + "."))
    for index, entry in enumerate(rotated):
        with contextlib.suppress(FileNotFoundError):
            if entry.stat().st_ino == inode:
                return rotated[index + 1] if index + 1 < len(rotated) else path
    return path
