"""The log of events: a file with one a line, which makes room for another when it is large.

A former file is named after the time at which it was full: `audit-2026-01-31T12-00-00.000.log`.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apiserver.audit.backend import DeliveryError, Event
from apiserver.audit.legacy_format import legacy_line
from apiserver.configuration_file import ConfigurationError

_STAMP = "%Y-%m-%dT%H-%M-%S"
_MEGABYTE = 1024 * 1024


class RotatingFile:
    """Written by one thread.  It has `max_bytes`, and there are `max_backups` former ones of at most `max_age`; 0 is no
    limit."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        max_bytes: int = 0,
        max_backups: int = 0,
        max_age: timedelta = timedelta(),
        compress: bool = False,
    ) -> None:
        """Raises OSError."""
        self.path = path
        self._now = now
        self._max_bytes, self._max_backups, self._max_age = max_bytes, max_backups, max_age
        self._compress = compress
        self._torn = False
        self._descriptor = -1
        self._tidying: threading.Thread | None = None
        self._untidy = self._is_tidying = False
        self._lock = threading.Lock()
        """Guards these two: whether there are former files to look at, and whether a thread is about to."""
        self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append whole lines.  Raises OSError; what comes next begins on a new line."""
        if self._max_bytes and self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        if self._descriptor < 0:
            self._open()
        if self._torn:
            data = b"\n" + data
        left = memoryview(data)
        while left:
            try:
                written = os.write(self._descriptor, left)
            except OSError:
                self._torn = self._torn or len(left) < len(data)
                raise
            self._size += written
            left = left[written:]
        self._torn = False

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        now = self._now().astimezone(UTC)
        stamp = f"{now:{_STAMP}}.{now.microsecond // 1000:03d}"
        os.replace(self.path, self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}"))
        self._torn = False
        self._open()
        with self._lock:
            self._untidy = True
            begun, self._is_tidying = self._is_tidying, True
        if not begun:
            # Compressing takes seconds, and events are waiting.
            self._tidying = threading.Thread(target=self._tidy, name="audit-log-tidying", daemon=True)
            self._tidying.start()

    def backups(self) -> list[Path]:
        """The former files, newest first."""
        prefix, suffixes = f"{self.path.stem}-", (self.path.suffix, f"{self.path.suffix}.gz")
        found = [each for each in self.path.parent.iterdir() if each.name.startswith(prefix)]
        return sorted((each for each in found if each.name.endswith(suffixes) and self._filled(each)), reverse=True)

    def _filled(self, backup: Path) -> datetime | None:
        stamp = backup.name.removeprefix(f"{self.path.stem}-").removesuffix(".gz").removesuffix(self.path.suffix)
        try:
            return datetime.strptime(stamp.partition(".")[0], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None

    def _tidy(self) -> None:
        while True:
            with self._lock:
                self._is_tidying, self._untidy = self._untidy, False
                if not self._is_tidying:
                    return
            self._look_at_backups()

    def _look_at_backups(self) -> None:
        try:
            for index, backup in enumerate(self.backups()):
                filled = self._filled(backup)
                old = bool(self._max_age) and filled is not None and filled < self._now() - self._max_age
                if old or (self._max_backups and index >= self._max_backups):
                    backup.unlink(missing_ok=True)
                elif self._compress and backup.suffix != ".gz":
                    _compress(backup)
        except OSError:
            return  # the next rotation tries again

    def close(self) -> None:
        if self._tidying is not None:
            self._tidying.join()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _compress(backup: Path) -> None:
    target = backup.with_name(backup.name + ".gz")
    part = backup.with_name(backup.name + ".part")
    try:
        with (
            backup.open("rb") as source,
            open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw,
            gzip.GzipFile(backup.name, "wb", fileobj=raw, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed, _MEGABYTE)
        os.replace(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    backup.unlink()


class Log:
    """The file, written by a thread of its own: a disk that hangs holds up those who wait for it, and nobody else."""

    def __init__(
        self, path: str, form: str, *, now: Callable[[], datetime], megabytes: int, backups: int, days: int,
        compress: bool,
    ) -> None:  # fmt: skip
        """`path` is - for the standard output.  Raises ConfigurationError."""
        self._legacy = form == "legacy"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit-log")
        self._file: RotatingFile | None = None
        if path != "-":
            try:
                self._file = RotatingFile(
                    Path(path), now=now, max_bytes=megabytes * _MEGABYTE, max_backups=backups,
                    max_age=timedelta(days=days), compress=compress,
                )  # fmt: skip
            except OSError as error:
                raise ConfigurationError(f"cannot write the audit log {path}: {error.strerror}") from None

    async def deliver(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        lines = [legacy_line(each.document) if self._legacy else each.encoded for each in events]
        data = b"\n".join(lines) + b"\n"
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, data)
        except (OSError, ValueError) as error:
            raise DeliveryError(str(error)) from None

    def _write(self, data: bytes) -> None:
        if self._file is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            self._file.write(data)

    async def close(self) -> None:
        if self._file is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        self._thread.shutdown(wait=False)
