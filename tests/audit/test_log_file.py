"""The log makes room for itself, and a line that could not be finished spoils no other."""

from __future__ import annotations

import gzip
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver.audit.legacy_format import legacy_line
from apiserver.audit.log_file import Log, RotatingFile
from apiserver.configuration_file import ConfigurationError


class Now:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def log(path: Path, now: Now, **limits: object) -> RotatingFile:
    return RotatingFile(path, now=now, **limits)  # type: ignore[arg-type]


def test_lines_are_appended_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "logs/audit.log"
    for line in (b"one\n", b"two\n"):
        file = log(path, Now())
        file.write(line)
        file.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_file_is_put_aside_and_the_oldest_are_deleted(tmp_path: Path) -> None:
    file = log(tmp_path / "audit.log", Now(), max_bytes=10, max_backups=2)
    for number in range(6):
        file.write(b"line %d\n" % number)
        if file._tidying is not None:
            file._tidying.join()
    file.close()
    assert file.path.read_bytes() == b"line 5\n"
    assert [each.read_bytes() for each in file.backups()] == [b"line 4\n", b"line 3\n"]
    assert file.backups()[0].name.startswith("audit-2026-01-31T12-00-")
    assert len(list(tmp_path.iterdir())) == 3


def test_old_files_are_deleted_by_their_age(tmp_path: Path) -> None:
    now = Now()
    file = log(tmp_path / "audit.log", now, max_bytes=10, max_age=timedelta(days=1))
    for days in (0, 0, 2):
        now.time += timedelta(days=days)
        file.write(b"123456789\n")
    file.close()
    assert [each.read_bytes() for each in file.backups()] == [b"123456789\n"]


def test_what_is_full_while_others_are_put_in_order_is_seen_as_well(tmp_path: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    class Slow(Now):
        def __call__(self) -> datetime:
            if threading.current_thread() is not threading.main_thread():
                begun.set()
                over.wait(60)
            return super().__call__()

    file = log(tmp_path / "audit.log", Slow(), max_bytes=10, max_backups=1, max_age=timedelta(days=9))
    file.write(b"first 890\n")
    file.write(b"second 90\n")
    assert begun.wait(60)  # it knows of the first only
    file.write(b"third 890\n")
    over.set()
    file.close()
    assert [each.read_bytes() for each in file.backups()] == [b"second 90\n"]


def test_former_files_are_compressed(tmp_path: Path) -> None:
    file = log(tmp_path / "audit.log", Now(), max_bytes=10, compress=True)
    file.write(b"former 01\n")
    file.write(b"new\n")
    file.close()
    (backup,) = file.backups()
    assert backup.name.endswith(".log.gz")
    assert gzip.decompress(backup.read_bytes()) == b"former 01\n"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_other_files_beside_it_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "audit-notes.log").write_text("mine")
    file = log(tmp_path / "audit.log", Now(), max_bytes=10, max_backups=1)
    for _ in range(4):
        file.write(b"123456789\n")
    file.close()
    assert (tmp_path / "audit-notes.log").read_text() == "mine"


def test_a_line_that_a_full_disk_cut_off_is_followed_by_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = log(tmp_path / "audit.log", Now())
    room, write = [4], os.write

    def limited(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(descriptor, bytes(data)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"first line\n")
    with pytest.raises(OSError, match="No space left"):
        file.write(b"lost\n")
    room[0] = 100
    file.write(b"whole\n")
    file.close()
    assert file.path.read_bytes() == b"firs\nwhole\n"


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write the audit log"):
        Log(str(tmp_path / "file/audit.log"), "json", now=Now(), megabytes=0, backups=0, days=0, compress=False)


def test_the_legacy_form() -> None:
    event = {
        "auditID": "1", "stage": "ResponseComplete", "sourceIPs": ["::1"], "verb": "get", "requestURI": "/a?b",
        "user": {"username": "alice", "groups": ["a", "b"]}, "objectRef": {"namespace": "ns"},
        "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-01-31T12:00:00.000000Z",
    }  # fmt: skip
    assert legacy_line(event).decode() == (
        '2026-01-31T12:00:00.000000Z AUDIT: id="1" stage="ResponseComplete" ip="::1" method="get" user="alice" '
        r'groups="\"a\",\"b\"" as="<self>" asgroups="<lookup>" user-agent="" namespace="ns" uri="/a?b" response="200"'
    )
