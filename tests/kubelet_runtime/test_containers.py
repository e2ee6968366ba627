"""The life of a container: start, output, exit, signals, removal."""

from __future__ import annotations

import asyncio
import itertools
import re
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubelet.runtime.process import log_writer, process_tree
from kubelet.runtime.protocol import (
    ContainerEventType,
    ContainerState,
    ImageCannotRun,
    NoSuchObject,
    NotRunning,
    StartContainerFailed,
)
from tests.kubelet_runtime.conftest import Bench, until


async def test_a_command_runs_and_its_output_is_the_log(bench: Bench) -> None:
    before = datetime.now(UTC)
    container = await bench.run("sh", "-c", "echo hello; echo problem >&2; exit 3")
    assert sorted((await bench.output(container)).split()) == ["hello", "problem"]
    status = await bench.status(container)
    assert (status.state, status.exit_code, status.signal, status.reason) == (ContainerState.EXITED, 3, 0, "Error")
    assert status.started_at is not None
    assert status.finished_at is not None
    assert before <= status.started_at <= status.finished_at <= datetime.now(UTC)


async def test_the_log_is_in_cri_format(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "printf 'one\\ntwo'; printf 'three\\n' >&2; printf '%020000d\\n' 1")
    await bench.ended(container)
    lines = Path((await bench.status(container)).log_path).read_text().splitlines()
    stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z "
    assert all(re.match(stamp + "(stdout|stderr) [FP] ", line) for line in lines)
    parts = [line.split(" ", 3)[1:] for line in lines]
    assert ["stdout", "F", "one"] in parts
    assert ["stderr", "F", "three"] in parts
    assert [tag for stream, tag, _ in parts if stream == "stdout"] == ["F", "P", "F"]
    assert max(len(text) for _, _, text in parts) == 16384


async def test_completed_means_exit_code_0(bench: Bench) -> None:
    status = await bench.ended(await bench.run("true"))
    assert (status.exit_code, status.reason) == (0, "Completed")


async def test_events_tell_of_start_and_exit(bench: Bench) -> None:
    events = bench.runtime.events()
    container = await bench.run("sh", "-c", "exit 7")
    seen = [await anext(events), await anext(events)]
    assert [event.type for event in seen] == [ContainerEventType.STARTED, ContainerEventType.EXITED]
    assert [event.container_id for event in seen] == [container, container]
    assert seen[1].status is not None
    assert seen[1].status.exit_code == 7
    await bench.runtime.remove_container(container)
    assert (await anext(events)).type is ContainerEventType.REMOVED


async def test_a_missing_program_fails_the_start(bench: Bench) -> None:
    for command, message in (
        (["no-such-program"], 'exec: "no-such-program": executable file not found in $PATH'),
        (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    ):
        container = await bench.create(*command)
        with pytest.raises(StartContainerFailed, match=re.escape(message)):
            await bench.runtime.start_container(container)
        status = await bench.status(container)
        assert (status.state, status.exit_code, status.reason) == (ContainerState.EXITED, 128, "StartError")
        assert status.message == message


async def test_an_image_without_a_command_cannot_run(bench: Bench) -> None:
    with pytest.raises(ImageCannotRun, match="set the container's command"):
        await bench.runtime.pull_image("nginx", command=())
    with pytest.raises(ImageCannotRun):
        await bench.create(args=("x",))
    assert (await bench.runtime.pull_image("nginx", command=("sleep",))).name == "nginx"


async def test_environment_directory_and_name(bench: Bench) -> None:
    script = 'echo "$A|$PATH|$HOSTNAME|$HOME|$(pwd)|$(umask)|$(env | wc -l)"'
    container = await bench.run("sh", "-c", script, environment={"A": "b c"}, working_dir="/usr")
    a, path, host, home, directory, mask, count = (await bench.output(container)).strip().split("|")
    assert (a, host, directory, mask) == ("b c", "web-0", "/usr", "0022")
    assert path.endswith("/bin")
    assert home.startswith("/")
    assert int(count) == 5  # those four and PWD: nothing of the kubelet's


async def test_no_descriptor_leaks_into_a_container(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "ls /proc/self/fd")
    assert (await bench.output(container)).split() == ["0", "1", "2", "3"]  # 3 is ls' own


async def test_stop_sends_the_signal_and_waits(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.02; done")
    log = Path((await bench.status(container)).log_path)
    await until(lambda: log.exists() and "up" in log.read_text(), "the trap")
    await bench.runtime.stop_container(container, 60)
    assert (await bench.status(container)).exit_code == 5
    assert await bench.output(container) == "up\nbye\n"


async def test_a_signal_ends_what_has_no_handler_for_it(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    await bench.runtime.stop_container(container, 60)
    status = await bench.status(container)
    assert (status.exit_code, status.signal, status.reason) == (143, 15, "Error")


async def test_stop_kills_after_the_grace_period_with_all_descendants(bench: Bench) -> None:
    script = "trap '' TERM; setsid sleep 1000 & (sleep 1000 &) ; echo up; while :; do sleep 1000; done"
    container = await bench.run("sh", "-c", script)
    log = Path((await bench.status(container)).log_path)
    await until(lambda: log.exists() and "up" in log.read_text(), "the children")
    pid = (await bench.status(container)).pid
    shim = process_tree.stat_fields(pid)[1]
    family = process_tree.descendants(int(shim))
    assert len(family) >= 3
    await bench.runtime.stop_container(container, 0.2)
    status = await bench.status(container)
    assert (status.exit_code, status.signal) == (137, 9)
    await until(lambda: not any(map(process_tree.stat_fields, family)), "the end of the tree")


async def test_the_end_of_the_main_process_is_the_end_of_its_children(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "setsid sleep 1000 & echo started; exit 0")
    status = await bench.ended(container)
    assert (status.exit_code, status.reason) == (0, "Completed")


async def test_a_container_can_signal_itself(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    await bench.runtime.signal_container(container, signal.SIGUSR1)
    assert (await bench.ended(container)).exit_code == 128 + signal.SIGUSR1
    with pytest.raises(NotRunning):
        await bench.runtime.signal_container(container, signal.SIGTERM)


async def test_process_1_hands_signals_to_the_main_process(bench: Bench) -> None:
    if not bench.runtime.features.process_namespace:
        pytest.skip("needs process namespaces")
    container = await bench.run("sleep", "1000")
    await bench.runtime.exec_sync(container, ["sh", "-c", "kill 1"], 60)
    assert (await bench.ended(container)).exit_code == 143


async def test_containers_see_their_own_processes_only(bench: Bench) -> None:
    if not bench.runtime.features.process_namespace:
        pytest.skip("needs process namespaces")
    container = await bench.run("sh", "-c", "ls /proc | grep -c '^[0-9]'; echo $$")
    count, pid = (await bench.output(container)).split()
    assert int(count) <= 5
    assert int(pid) < 10


async def test_removal_kills_and_forgets(bench: Bench) -> None:
    container = await bench.run("sleep", "1000")
    pid = (await bench.status(container)).pid
    await bench.runtime.remove_container(container)
    await bench.runtime.remove_container(container)
    with pytest.raises(NoSuchObject):
        await bench.status(container)
    assert process_tree.start_time(pid) == 0


async def test_the_end_of_a_sandbox_is_the_end_of_its_containers(bench: Bench) -> None:
    sandbox = await bench.sandbox()
    one = await bench.run("sleep", "1000", sandbox=sandbox)
    two = await bench.run("sleep", "1000", sandbox=sandbox)
    await bench.runtime.stop_sandbox(sandbox)
    assert [(await bench.status(c)).exit_code for c in (one, two)] == [137, 137]
    assert [s.state for s in await bench.runtime.list_sandboxes()] == ["not-ready"]
    await bench.runtime.remove_sandbox(sandbox)
    assert await bench.runtime.list_containers() == []


async def test_many_containers_at_once(bench: Bench) -> None:
    sandbox = await bench.sandbox()
    containers = await asyncio.gather(*(bench.run("sh", "-c", f"echo {i}", sandbox=sandbox) for i in range(20)))
    outputs = await asyncio.gather(*(bench.output(c) for c in containers))
    assert outputs == [f"{i}\n" for i in range(20)]


async def test_logs_rotate(bench: Bench) -> None:
    # Far more than a pipe holds: a shim that is late takes it in several chunks all the same, each a file of its own.
    script = "p=$(printf %090d 0); i=0; while [ $i -lt 5000 ]; do echo $p-$i; i=$((i+1)); done"
    container = await bench.run("sh", "-c", script, log_max_bytes=20000, log_max_files=3)
    status = await bench.ended(container)
    current = Path(status.log_path)
    files = sorted(path for path in bench.logs.iterdir() if path.name != current.name)
    assert len(files) == 2
    assert all(20000 <= file.stat().st_size < 200000 for file in files)
    lines = "".join(file.read_text() for file in [*files, current]).splitlines()
    numbers = [int(line.rsplit("-", 1)[1]) for line in lines]
    assert numbers == list(range(numbers[0], 5000))


def test_names_of_rotated_logs_are_in_order_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a second ends between two looks at the clock."""
    nanoseconds = itertools.chain.from_iterable((n * 10**9 - 1, n * 10**9 + 1) for n in itertools.count(1))

    class Time:
        time_ns = staticmethod(lambda: next(nanoseconds))
        gmtime = staticmethod(lambda seconds=0: time.gmtime(seconds))
        strftime = staticmethod(time.strftime)

    monkeypatch.setattr(log_writer, "time", Time)
    log = log_writer.LogWriter(str(tmp_path / "0.log"), 1, 4)
    for number in range(3):
        log.write("stdout", b"%d\n" % number)
    log.close()
    rotated = sorted(path for path in tmp_path.iterdir() if path.name != "0.log")
    assert [path.read_text()[-2] for path in rotated] == ["0", "1", "2"]


async def test_stats_count_time_and_memory(bench: Bench) -> None:
    container = await bench.run("sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo up; sleep 1000")
    log = Path((await bench.status(container)).log_path)
    await until(lambda: log.exists() and "up" in log.read_text(), "the work")
    (stats,) = await bench.runtime.container_stats()
    assert stats.container_id == container
    assert stats.cpu_nanoseconds > 0
    assert stats.memory_bytes > 100_000
