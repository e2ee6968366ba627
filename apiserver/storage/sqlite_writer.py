"""The one thread that writes to the SQLite database.

It takes all writes that wait and commits them as one transaction (group commit): however many clients write at
once, they share one sync to disk.  Between transactions it copies what was committed from the write-ahead log to the
database, and sweeps out compacted history in pieces so small that no write waits for long.

On a disk that syncs in a fraction of a millisecond the ways to this thread and back cost as much as the disk, and the
interpreter's lock more than both: there those who write commit themselves (`commit_here`).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from apiserver.storage import sqlite_file
from apiserver.storage.protocol import (
    Event,
    KeyExists,
    KeyMissing,
    KeyValue,
    Revision,
    RevisionMismatch,
    StoreError,
    StoreStats,
)

log = logging.getLogger(__name__)

NOTHING_WRITTEN: Revision = 1
"""The revision of an empty store."""
MAX_BATCH = 1000
QUICK, SHARED_BY = 0.0005, 4
"""Seconds a commit may take, on average, to be made where everybody else waits for it; so many times as long where so
many writes share it."""
MOST_HERE = 256
"""Writes that may be committed there at once."""
CHECKPOINT = 4 * 1024 * 1024
"""Bytes in the write-ahead log after which they are copied to the database: SQLite's own measure."""
SWEEP_TARGET = 0.010
"""Seconds one piece of sweeping should take."""
PAGES_AT_ONCE = 128
MIN_FREE_PAGES = 256
"""Free pages kept for the next writes rather than given back to the file system."""

_CURRENT = (
    "SELECT l.key, l.revision, l.deleted, l.value FROM json_each(?) AS k CROSS JOIN log AS l"
    " ON l.revision = (SELECT revision FROM log WHERE key = k.value ORDER BY revision DESC LIMIT 1)"
)
_ROW = "(?, ?, ?, ?, ?)"
# Every step of a statement gives up the interpreter lock and waits to get it back: many rows to a statement.
_INSERTS = tuple(
    (rows, "INSERT INTO log (revision, key, deleted, previous, value) VALUES " + ", ".join([_ROW] * rows))
    for rows in (64, 16, 4, 1)
)
_SWEEP_SUPERSEDED = (
    "DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0)"
)
_SWEEP_TOMBSTONES = "DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1"
_PAGE, _PAGES = 4096, 3
"""Bytes in a page, and pages that every transaction changes beside those of its values."""
_SET_META = "UPDATE meta SET value = ? WHERE name = ?"


@dataclass(slots=True)
class Write:
    """A write that waits.  `if_revision` 0 means that the key must not exist; `done` gets the revision or the error.

    `deleted`: remove the key; `value` is then what its event shows, None for the last value.
    """

    key: str
    value: bytes | None
    deleted: bool
    if_revision: Revision
    done: Any


@dataclass(slots=True)
class Compaction:
    before: Revision
    done: Any


class Checkpoint:
    """Asks the thread to see what has become due."""


Outcome = tuple[Any, Revision | StoreError]
Deliver = Callable[[Sequence[Event], Revision, Sequence[Outcome]], None]


class Writer(threading.Thread):
    """Start it, then `submit` from any thread; each batch's outcome goes to `deliver`, called in this thread."""

    def __init__(
        self,
        path: Path,
        revision: Revision,
        compacted: Revision,
        stats: StoreStats,
        deliver: Deliver,
        *,
        erases: bool = False,
    ) -> None:
        super().__init__(name="sqlite-writer", daemon=True)
        self.compacted = compacted
        """Set before the first row of that history goes: who reads it after reading rows knows if they are whole."""
        self._path = path
        self._erases = erases
        self._revision = revision
        self._stats = stats
        self._deliver = deliver
        self._queue: SimpleQueue[Write | Compaction | Checkpoint | None] = SimpleQueue()
        self._turn_lock = threading.Lock()
        """Held by who works on the connection."""
        self._connection: sqlite3.Connection | None = None
        self._commit_seconds = QUICK
        """A moving average."""
        self._logged = 0
        """Bytes written to the write-ahead log since the last checkpoint, about."""
        self._swept: Revision = 0
        self._sweeping = False
        self._piece = 200

    def submit(self, request: Write | Compaction) -> None:
        self._queue.put(request)

    def commits_quickly(self, writes: int) -> bool:
        """Whether so many writes need no other thread."""
        return writes <= MOST_HERE and self._commit_seconds < QUICK * min(writes, SHARED_BY)

    def commit_here(self, writes: list[Write], deliver: Deliver) -> bool:
        """Commit in the thread that calls.  False where the writes would have to wait for others, or for the disk."""
        if not self.commits_quickly(len(writes)) or self._logged >= CHECKPOINT or not self._queue.empty():
            return False
        if not self._turn_lock.acquire(blocking=False):
            return False
        try:
            if self._connection is None:
                return False
            self._commit(self._connection, writes, deliver)
        finally:
            self._turn_lock.release()
        if self._logged >= CHECKPOINT:
            self._queue.put(Checkpoint())
        return True

    def stop(self) -> None:
        """Let the thread finish what it was given, and end."""
        self._queue.put(None)

    def run(self) -> None:
        with closing(sqlite_file.connect(self._path)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # no write waits for it: see _checkpoint
            if self._erases:
                connection.execute("PRAGMA secure_delete = ON")
            self._swept = connection.execute("SELECT value FROM meta WHERE name = 'swept'").fetchone()[0]
            self._sweeping = self._swept < self.compacted
            self._connection = connection
            try:
                while self._turn(connection):
                    pass
            finally:
                with self._turn_lock:
                    self._connection = None

    def _turn(self, connection: sqlite3.Connection) -> bool:
        """One transaction and one piece of cleaning up.  False at the end."""
        sweeping = self._sweeping
        writes: list[Write] = []
        compactions: list[Compaction] = []
        going = True
        try:
            request = self._queue.get(block=not sweeping)
            while True:
                if request is None:
                    going = False
                    break
                if isinstance(request, Write):
                    writes.append(request)
                elif isinstance(request, Compaction):
                    compactions.append(request)
                if len(writes) >= MAX_BATCH:
                    break
                request = self._queue.get_nowait()
        except Empty:
            pass
        with self._turn_lock:
            if writes:
                self._commit(connection, writes, self._deliver)
            for compaction in compactions:
                self._compact(connection, compaction)
            if sweeping and going:
                self._sweep(connection)
            if self._logged >= CHECKPOINT:
                self._checkpoint(connection)
        return going

    def _commit(self, connection: sqlite3.Connection, writes: list[Write], deliver: Deliver) -> None:
        outcomes: list[Outcome]
        events: list[Event] = []
        revision = self._revision
        execute = connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            keys = orjson.dumps(list({write.key for write in writes})).decode()
            current: dict[str, KeyValue] = {
                key: KeyValue(key, value, at) for key, at, deleted, value in execute(_CURRENT, (keys,)) if not deleted
            }
            rows: list[tuple[Any, ...]] = []
            outcomes = []
            for write in writes:
                found = current.get(write.key)
                refusal = _refusal(write, found)
                if refusal is not None:
                    outcomes.append((write.done, refusal))
                    continue
                revision += 1
                previous = 0 if found is None else found.revision
                rows.append((revision, write.key, int(write.deleted), previous, write.value))
                value = write.value
                if write.deleted:
                    del current[write.key]
                    if value is None and found is not None:
                        value = found.value
                assert value is not None
                if not write.deleted:
                    current[write.key] = KeyValue(write.key, value, revision)
                events.append(Event(revision, write.key, value, write.deleted, found))
                outcomes.append((write.done, revision))
            self._insert(execute, rows)
            started = time.perf_counter()
            execute("COMMIT")
            self._commit_seconds += (time.perf_counter() - started - self._commit_seconds) / 8
            self._logged += _PAGES * _PAGE + sum([len(row[4] or b"") for row in rows])
            self._stats.statements += 3
            if rows:
                self._stats.commits += 1
                self._stats.writes += len(rows)
            self._revision = revision
        except Exception as error:  # whatever it was, those who wait must hear of it
            self._roll_back(connection)
            refusal = StoreError(f"cannot write to {self._path}: {error}")
            events, outcomes = [], [(write.done, refusal) for write in writes]
        deliver(events, self._revision, outcomes)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Copy what the write-ahead log holds to the database, so that the log begins anew."""
        self._logged = 0
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            log.exception("cannot copy the log of %s to its database; trying again later", self._path)

    def _insert(self, execute: Callable[..., Any], rows: list[tuple[Any, ...]]) -> None:
        start = 0
        for count, statement in _INSERTS:
            while len(rows) - start >= count:
                execute(statement, tuple(chain.from_iterable(rows[start : start + count])))
                self._stats.statements += 1
                start += count

    def _compact(self, connection: sqlite3.Connection, compaction: Compaction) -> None:
        outcome: Revision | StoreError
        before = min(compaction.before, self._revision)
        try:
            if before > self.compacted:
                connection.execute(_SET_META, (before, "compacted"))
                self.compacted = before
            self._sweeping = True
            outcome = self.compacted
        except Exception as error:
            outcome = StoreError(f"cannot write to {self._path}: {error}")
        self._deliver([], self._revision, [(compaction.done, outcome)])

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """One piece of cleaning up: first the rows that compaction has made useless, then the pages they leave."""
        try:
            if self._swept < self.compacted:
                self._sweep_rows(connection)
            else:
                self._sweeping = self._give_back_pages(connection)
        except Exception:
            log.exception("cannot sweep %s; trying again with the next compaction", self._path)
            self._roll_back(connection)
            self._sweeping = False

    def _sweep_rows(self, connection: sqlite3.Connection) -> None:
        """Delete what the next few compacted revisions superseded."""
        started = time.perf_counter()
        upto = min(self._swept + self._piece, self.compacted)
        connection.execute("BEGIN IMMEDIATE")
        for statement in (_SWEEP_SUPERSEDED, _SWEEP_TOMBSTONES):
            self._logged += _PAGE * connection.execute(statement, (self._swept, upto)).rowcount
        connection.execute(_SET_META, (upto, "swept"))
        connection.execute("COMMIT")
        self._swept = upto
        self._stats.compaction_chunks += 1
        took = time.perf_counter() - started
        if took < SWEEP_TARGET / 2:
            self._piece = min(self._piece * 2, 5000)
        elif took > SWEEP_TARGET:
            self._piece = max(self._piece // 2, 10)

    def _give_back_pages(self, connection: sqlite3.Connection) -> bool:
        """Shorten the file by a few of its free pages.  Whether there are more."""
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        count = min(free - MIN_FREE_PAGES, PAGES_AT_ONCE)
        if count > 0:
            connection.execute(f"PRAGMA incremental_vacuum({count})").fetchall()  # it frees one page per row fetched
            self._logged += _PAGE * count
        return bool(free > MIN_FREE_PAGES + PAGES_AT_ONCE)

    @staticmethod
    def _roll_back(connection: sqlite3.Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except Exception:
            return  # there was no transaction: BEGIN itself failed


def _refusal(write: Write, found: KeyValue | None) -> StoreError | None:
    if write.if_revision == 0:
        return None if found is None else KeyExists(write.key, found.revision)
    if found is None:
        return KeyMissing(write.key)
    return None if found.revision == write.if_revision else RevisionMismatch(write.key, found.revision)


def read_positions(path: Path) -> tuple[Revision, Revision]:
    """The newest revision and the compacted one, as the database has them."""
    try:
        with closing(sqlite_file.connect(path)) as connection:
            newest = connection.execute("SELECT MAX(revision) FROM log").fetchone()[0] or 0
            compacted = connection.execute("SELECT value FROM meta WHERE name = 'compacted'").fetchone()[0]
    except sqlite3.Error as error:
        raise sqlite_file.damaged(path, str(error)) from error
    # Sweeping can remove the newest row, a deletion; its revision must not be given out again.
    return max(newest, compacted, NOTHING_WRITTEN), compacted
