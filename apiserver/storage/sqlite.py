"""The default store: one SQLite file (WAL, synchronous=FULL).

Nothing acknowledged is ever lost, `kill -9` and power cuts included: a write returns after its transaction has been
synced to disk.  The log of changes is a table, so that a watch can start at any revision since the last compaction,
also one from before a restart.  The table's shape is that of kine (https://github.com/k3s-io/kine).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiserver.storage import sqlite_file
from apiserver.storage.feed import Feed
from apiserver.storage.protocol import (
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    Revision,
    Snapshot,
    StoreError,
    StoreStats,
)
from apiserver.storage.sqlite_writer import (
    MOST_HERE,
    NOTHING_WRITTEN,
    SHARED_BY,
    Compaction,
    Outcome,
    Write,
    Writer,
    read_positions,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine


_LIST = (
    "SELECT l.key, l.value, l.revision FROM"
    " (SELECT MAX(revision) AS newest FROM log WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key) AS n"
    " CROSS JOIN log AS l ON l.revision = n.newest WHERE l.deleted = 0"
)
# `+key` keeps the planner off the key index: a piece of the log is read in its own order.
_CHANGES = (
    "SELECT l.revision, l.key, l.value, l.deleted, l.previous, p.value FROM log AS l"
    " LEFT JOIN log AS p ON p.revision = l.previous"
    " WHERE l.revision > ? AND l.revision <= ? AND +l.key >= ? AND +l.key < ? ORDER BY l.revision LIMIT 1000"
)

_QUIET_TURNS = 2
_GATHERING = 0.015
"""Seconds in which writes are gathered at most."""
_Select = Callable[[str, tuple[Any, ...]], Sequence[Any]]


class SqliteStore:
    """The Store protocol on the file at `path`, which is made when it does not exist.

    With `erases` what compaction forgets is overwritten, and not only given up for others to overwrite.  `is_alone`
    says whether nothing else is going on: a write then need not wait for others to share its commit.
    """

    def __init__(self, path: Path, *, erases: bool = False, is_alone: Callable[[], bool] = lambda: False) -> None:
        self.path = path
        self._is_alone = is_alone
        self._erases = erases
        self.stats = StoreStats()
        self._lock = sqlite_file.Lock(path.with_name(path.name + ".lock"))
        self._feed = Feed(self._read_log, 0)
        self._engine: Engine | None = None
        self._writer: Writer | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed_over = 0
        """Requests that the writer's thread has, or whose outcome is still on its way from there."""
        self._gathered: list[Write] = []
        """Writes that are to be committed together by the event loop."""
        self._quiet_turns = 0
        """Turns of the loop since the last of them."""

    @property
    def revision(self) -> Revision:
        return self._feed.revision

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="sqlite-reader")
        try:
            revision, compacted = await self._loop.run_in_executor(self._reader, self._open_file)
        except BaseException:
            self._reader.shutdown()
            self._reader = None
            raise
        self._feed.revision = revision
        self._writer = Writer(self.path, revision, compacted, self.stats, self._deliver, erases=self._erases)
        self._writer.start()

    def _open_file(self) -> tuple[Revision, Revision]:
        self._lock.take()
        try:
            sqlite_file.ensure(self.path)
            return read_positions(self.path)
        except BaseException:
            self._lock.release()
            raise

    async def close(self) -> None:
        self._commit_gathered()
        writer, self._writer = self._writer, None
        reader, self._reader = self._reader, None
        if writer is None or reader is None:
            return
        writer.stop()
        await asyncio.get_running_loop().run_in_executor(reader, writer.join)
        self._feed.close()
        reader.shutdown()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self._lock.release()

    # --- writes: handed to the writer's thread, answered from there one batch at a time

    async def create(self, key: str, value: bytes) -> Revision:
        return await self._write(key, value, deleted=False, if_revision=0)

    async def update(self, key: str, value: bytes, *, if_revision: Revision) -> Revision:
        return await self._write(key, value, deleted=False, if_revision=if_revision or -1)

    async def delete(self, key: str, *, if_revision: Revision, last_value: bytes | None = None) -> Revision:
        return await self._write(key, last_value, deleted=True, if_revision=if_revision or -1)

    async def compact(self, before: Revision) -> None:
        writer, done = self._begin()
        self._hand_over(writer, Compaction(before, done))
        await done

    async def _write(self, key: str, value: bytes | None, *, deleted: bool, if_revision: Revision) -> Revision:
        writer, done = self._begin()
        write = Write(key, value, deleted, if_revision, done)
        if self._is_alone() and self._commit_here(writer, [write]):
            pass
        elif writer.commits_quickly(SHARED_BY):
            self._gather(write)
        else:
            self._hand_over(writer, write)
        return await done

    def _gather(self, write: Write) -> None:
        """Let it share a commit with all that is written while the event loop is busy with requests."""
        assert self._loop is not None
        self._gathered.append(write)
        self._quiet_turns = 0
        if len(self._gathered) == 1 and not self._handed_over:
            self._await_more(self._loop, self._loop.time() + _GATHERING)

    def _await_more(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """Commit when the loop has turned without a write: it takes two turns from a request to what it writes."""
        if self._quiet_turns < _QUIET_TURNS and len(self._gathered) < MOST_HERE and loop.time() < until:
            self._quiet_turns += 1
            loop.call_soon(self._await_more, loop, until)
        else:
            self._commit_gathered()

    def _commit_gathered(self) -> None:
        writes, self._gathered = self._gathered, []
        if writes and self._writer is not None and not self._commit_here(self._writer, writes):
            for write in writes:
                self._hand_over(self._writer, write)

    def _commit_here(self, writer: Writer, writes: list[Write]) -> bool:
        # What the thread has committed has its revision already: watchers hear of that first.
        return not self._handed_over and writer.commit_here(writes, self._settle)

    def _hand_over(self, writer: Writer, request: Write | Compaction) -> None:
        self._handed_over += 1
        writer.submit(request)

    def _begin(self) -> tuple[Writer, asyncio.Future[Revision]]:
        if self._writer is None:
            raise StoreError(f"{self.path} is not open")
        return self._writer, asyncio.get_running_loop().create_future()

    def _deliver(self, events: Sequence[Event], revision: Revision, outcomes: Sequence[Outcome]) -> None:
        """Runs in the writer's thread: one hop to the event loop for the whole batch."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._take_over, events, revision, outcomes)
        except RuntimeError:
            return  # the loop is gone, and with it everyone who waited

    def _take_over(self, events: Sequence[Event], revision: Revision, outcomes: Sequence[Outcome]) -> None:
        self._handed_over -= len(outcomes)
        self._settle(events, revision, outcomes)
        if not self._handed_over:
            self._commit_gathered()

    def _settle(self, events: Sequence[Event], revision: Revision, outcomes: Sequence[Outcome]) -> None:
        # Watchers first: whoever is told that a write is done must find it in what watchers have seen.
        if events:
            self._feed.publish(events, revision)
        for done, outcome in outcomes:
            if done.done():
                continue  # its waiter was cancelled
            if isinstance(outcome, StoreError):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

    # --- reads: in a thread of their own, on snapshots that writers do not disturb

    async def list(self, prefix: str, *, at: Revision | None = None) -> Snapshot:
        revision = self.revision if at is None else at
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if self.revision == NOTHING_WRITTEN:
            return Snapshot(revision, [])
        select = self._select_now if at is None else self._select
        rows = await self._read(select, _LIST, (prefix, prefix + "\U0010ffff", revision))
        self._check_compacted(revision)
        return Snapshot(revision, [KeyValue._make(row) for row in rows])

    def watch(self, prefix: str, since: Revision, *, until: Revision | None = None) -> AsyncGenerator[Event, None]:
        return self._feed.watch(prefix, since, until)

    async def _read_log(self, prefix: str, since: Revision, until: Revision) -> Sequence[Event]:
        rows = await self._read(self._select, _CHANGES, (since, until, prefix, prefix + "\U0010ffff"))
        self._check_compacted(since)
        events = []
        for revision, key, value, deleted, previous, previous_value in rows:
            before = KeyValue(key, previous_value, previous) if previous else None
            events.append(Event(revision, key, previous_value if value is None else value, bool(deleted), before))
        return events

    def _check_compacted(self, revision: Revision) -> None:
        """After reading: what was read is whole unless history up to there went meanwhile."""
        if self._writer is not None and revision < self._writer.compacted:
            raise Compacted(self._writer.compacted)

    async def _read(self, select: _Select, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        if self._reader is None or self._loop is None:
            raise StoreError(f"{self.path} is not open")
        self.stats.statements += 1
        return await self._loop.run_in_executor(self._reader, select, statement, parameters)

    def _select_now(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Through the driver: a server that starts reads everything, and importing SQLAlchemy takes as long again."""
        try:
            with closing(sqlite_file.connect(self.path)) as connection:
                return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise sqlite_file.damaged(self.path, str(error)) from error

    def _select(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        from sqlalchemy.exc import DBAPIError

        if self._engine is None:
            self._engine = sqlite_file.engine_over(self.path)
        try:
            with self._engine.connect() as connection:
                return list(connection.exec_driver_sql(statement, parameters))
        except DBAPIError as error:
            raise sqlite_file.damaged(self.path, str(error.orig)) from error
