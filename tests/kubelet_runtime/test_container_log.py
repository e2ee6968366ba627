"""Reading log files as `kubectl logs` asks."""

from __future__ import annotations

import asyncio
import contextlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubelet.server import container_log
from kubelet.server.container_log import LogOptions, read_log
from tests.client.waiting import eventually


def stamp(second: int) -> str:
    return f"2026-01-02T03:04:{second:02d}.123456789Z"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text("".join(f"{stamp(i)} {'stderr' if i == 3 else 'stdout'} F line {i}\n" for i in range(6)))
    return path


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    return


async def read(path: Path, **options: object) -> str:
    async with asyncio.timeout(60):
        pieces = [text async for text in read_log(path, LogOptions(**options), at_once)]  # type: ignore[arg-type]
    return b"".join(pieces).decode()


async def test_everything(log: Path) -> None:
    assert await read(log) == "".join(f"line {i}\n" for i in range(6))


@pytest.mark.parametrize("lines", [0, 1, 2, 6, 100])
async def test_the_tail(log: Path, lines: int) -> None:
    expected = "".join(f"line {i}\n" for i in range(6)[max(0, 6 - lines) :])
    assert await read(log, tail_lines=lines) == expected
    assert await read(log, tail_lines=lines, follow=True) == expected


async def test_the_tail_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("".join(f"{stamp(1)} stdout F {i:06d}{'x' * 90}\n" for i in range(20000)))
    lines = (await read(path, tail_lines=5000)).splitlines()
    assert (len(lines), lines[0][:6], lines[-1][:6]) == (5000, "015000", "019999")


async def test_since_a_time(log: Path) -> None:
    since = datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC)
    assert await read(log, since=since) == "line 4\nline 5\n"
    assert await read(log, since=since, tail_lines=4) == "line 4\nline 5\n"


async def test_timestamps_streams_and_limits(log: Path) -> None:
    assert await read(log, timestamps=True, tail_lines=1) == f"{stamp(5)} line 5\n"
    assert await read(log, stream="stderr") == "line 3\n"
    assert await read(log, limit_bytes=10) == "line 0\nlin"


async def test_partial_entries_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(
        f"{stamp(1)} stdout P one \n{stamp(2)} stdout P two \n{stamp(3)} stdout F three\n{stamp(4)} stdout P end\n"
    )
    assert await read(path) == "one two three\nend"
    assert await read(path, timestamps=True) == f"{stamp(1)} one two three\n{stamp(4)} end"


async def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "none.log") == ""
    assert await read(tmp_path / "none.log", follow=True) == ""


async def test_follow_to_the_end_across_rotations(log: Path) -> None:
    ended = asyncio.Event()

    async def finished() -> None:
        await ended.wait()

    lines: list[str] = []
    reader = read_log(log, LogOptions(follow=True, tail_lines=1), finished)
    async with asyncio.timeout(60), contextlib.aclosing(reader):
        lines.append((await anext(reader)).decode())
        with log.open("a") as file:
            file.write(f"{stamp(6)} stdout F line 6\n{stamp(7)} std")
            file.flush()
            lines.append((await anext(reader)).decode())
            file.write("out F line 7\n")
            log.rename(log.with_name("0.log.20260102-030405.1"))
        log.write_text(f"{stamp(8)} stdout F line 8\n")
        log.rename(log.with_name("0.log.20260102-030405.2"))
        log.write_text(f"{stamp(9)} stdout F line 9\n")
        while "line 9" not in "".join(lines):
            lines.append((await anext(reader)).decode())
        with log.open("a") as file:
            file.write(f"{stamp(10)} stdout F line 10\n")
        ended.set()
        lines += [text.decode() async for text in reader]
    assert "".join(lines) == "".join(f"line {i}\n" for i in range(5, 11))


async def test_a_file_that_is_renamed_before_it_can_be_opened_is_looked_for_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, missed = container_log._next_file, []

    def late(path: Path, file: io.FileIO) -> Path | None:
        found = look(path, file)
        if found is None or missed:
            return found
        missed.append(found)
        return path.with_name("renamed")

    monkeypatch.setattr(container_log, "_next_file", late)
    reader = read_log(log, LogOptions(follow=True, tail_lines=1), never)
    async with asyncio.timeout(60), contextlib.aclosing(reader):
        assert await anext(reader) == b"line 5\n"
        log.rename(log.with_name("0.log.20260102-030405.1"))
        log.write_text(f"{stamp(6)} stdout F line 6\n")
        following = asyncio.ensure_future(anext(reader))
        await eventually(lambda: missed)
        with log.open("a") as file:
            file.write(f"{stamp(7)} stdout F line 7\n")
        assert (await following).startswith(b"line 6\n")
