"""Commands beside a container's main process, and attaching to it."""

from __future__ import annotations

import asyncio

import pytest

from kubelet.runtime.protocol import ExecFailed, ExecSession, ExecTimeout, NotRunning
from tests.kubelet_runtime.conftest import Bench


async def read_until(session: ExecSession, text: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(60):
        while text not in seen:
            data = await session.read_stdout()
            assert data, seen
            seen += data
    return seen


async def test_exec_sync_gives_output_and_exit_code(bench: Bench) -> None:
    container = await bench.run("sleep", "1000", environment={"A": "b"}, working_dir="/usr")
    result = await bench.runtime.exec_sync(container, ["sh", "-c", "echo $A $(pwd); echo e >&2; exit 4"], 60)
    assert (result.exit_code, result.stdout, result.stderr) == (4, b"b /usr\n", b"e\n")


async def test_exec_shares_the_containers_processes_and_name(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    result = await bench.runtime.exec_sync(container, ["sh", "-c", "ls -d /proc/[0-9]*; hostname"], 60)
    if bench.runtime.features.process_namespace:
        assert b"/proc/1\n" in result.stdout
        assert result.stdout.endswith(b"web-0\n")


async def test_exec_of_nothing_that_exists(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    with pytest.raises(ExecFailed, match='exec: "nonsense": executable file not found in \\$PATH'):
        await bench.runtime.exec_sync(container, ["nonsense"], 60)


async def test_exec_sync_times_out_and_kills(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    with pytest.raises(ExecTimeout):
        await bench.runtime.exec_sync(container, ["sleep", "500"], 0.1)
    until_gone = "while ps ax | grep -q '[s]leep 500'; do sleep 0.01; done"
    assert (await bench.runtime.exec_sync(container, ["sh", "-c", until_gone], 60)).exit_code == 0


async def test_exec_in_a_stopped_container(bench: Bench) -> None:
    container = await bench.run("true")
    await bench.ended(container)
    with pytest.raises(NotRunning):
        await bench.runtime.exec_sync(container, ["true"], 60)


async def test_a_background_child_does_not_hold_an_exec(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    result = await bench.runtime.exec_sync(container, ["sh", "-c", "sleep 1000 & echo done"], 60)
    assert result.stdout == b"done\n"


async def test_stdin_reaches_the_command(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    session = await bench.runtime.exec(container, ["sh", "-c", "cat; echo end >&2"], stdin=True)
    await session.write_stdin(b"some text\n")
    await session.close_stdin()
    assert await read_until(session, b"text\n") == b"some text\n"
    assert await session.read_stderr() == b"end\n"
    assert await session.wait() == 0
    assert await session.read_stdout() == b""
    await session.aclose()


async def test_large_streams_in_both_directions(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    session = await bench.runtime.exec(container, ["cat"], stdin=True)
    size = 3_000_000

    async def write() -> None:
        await session.write_stdin(b"x" * size)
        await session.close_stdin()

    writing = asyncio.ensure_future(write())
    received = 0
    while data := await session.read_stdout():
        received += len(data)
    await writing
    assert received == size
    assert await session.wait() == 0
    await session.aclose()


async def test_a_terminal(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    session = await bench.runtime.exec(container, ["sh", "-c", "tty; read x; stty size; exit 9"], tty=True, stdin=True)
    assert b"/dev/pts/" in await read_until(session, b"\n")
    await session.resize(91, 37)
    await session.write_stdin(b"\n")
    assert b"37 91" in await read_until(session, b"37 91")
    assert await session.wait() == 9
    assert await session.read_stderr() == b""
    await session.aclose()


async def test_a_terminal_that_hangs_up(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    session = await bench.runtime.exec(container, ["cat"], tty=True, stdin=True)
    await session.aclose()
    assert await session.wait() == 129


async def test_the_containers_end_ends_its_commands(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    session = await bench.runtime.exec(container, ["sleep", "1000"])
    await bench.runtime.stop_container(container, 0)
    assert await session.wait() == 137
    assert await session.read_stdout() == b""
    await session.aclose()


async def test_attach_to_the_main_process(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "read a; echo out $a; echo err >&2; read b", stdin=True)
    session = await bench.runtime.attach(container, stdin=True)
    await session.write_stdin(b"word\n")
    assert await read_until(session, b"word\n") == b"out word\n"
    assert await session.read_stderr() == b"err\n"
    await session.write_stdin(b"more\n")
    assert await session.wait() == 0
    await session.aclose()
    assert await bench.output(container) in ("out word\nerr\n", "err\nout word\n")


async def test_attach_leaves_the_container_running(bench: Bench) -> None:
    container = await bench.run("cat", stdin=True)
    first = await bench.runtime.attach(container, stdin=True)
    await first.write_stdin(b"1\n")
    await read_until(first, b"1\n")
    await first.close_stdin()
    await first.aclose()
    second = await bench.runtime.attach(container, stdin=True)
    await second.write_stdin(b"2\n")
    assert await read_until(second, b"\n") == b"2\n"
    await second.aclose()


async def test_stdin_once_ends_with_the_first_attachment(bench: Bench) -> None:
    container = await bench.run("cat", stdin=True, stdin_once=True)
    session = await bench.runtime.attach(container, stdin=True)
    await session.write_stdin(b"1\n")
    await session.close_stdin()
    assert await session.wait() == 0
    await session.aclose()


async def test_attach_to_a_terminal(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "read a; stty size; echo got $a", tty=True, stdin=True)
    session = await bench.runtime.attach(container, stdin=True)
    await session.resize(80, 25)
    await session.write_stdin(b"word\n")
    assert b"25 80" in await read_until(session, b"got word")
    assert await session.wait() == 0
    await session.aclose()
