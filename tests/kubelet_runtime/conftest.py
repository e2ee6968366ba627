"""A started process runtime on a directory of its own; every test checks that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from kubelet.network.loopback import LoopbackNetwork
from kubelet.runtime.process.runtime import ProcessRuntime
from kubelet.runtime.protocol import ContainerConfig, ContainerState, ContainerStatus, SandboxConfig


def processes_of(directory: Path) -> list[str]:
    """Command lines of processes that have to do with a directory: by their working directory or an open file."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            links = [f"/proc/{entry}/cwd", *(f"/proc/{entry}/fd/{fd}" for fd in os.listdir(f"/proc/{entry}/fd"))]
            targets = [os.readlink(link) for link in links]
            command = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(target.startswith(str(directory)) for target in targets):
            found.append(f"{entry} {command}")
    return found


async def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition that no event announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short-lived directory that other users may enter."""
    directory = Path(tempfile.mkdtemp(prefix="nk-runtime-"))
    directory.chmod(0o755)
    yield directory
    deadline = time.monotonic() + 60
    while (left := processes_of(directory)) and time.monotonic() < deadline:
        select.select([], [], [], 0.01)  # who is ending lets go of one file after the other
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(directory) in line]
    shutil.rmtree(directory, ignore_errors=True)
    assert not left
    assert not mounts


class Bench:
    """A runtime with the pods a test makes."""

    def __init__(self, home: Path, runtime: ProcessRuntime) -> None:
        self.home = home
        self.runtime = runtime
        self.logs = home / "logs"
        self.logs.mkdir(exist_ok=True)
        self.logs.chmod(0o777)
        self.count = 0

    async def sandbox(self, **options: object) -> str:
        self.count += 1
        config = {"pod_uid": f"uid-{self.count}", "pod_name": "web", "pod_namespace": "default", "hostname": "web-0"}
        sandbox = await self.runtime.run_sandbox(SandboxConfig(**{**config, **options}))  # type: ignore[arg-type]
        return sandbox.id

    async def create(self, *command: str, sandbox: str = "", **options: object) -> str:
        sandbox = sandbox or await self.sandbox()
        self.count += 1
        values: dict[str, object] = {"log_path": str(self.logs / f"{self.count}.log"), **options}
        config = ContainerConfig(name="main", image="any", command=command, **values)  # type: ignore[arg-type]
        return await self.runtime.create_container(sandbox, config)

    async def run(self, *command: str, sandbox: str = "", **options: object) -> str:
        container = await self.create(*command, sandbox=sandbox, **options)
        await self.runtime.start_container(container)
        return container

    async def status(self, container: str) -> ContainerStatus:
        return await self.runtime.container_status(container)

    async def ended(self, container: str) -> ContainerStatus:
        """Its status once it has exited."""
        events = self.runtime.events()
        status = await self.status(container)
        async with asyncio.timeout(60):
            while status.state is ContainerState.RUNNING:
                await anext(events)
                status = await self.status(container)
        await events.aclose()
        return status

    async def output(self, container: str) -> str:
        """What it logged, without times and streams, after its end."""
        status = await self.ended(container)
        lines = Path(status.log_path).read_text().splitlines()
        return "".join(line.split(" ", 3)[3] + ("\n" if line.split(" ")[2] == "F" else "") for line in lines)

    async def finish(self) -> None:
        await self.runtime.cleanup()
        await self.runtime.close()


@pytest.fixture
async def started(home: Path) -> AsyncIterator[Callable[[], Awaitable[Bench]]]:
    """Starts runtimes, one after the other, on one state directory."""
    benches: list[Bench] = []

    async def start(**options: object) -> Bench:
        values: dict[str, object] = {"network": LoopbackNetwork(), **options}
        runtime = ProcessRuntime(home / "state", "127.1.20.0/24", **values)  # type: ignore[arg-type]
        benches.append(Bench(home, runtime))
        await runtime.start()
        return benches[-1]

    yield start
    for bench in benches[:-1]:
        await bench.runtime.close()
    await benches[-1].finish()


@pytest.fixture
async def bench(started: Callable[[], Awaitable[Bench]], home: Path) -> AsyncIterator[Bench]:
    bench = await started()
    yield bench
    await bench.runtime.cleanup()
    assert not list((home / "state" / "containers").iterdir())
    assert not list((home / "state" / "sandboxes").iterdir())
