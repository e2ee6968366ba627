"""`nanokube up` on a folder it must not touch: one clear line, a non-zero exit, everything as it was."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.cluster.support import RunningCluster, needs_linux
from tests.ports import free_port

pytestmark = needs_linux


@pytest.fixture
def cluster(tmp_path: Path) -> RunningCluster:
    (tmp_path / "cluster").mkdir()
    return RunningCluster(tmp_path / "cluster", free_port())


def refused(cluster: RunningCluster) -> str:
    done = cluster.nanokube("up", "--detach", "--port", str(cluster.port), check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_corrupt_database(cluster: RunningCluster) -> None:
    database = cluster.root / "state.db"
    database.write_bytes(b"not a database" * 100)
    assert "is not a database" in refused(cluster)
    assert database.read_bytes() == b"not a database" * 100
    assert "nothing erased" in cluster.nanokube("reset", check=False).stderr


def test_the_database_of_another_program(cluster: RunningCluster) -> None:
    database = cluster.root / "state.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = database.read_bytes()
    assert "another program's database" in refused(cluster)
    assert database.read_bytes() == before


def test_settings_that_are_not_ours(cluster: RunningCluster) -> None:
    (cluster.root / "cluster.json").write_text("[1, 2]")
    assert "cannot be read as a cluster's settings" in refused(cluster)
    assert (cluster.root / "cluster.json").read_text() == "[1, 2]"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written(cluster: RunningCluster) -> None:
    cluster.root.chmod(0o500)
    assert "cannot be written" in refused(cluster)
    cluster.root.chmod(0o700)


def test_a_token_file_that_is_not_there(cluster: RunningCluster) -> None:
    given = ("--port", str(cluster.port), "--token-auth-file", "/nowhere")
    done = cluster.nanokube("up", "--detach", *given, check=False)
    assert done.returncode == 1
    assert done.stderr == "nanokube: the token file /nowhere cannot be read\n"


def test_a_token_file_that_is_wrong(cluster: RunningCluster, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("only-a-token\n")
    done = cluster.nanokube(
        "up", "--detach", "--port", str(cluster.port), "--token-auth-file", str(tmp_path / "tokens"), check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "tokens" in done.stderr


def test_reset_erases_nothing_but_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    other = RunningCluster(tmp_path / "mine", 1)
    done = other.nanokube("reset", check=False)
    assert done.returncode == 1
    assert "nothing erased" in done.stderr
    assert (tmp_path / "mine" / "letter.txt").exists()
