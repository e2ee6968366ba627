"""The database file: how it is made, recognised, checked and kept to one process.

A file that is not ours, not whole or newer than we understand is refused before anything could be written to it:
its header is read as plain bytes and its pages through a read-only connection.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from apiserver.storage.protocol import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

APPLICATION_ID = 0x6E616E6F
SCHEMA_VERSION = 1

_SCHEMA = (
    # A row per write.  `previous` is the revision it supersedes, 0 for a creation; a deletion's `value` is NULL
    # unless it is remembered by another state than the last one.
    "CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, deleted INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, value BLOB)",
    "CREATE INDEX log_by_key ON log (key, revision)",
    # compacted: history up to here is refused; swept: and up to here its rows are gone.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('compacted', 0), ('swept', 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_MAGIC = b"SQLite format 3\x00"
_CHECK_BELOW = 16 * 1024 * 1024
"""Bytes up to which every page is checked at start: larger files are checked as they are read."""


def connect(path: Path, mode: str = "mode=rw") -> sqlite3.Connection:
    """A connection that begins no transaction by itself: what is one says BEGIN."""
    # check_same_thread: a connection may be handed from one thread to the next, never shared.
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}", uri=True, timeout=5, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -4000")  # KiB
    connection.execute("PRAGMA journal_size_limit = 16777216")
    return connection


def engine_over(path: Path) -> Engine:
    """An engine for reading.  SQLAlchemy is a fifth of what a start imports: it is left to who reads."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import QueuePool

    return create_engine("sqlite://", creator=lambda: connect(path), poolclass=QueuePool, isolation_level="AUTOCOMMIT")


class Lock:
    """Keeps a second process off the database.  The kernel drops it when the holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Raises StoreError when another process has it or the folder cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot write in {self._path.parent}: {error.strerror}; make it writable or choose another folder"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreError(
                f"{self._path.parent} is in use by another API server"
                + (f" (process {owner})" if owner else "")
                + ": stop it first or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def ensure(path: Path) -> None:
    """Make the database if there is none, or else make sure that it is ours and whole.  Raises StoreError."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if size == 0:
        _create(path)
    else:
        _recognise(path)
        _check(path, size)


def _create(path: Path) -> None:
    """Under another name first: a crash leaves no half-made database."""
    new = path.with_name(path.name + ".new")
    try:
        for leftover in (new, new.with_name(new.name + "-journal"), new.with_name(new.name + "-wal")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it will hold secrets
    except OSError as error:
        raise StoreError(f"cannot write in {path.parent}: {error.strerror}") from error
    with closing(connect(new)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _recognise(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise StoreError(f"{path} is not a database: move it away or choose another folder")
    (version,) = struct.unpack(">I", header[60:64])
    (application,) = struct.unpack(">I", header[68:72])
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is another program's database: move it away or choose another folder")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version} and this release reads {SCHEMA_VERSION}:"
            " use the release that wrote it or choose another folder"
        )


def _check(path: Path, size: int) -> None:
    # Without a log to be read first the file is all there is, and reading it as immutable makes no files beside it.
    log = path.with_name(path.name + "-wal")
    try:
        mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
        with closing(connect(path, mode)) as connection:
            connection.execute("SELECT value FROM meta WHERE name = 'compacted'").fetchone()
            connection.execute("SELECT MAX(revision) FROM log").fetchone()
            if size <= _CHECK_BELOW:
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if verdict != "ok":
                    raise damaged(path, str(verdict).splitlines()[-1])
    except sqlite3.Error as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> StoreError:
    """The error for a database that SQLite cannot read."""
    return StoreError(f"{path} is damaged ({why}): restore it from a backup or move it away to start empty")
