"""Containers outlive the kubelet, and are found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from kubelet.runtime.process import process_tree
from kubelet.runtime.protocol import ContainerState
from tests.kubelet_runtime.conftest import Bench, until

Start = Callable[[], Awaitable[Bench]]


async def test_a_running_container_is_found_again(started: Start) -> None:
    first = await started()
    container = await first.run("sh", "-c", "read x; exit 6", stdin=True, labels={"a": "b"})
    before = await first.status(container)
    sandboxes = await first.runtime.list_sandboxes()
    await first.runtime.close()

    second = await started()
    assert await second.runtime.list_sandboxes() == sandboxes
    assert await second.runtime.list_containers() == [before]
    assert before.state is ContainerState.RUNNING
    session = await second.runtime.attach(container, stdin=True)
    await session.write_stdin(b"\n")
    assert (await second.ended(container)).exit_code == 6
    await session.aclose()


async def test_an_end_in_between_is_known_with_code_and_time(started: Start, home: Path) -> None:
    first = await started()
    container = await first.run("sh", "-c", "read x; echo late; exit 6", stdin=True)
    session = await first.runtime.attach(container, stdin=True)
    pid = (await first.status(container)).pid
    await first.runtime.close()
    await session.write_stdin(b"\n")
    await session.aclose()
    await until(lambda: not process_tree.stat_fields(pid), "its end")
    await until(lambda: b"exited" in (home / "state/containers" / container / "state.json").read_bytes(), "its state")

    second = await started()
    status = await second.status(container)
    assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 6, "Error")
    assert status.finished_at is not None
    assert await second.output(container) == "late\n"


async def test_addresses_stay_taken(started: Start) -> None:
    first = await started()
    sandbox = await first.sandbox()
    await first.runtime.close()
    second = await started()
    ips = {sandbox.ips[0] for sandbox in await second.runtime.list_sandboxes()}
    await second.sandbox()
    assert len({s.ips[0] for s in await second.runtime.list_sandboxes()} - ips) == 1
    assert sandbox


PROGRAM = """
import asyncio, sys
from pathlib import Path
from kubelet.network.loopback import LoopbackNetwork
from kubelet.runtime.process.runtime import ProcessRuntime
from tests.kubelet_runtime.conftest import Bench
async def main():
    home = Path(sys.argv[1])
    bench = Bench(home, ProcessRuntime(home / "state", "127.1.20.0/24", network=LoopbackNetwork()))
    await bench.runtime.start()
    container = await bench.run("sh", "-c", "while :; do echo tick; sleep 0.01; done")
    print(container, (await bench.status(container)).pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_killed_kubelet_kills_nothing(started: Start, home: Path) -> None:
    kubelet = subprocess.Popen([sys.executable, "-c", PROGRAM, str(home)], stdout=subprocess.PIPE)
    assert kubelet.stdout is not None
    container, pid = kubelet.stdout.readline().decode().split()
    kubelet.kill()
    kubelet.communicate()  # returns at once only if nothing that goes on holds the kubelet's output open
    second = await started()
    status = await second.status(container)
    assert (status.state, status.pid) == (ContainerState.RUNNING, int(pid))
    size = Path(status.log_path).stat().st_size
    await until(lambda: Path(status.log_path).stat().st_size > size, "the log to grow")


async def test_a_killed_shim_is_noticed(started: Start) -> None:
    bench = await started()
    container = await bench.run("sleep", "1000")
    pid = (await bench.status(container)).pid
    shim = int(process_tree.stat_fields(pid)[1])
    os.kill(shim, signal.SIGKILL)
    status = await bench.ended(container)
    assert (status.exit_code, status.reason) == (137, "ContainerStatusUnknown")
    await until(lambda: (process_tree.stat_fields(pid) or "Z")[0] == "Z", "the end")


async def test_a_killed_zygote_is_replaced(started: Start) -> None:
    bench = await started()
    first = await bench.run("sleep", "1000")
    zygote = bench.runtime._zygote.pid
    os.kill(zygote, signal.SIGKILL)
    second = await bench.run("sleep", "1000")
    assert [(await bench.status(c)).state for c in (first, second)] == [ContainerState.RUNNING] * 2


async def test_what_was_not_finished_being_created_is_forgotten(started: Start, home: Path) -> None:
    bench = await started()
    await bench.runtime.close()
    half = home / "state" / "containers" / "half"
    half.mkdir()
    (half / "spec.json").write_bytes(orjson.dumps({}))
    again = await started()
    assert await again.runtime.list_containers() == []
    assert not half.exists()


async def test_a_container_is_never_started_twice(started: Start, home: Path) -> None:
    bench = await started()
    container = await bench.run("sleep", "1000")
    answer = await bench.runtime._zygote.ask("start", home / "state" / "containers" / container)
    assert "Address already in use" in answer["error"]
    assert (await bench.status(container)).state is ContainerState.RUNNING


async def test_a_start_the_last_kubelet_did_not_see_through(started: Start, home: Path) -> None:
    first = await started()
    created = await first.create("sleep", "1000")
    late = await first.create("sleep", "1000")
    await first.runtime._zygote.ask("start", home / "state" / "containers" / created)
    await first.runtime.close()
    second = await started()
    assert (await second.status(created)).state is ContainerState.RUNNING
    assert (await second.status(late)).state is ContainerState.CREATED
    await second.runtime._zygote.ask("start", home / "state" / "containers" / late)
    await second.runtime.start_container(late)
    assert (await second.status(late)).state is ContainerState.RUNNING
