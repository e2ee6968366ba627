"""One launcher at a time has a folder."""

from __future__ import annotations

import contextlib
import fcntl
import select
from pathlib import Path

import pytest

from client.cluster.data_dir import DataDir
from client.cluster.errors import ClusterError
from tests.cluster.support import needs_linux

pytestmark = needs_linux


def test_who_only_looks_keeps_nobody_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataDir(tmp_path)
    with (tmp_path / "nanokube.pid").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(select, "select", lambda *_: fcntl.flock(looking, fcntl.LOCK_UN))  # for the wait
        data.lock()
        monkeypatch.undo()
    data.unlock()


def test_a_lock_on_a_file_that_is_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ending, flock = DataDir(tmp_path), fcntl.flock
    ending.lock()

    def late(handle: int, how: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            ending.unlock()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    starting = DataDir(tmp_path)
    starting.lock()
    monkeypatch.undo()
    with pytest.raises(ClusterError, match="already running"):
        DataDir(tmp_path).lock()
    starting.unlock()
