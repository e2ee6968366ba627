"""Stores to test with: every driver, fresh, in a temporary folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from apiserver.storage import sqlite_writer
from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import Store
from apiserver.storage.sqlite import SqliteStore
from apiserver.storage.sqlite_writer import MIN_FREE_PAGES

DRIVERS: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqliteStore(folder / "state.db"),
    "sqlite, a slow disk": lambda folder: SqliteStore(folder / "state.db"),
    "sqlite, alone": lambda folder: SqliteStore(folder / "state.db", is_alone=lambda: True),
    "memory": lambda _: MemoryStore(),
}


@pytest.fixture(params=sorted(DRIVERS))
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """An open, empty store of each driver in turn."""
    # Whatever the disk is like: where it is quick, writes are committed by those who write, else by a thread.
    monkeypatch.setattr(sqlite_writer, "QUICK", 0.0 if request.param == "sqlite, a slow disk" else 60.0)
    driver = DRIVERS[request.param](tmp_path)
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    driver = SqliteStore(tmp_path / "state.db")
    await driver.open()
    yield driver
    await driver.close()


async def at_rest(store: SqliteStore) -> None:
    """Wait until the writer's thread has begun, and is done with all that it has answered."""
    writer = store._writer
    assert writer is not None
    async with asyncio.timeout(60):
        while writer._connection is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    with writer._turn_lock:
        pass


async def swept(store: SqliteStore, upto: int) -> None:
    """Wait until the compacted rows are gone and their pages given back."""
    async with asyncio.timeout(60):
        while True:
            rows = await store._read(store._select, "SELECT value FROM meta WHERE name = 'swept'", ())
            free = await store._read(store._select, "PRAGMA freelist_count", ())
            if rows[0][0] >= upto and free[0][0] <= 2 * MIN_FREE_PAGES:
                return
