"""The SQLite driver's own promises: durability, group commit, refusal of what is not its own, giving back space."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from apiserver.storage import sqlite_writer
from apiserver.storage.protocol import Event, StoreError
from apiserver.storage.sqlite import SqliteStore
from apiserver.storage.sqlite_writer import Compaction, Deliver, Write, Writer
from tests.storage.conftest import at_rest, swept


async def open_and_close(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def refusal(path: Path) -> str:
    """The one line that opening fails with, after making sure that no file was changed."""
    before = {p.name: p.read_bytes() for p in path.parent.iterdir() if not p.name.endswith(".lock")}
    with pytest.raises(StoreError) as error:
        await SqliteStore(path).open()
    after = {p.name: p.read_bytes() for p in path.parent.iterdir() if not p.name.endswith(".lock")}
    assert after == before
    assert "\n" not in str(error.value)
    return str(error.value)


async def test_waiting_writes_share_one_commit(sqlite: SqliteStore) -> None:
    await sqlite.create("/warm", b"")
    before = sqlite.stats.commits
    await asyncio.gather(*(sqlite.create(f"/pods/ns/p{n}", b"x" * 500) for n in range(500)))
    assert sqlite.stats.writes == 501
    assert sqlite.stats.commits - before < 50


async def test_a_write_that_is_alone_needs_no_other_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "QUICK", 60.0)  # however slow the disk
    monkeypatch.setattr(sqlite_writer, "CHECKPOINT", 200_000)
    path, value = tmp_path / "state.db", b"x" * 4000
    store = SqliteStore(path, is_alone=lambda: True)
    await store.open()
    await store.create("/a", value)  # how long a commit takes is not known before
    committed = _committing_threads(monkeypatch)
    for number in range(500):
        await store.create(f"/pods/{number}", value)
        if number % 100 == 0:
            await store.compact(store.revision)
    assert committed.count(threading.get_ident()) > 250  # all but those that met a checkpoint or a sweep
    assert store.stats.commits >= 501
    assert len((await store.list("/pods/")).items) == 500
    assert path.with_name("state.db-wal").stat().st_size < 1_000_000  # of 2 MB written: the log begins anew
    await store.close()


def _committing_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread of each commit from now on."""
    threads: list[int] = []
    commit = Writer._commit

    def noted(writer: Writer, *arguments: Any) -> None:
        threads.append(threading.get_ident())
        commit(writer, *arguments)

    monkeypatch.setattr(Writer, "_commit", noted)
    return threads


async def test_what_is_written_in_one_turn_shares_a_commit(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "QUICK", 60.0)  # however slow the disk
    await sqlite.create("/warm", b"")
    await at_rest(sqlite)
    committed = _committing_threads(monkeypatch)
    revisions = await asyncio.gather(*(sqlite.create(f"/{number}", b"x") for number in range(sqlite_writer.MOST_HERE)))
    assert committed == [threading.get_ident()]
    assert sorted(revisions) == [*range(3, 3 + sqlite_writer.MOST_HERE)]
    await asyncio.gather(*(sqlite.create(f"/many/{number}", b"x") for number in range(sqlite_writer.MOST_HERE + 1)))
    assert threading.get_ident() not in committed[1:]  # too many for those who wait meanwhile


async def test_what_waits_for_the_thread_is_committed_after_it(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sqlite.create("/warm", b"")
    committed = _committing_threads(monkeypatch)
    writer, take_over = sqlite._writer, sqlite._take_over
    assert writer is not None

    def taken_over(*outcome: Any) -> None:
        with writer._turn_lock:  # the thread is done when it is heard of: else it would get the next write, too
            pass
        take_over(*outcome)

    monkeypatch.setattr(sqlite, "_take_over", taken_over)
    monkeypatch.setattr(sqlite_writer, "QUICK", 0.0)
    first = asyncio.ensure_future(sqlite.create("/first", b"1"))
    await asyncio.sleep(0)
    monkeypatch.setattr(sqlite_writer, "QUICK", 60.0)
    second = asyncio.ensure_future(sqlite.create("/second", b"2"))
    assert (await first, await second) == (3, 4)
    assert [thread == threading.get_ident() for thread in committed] == [False, True]


async def test_no_write_overtakes_what_the_thread_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "QUICK", 0.0)
    alone, committed, deliver = False, threading.Event(), SqliteStore._deliver

    def delivered(*outcome: Any) -> None:
        deliver(*outcome)
        committed.set()

    monkeypatch.setattr(SqliteStore, "_deliver", delivered)
    store = SqliteStore(tmp_path / "state.db", is_alone=lambda: alone)
    await store.open()
    await store.create("/warm", b"0")
    await at_rest(store)  # what comes from now on is not the answer to that
    writer = store._writer
    assert writer is not None
    async with asyncio.timeout(60), aclosing(store.watch("/", store.revision)) as events:
        following = asyncio.ensure_future(anext(events))
        committed.clear()
        first = asyncio.ensure_future(store.create("/first", b"1"))
        await asyncio.sleep(0)
        assert committed.wait(60)  # the event loop stands still: it has not heard of the commit
        with writer._turn_lock:
            alone = True  # and the thread has nothing to do
        monkeypatch.setattr(sqlite_writer, "QUICK", 60.0)  # however slow the disk
        second = await store.create("/second", b"2")
        assert [await following, await anext(events)] == [
            Event(await first, "/first", b"1", False, None),
            Event(second, "/second", b"2", False, None),
        ]
    assert store.revision == second
    await store.close()


async def test_a_slow_disk_is_left_to_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "QUICK", 0.0)
    store = SqliteStore(tmp_path / "state.db", is_alone=lambda: True)
    await store.open()
    monkeypatch.setattr(Writer, "_commit", lambda *_: pytest.fail("committed in the event loop's thread"), raising=True)
    writer = store._writer
    assert writer is not None
    assert not writer.commit_here([Write("/a", b"{}", False, 0, None)], lambda *_: None)
    monkeypatch.undo()
    await store.close()


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.db"
    store = SqliteStore(path)
    await store.open()
    revision = await store.create("/a/x", b"1")
    await store.create("/a/y", b"2")
    await store.delete("/a/y", if_revision=3)
    await store.close()
    await store.open()
    assert store.revision == 4
    assert [(i.key, i.value, i.revision) for i in (await store.list("/")).items] == [("/a/x", b"1", revision)]
    assert await store.create("/a/z", b"3") == 5
    await store.close()


async def test_a_revision_is_never_given_out_twice(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.create("/a/x", b"1")
    await store.delete("/a/x", if_revision=2)
    await store.compact(3)
    await swept(store, 3)
    await store.close()
    await store.open()
    assert store.revision == 3
    assert await store.create("/a/x", b"1") == 4
    await store.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from apiserver.storage.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    async def write(worker):
        n = 0
        while True:
            n += 1
            revision = await store.create(f"/w/{worker}/{n}", b"x" * 300)
            print(f"/w/{worker}/{n} {revision}", flush=True)
    await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    acknowledged: dict[str, int] = {}
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for count, line in enumerate(child.stdout):
            if line.endswith("\n"):
                key, revision = line.split()
                acknowledged[key] = int(revision)
            if count == 300:
                child.send_signal(signal.SIGKILL)
        child.communicate()
        store = SqliteStore(path)
        await store.open()
        found = {item.key: item.revision for item in (await store.list("/")).items}
        assert {key: found.get(key) for key in acknowledged} == acknowledged
        assert sorted(found.values()) == list(range(2, len(found) + 2))  # each revision once, without gaps
        for key in found:
            acknowledged[key] = found[key]
        await store.delete("/w/0/1", if_revision=found["/w/0/1"])
        revision = await store.create("/w/0/1", b"again")
        await store.close()
        path.unlink()
        for name in ("state.db-wal", "state.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        acknowledged.clear()
        assert revision > 2


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first = SqliteStore(path)
    await first.open()
    with pytest.raises(StoreError, match=f"in use by another API server \\(process {os.getpid()}\\)"):
        await SqliteStore(path).open()
    await first.create("/a/x", b"1")
    await first.close()
    await open_and_close(path)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"my holiday pictures\n" * 100)
    assert "is not a database" in await refusal(tmp_path / "state.db")


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as other:
        other.execute("CREATE TABLE log (x)")
    other.close()
    assert "another program's database" in await refusal(tmp_path / "state.db")


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await open_and_close(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert "schema version 99" in await refusal(path)


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
async def test_a_damaged_database_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    await asyncio.gather(*(store.create(f"/a/{n}", b"x" * 2000) for n in range(100)))
    await store.close()
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content[8192:24576] = b"\xa5" * 16384
    path.write_bytes(content)
    assert "is damaged" in await refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot write in"):
            await SqliteStore(tmp_path / "state.db").open()
    finally:
        tmp_path.chmod(0o700)


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write in"):
        await SqliteStore(tmp_path / "file" / "state.db").open()


async def test_the_database_is_for_its_owner_only(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await store.create("/secrets/ns/a", b"1")
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    await store.close()


async def test_a_creation_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "state.db.new").write_bytes(b"half")
    await open_and_close(tmp_path / "state.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


async def test_compaction_gives_space_back_and_delays_no_write_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[float] = []  # seconds of a processor that each piece of sweeping took
    asked: dict[str, int] = {}  # how many there were when a write came
    waited: list[int] = []  # how many came before it
    submit, commit, sweep = Writer.submit, Writer._commit, Writer._sweep

    def submitted(writer: Writer, request: Write | Compaction) -> None:
        submit(writer, request)
        if isinstance(request, Write):
            asked[request.key] = len(pieces)

    def committed(writer: Writer, connection: sqlite3.Connection, writes: list[Write], deliver: Deliver) -> None:
        waited.extend(len(pieces) - asked[write.key] for write in writes if write.key in asked)
        commit(writer, connection, writes, deliver)

    def swept_a_piece(writer: Writer, connection: sqlite3.Connection) -> None:
        started = time.thread_time()
        sweep(writer, connection)
        pieces.append(time.thread_time() - started)

    monkeypatch.setattr(Writer, "submit", submitted)
    monkeypatch.setattr(Writer, "_commit", committed)
    monkeypatch.setattr(Writer, "_sweep", swept_a_piece)
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    value = b"x" * 4000
    revisions = await asyncio.gather(*(store.create(f"/pods/ns/p{n}", value) for n in range(200)))
    for _ in range(8):
        revisions = await asyncio.gather(
            *(store.update(f"/pods/ns/p{n}", value, if_revision=revisions[n]) for n in range(200))
        )
    await asyncio.gather(*(store.delete(f"/pods/ns/p{n}", if_revision=revisions[n]) for n in range(100)))
    await store.compact(store.revision)
    for n in range(20):
        await store.create(f"/nodes/n{n}", value)
    await swept(store, 1901)
    rows = await store._read(store._select, "SELECT COUNT(*) FROM log", ())
    assert rows[0][0] == 100 + 20
    assert len((await store.list("/pods/")).items) == 100
    assert store.stats.compaction_chunks > 1
    await store.close()
    assert path.stat().st_size < 4_000_000  # of 8 MB written
    assert max(waited) <= 1
    assert max(pieces) < 0.5  # far above what it takes


async def test_compaction_that_was_interrupted_goes_on_after_a_restart(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    revision = await store.create("/a/x", b"0")
    for n in range(50):
        revision = await store.update("/a/x", b"%d" % n, if_revision=revision)
    await store.close()
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("UPDATE meta SET value = ? WHERE name = 'compacted'", (revision,))
    database.close()
    await store.open()
    await swept(store, revision)
    assert (await store._read(store._select, "SELECT COUNT(*) FROM log", ()))[0][0] == 1
    await store.close()


async def test_a_commit_is_synced_to_disk(sqlite: SqliteStore) -> None:
    assert [tuple(row) for row in await sqlite._read(sqlite._select, "PRAGMA synchronous", ())] == [(2,)]  # FULL
    assert [tuple(row) for row in await sqlite._read(sqlite._select, "PRAGMA journal_mode", ())] == [("wal",)]


async def test_a_write_that_the_disk_refuses_is_told_and_the_next_one_goes_on(sqlite: SqliteStore) -> None:
    await sqlite.create("/a/1", b"")
    watch = sqlite.watch("/a/", 2)
    with sqlite3.connect(sqlite.path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    outcomes = await asyncio.gather(*(sqlite.create(f"/a/x{n}", b"") for n in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreError}
    assert "disk is full" in str(outcomes[0])
    with other:
        other.execute("DROP TRIGGER full")
    other.close()
    assert await sqlite.create("/a/2", b"") == 3
    assert (await anext(watch)).key == "/a/2"
    await watch.aclose()
