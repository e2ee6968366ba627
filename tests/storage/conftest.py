"""Stores to test with: every driver, fresh, in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import Store
from apiserver.storage.sqlite import SqliteStore

DRIVERS: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqliteStore(folder / "state.db"),
    "memory": lambda _: MemoryStore(),
}


@pytest.fixture(params=sorted(DRIVERS))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An open, empty store of each driver in turn."""
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
