"""A real cluster for tests, started as a user starts it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "web.yaml"
T = TypeVar("T")

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the launcher needs Linux")
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed here")


def until(condition: Callable[[], T], what: str = "the condition", seconds: float = 120.0) -> T:
    """What the condition returned when it first held; fails when it does not in time.

    To look costs a kubectl as a rule: what takes longer is looked at less often.
    """
    began = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < seconds, f"{what} did not come true within {seconds:g} s"
        select.select([], [], [], min(0.05 + waited / 10, 0.5))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment() -> dict[str, str]:
    """Our packages come first; what else the tests were given to find stays, such as what shakes every process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def fetch(url: str, timeout: float = 5.0) -> str:
    """One request on a connection of its own.  Raises OSError."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return str(answer.read().decode())
    except http.client.HTTPException as error:  # an answer that was cut off
        raise OSError(repr(error)) from error


def processes_with(text: str) -> list[int]:
    """Processes that have the text in their environment or command line (ours, not this test's)."""
    wanted = text.encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes() or wanted in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


class RunningCluster:
    """A cluster in a folder, driven by its command and by kubectl."""

    def __init__(self, root: Path, port: int, prefix: Sequence[str] = ()) -> None:
        self.root = root
        self._prefix = prefix  # of every command: to run it as another user
        self.port = port
        self.kubeconfig = root / "kubeconfig"
        self.patient = False
        """Whether commands that fail are tried again: for when the API server is being killed."""

    def nanokube(self, *arguments: str, timeout: float = 240, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [*self._prefix, sys.executable, "-m", "client.cli", arguments[0], "--data-dir", str(self.root)]
        done = subprocess.run(
            [*command, *arguments[1:]],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=environment(),
            cwd=ROOT,
        )
        assert not check or done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}{self.tails()}"
        return done

    def up(self, *flags: str) -> str:
        return self.nanokube("up", "--detach", "--port", str(self.port), *flags).stdout

    def down(self) -> None:
        self.nanokube("down")

    def try_kubectl(
        self, *arguments: str, timeout: float = 240, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One attempt, however it ends."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, input=input, cwd=ROOT
        )

    def kubectl(self, *arguments: str, timeout: float = 240, input: str | None = None) -> str:
        def attempt() -> subprocess.CompletedProcess[str]:
            return self.try_kubectl(*arguments, timeout=timeout, input=input)

        done = attempt()
        if done.returncode and self.patient:
            done = until(lambda: ((again := attempt()).returncode == 0 and again) or None, " ".join(arguments), timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}{self.tails()}"
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return document

    def components(self) -> dict[str, int]:
        """Process ids by component."""
        try:
            found: dict[str, int] = json.loads((self.root / "run.json").read_text())["components"]
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def kill(self, name: str) -> None:
        """Kill a component that runs: what is noted of one that is just being started may still be its predecessor."""

        def killed() -> bool:
            try:
                os.kill(self.components()[name], signal.SIGKILL)
            except (KeyError, ProcessLookupError):
                return False
            return True

        until(killed, f"{name} is killed")

    def launcher(self) -> int:
        return int(json.loads((self.root / "run.json").read_text())["pid"])

    def owned(self) -> bool:
        """Whether a launcher holds the folder."""
        from client.cluster.data_dir import DataDir

        return DataDir(self.root).owner() is not None

    def settings(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.root / "cluster.json").read_text())
        return document

    def tails(self) -> str:
        """The ends of all logs: what one needs to see when something failed."""
        parts = []
        for log in sorted((self.root / "logs").glob("*.log")) if (self.root / "logs").exists() else []:
            lines = log.read_text(errors="replace").splitlines()[-12:]
            parts += [f"\n== {log.name}", *lines]
        return "\n".join(parts)

    def left_behind(self) -> list[str]:
        """Whatever of this cluster can still be found on the machine after its end."""
        found = [f"process {pid}" for pid in processes_with(str(self.root))]
        settings = self.settings()
        prefixes = [settings[name].rsplit(".", 2)[0] + "." for name in ("pod_range", "service_range")]
        for command in (["iptables-save"], ["ip", "-4", "route"], ["ip", "-4", "address"]):
            if shutil.which(command[0]) and os.geteuid() == 0:
                lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
                found += [line for line in lines if any(re.search(rf"\b{re.escape(p)}", line) for p in prefixes)]
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if str(self.root) in line]
        return found


@contextlib.contextmanager
def running_cluster(folder: Path, *flags: str, prefix: Sequence[str] = ()) -> Iterator[RunningCluster]:
    """A cluster that is up until the block ends; then nothing of it may be left."""
    cluster = RunningCluster(folder / "cluster", free_port(), prefix)
    try:
        cluster.up(*flags)
        yield cluster
    finally:
        cluster.nanokube("down", check=False)
    assert cluster.left_behind() == []
