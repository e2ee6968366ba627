"""`python -m kubelet` against a real API server: what a node does from its start to its clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.core_v1 import Node, Pod, ServiceAccount
from api.errors import NotFound, StatusError
from client.config import load_kubeconfig
from client.rest import RestClient, Unreachable
from tests.cluster.support import environment
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
SECONDS = 1_000_000 + os.getpid()
"""How long containers sleep: longer than a test, and no other process of the machine just as long."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process runtime needs Linux")


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """The first true answer; refusals and missing answers count as not yet."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = await condition()
            except (StatusError, Unreachable, OSError):
                found = None
            if found:
                return found
            await asyncio.sleep(0.02)


class Machine:
    """An API server, a client of it, and kubelets to start and stop."""

    def __init__(self, folder: Path, client: RestClient) -> None:
        self.folder, self.client = folder, client
        self.arguments = ["--hostname-override", "node-1", "--root-dir", str(folder / "node-1")]
        self.arguments += ["--pod-cidr", "198.19.77.0/24", "--cluster-cidr", "198.19.0.0/16"]
        self.kubelet: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kubeconfig = self.folder / "data/kubeconfigs/node-1.kubeconfig"
        self.kubelet = run_module(
            self.folder / "kubelet.log",
            "kubelet",
            *("--kubeconfig", str(kubeconfig), "--port", "0", *self.arguments),
        )

    def clean_up(self) -> int:
        return run_module(self.folder / "cleanup.log", "kubelet", "--cleanup", *self.arguments).wait(60)

    async def pod(self, name: str) -> Pod | None:
        try:
            return await self.client.get(Pod, name, "default")
        except NotFound:
            return None

    async def ready(self, name: str) -> Pod | None:
        found = await self.pod(name)
        good = found is not None and any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)
        return found if good else None

    async def gone(self, name: str) -> bool:
        return await self.pod(name) is None


def run_module(log: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=output,
        )


@asynccontextmanager
async def machine(folder: Path) -> AsyncIterator[Machine]:
    port = free_port()
    data = folder / "data"
    server = run_module(
        folder / "apiserver.log",
        "apiserver",
        *("--data-dir", str(data), "--secure-port", str(port), "--issue-kubeconfig-for", "node-1"),
    )
    subject = None
    try:

        async def serving() -> bool:
            return (data / "kubeconfig").exists()

        await until(serving)
        async with RestClient(load_kubeconfig(data / "kubeconfig")) as client:
            await until(lambda: client.list(Node))
            account = ServiceAccount.from_dict({"metadata": {"name": "default", "namespace": "default"}})
            await until(lambda: client.create(account))
            subject = Machine(folder, client)
            yield subject
    finally:
        if subject is not None:
            if subject.kubelet is not None:
                subject.kubelet.terminate()
                subject.kubelet.wait(60)
            subject.clean_up()
        server.terminate()
        server.wait(60)


def sleeper(name: str) -> Pod:
    return Pod.from_dict(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": "node-1",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {"name": "main", "image": "any", "command": ["/bin/sh", "-c", f"exec sleep {SECONDS}"]},
                ],
            },
        }
    )


async def running_sleepers(count: int) -> set[int]:
    """Their processes, once there are so many: a container runs before its shell has become what it runs."""

    async def enough() -> set[int]:
        return found if len(found := sleepers()) == count else set()

    found: set[int] = await until(enough)
    return found


def sleepers() -> set[int]:
    """Processes of this test's containers."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line == f"sleep\0{SECONDS}\0".encode():
                found.add(int(entry.name))
    return found


async def test_pods_outlive_a_killed_kubelet_and_end_with_the_clean_up(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    async with machine(tmp_path) as subject:
        subject.start()
        await subject.client.create(sleeper("one"))
        first = await until(lambda: subject.ready("one"))
        pids = await running_sleepers(1)
        assert subject.kubelet is not None
        subject.kubelet.send_signal(signal.SIGKILL)
        subject.kubelet.wait()
        assert sleepers() == pids
        await subject.client.create(sleeper("two"))
        subject.start()
        await until(lambda: subject.ready("two"))
        again = await until(lambda: subject.ready("one"))
        assert again.status.containerStatuses == first.status.containerStatuses
        assert pids < await running_sleepers(2)
        await subject.client.delete(Pod, "one", "default")
        await until(lambda: subject.gone("one"))
        assert not pids & sleepers()
        subject.kubelet.terminate()
        assert subject.kubelet.wait(60) == 0
        subject.kubelet = None
        assert len(sleepers()) == 1
        assert subject.clean_up() == 0
        assert sleepers() == set()
        assert not (tmp_path / "node-1/pods").exists()


async def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for arguments, message in (
        (["--nodes", "a,b"], b"--nodes needs --container-runtime sim"),
        (["--pod-cidr", "nonsense"], b"--pod-cidr"),
        (["--register-with-taints", "x"], b"is not key=value:effect"),
        (["--kubeconfig", "/no/such/file", "--container-runtime", "sim"], b"/no/such/file"),
    ):
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        process = run_module(log, "kubelet", "--root-dir", str(tmp_path / "k"), *arguments)
        assert process.wait(60) == 1
        assert message in log.read_bytes()
