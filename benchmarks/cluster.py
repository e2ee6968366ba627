"""Clusters to measure, started as a user starts them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from client.config import load_kubeconfig
from client.rest import RestClient

T = TypeVar("T")


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def nanokube(self, verb: str, *flags: str) -> None:
        command = [sys.executable, "-m", "client.cli", verb, "--data-dir", str(self.folder), *flags]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)

    def run(self, work: Callable[[RestClient], Awaitable[T]]) -> T:
        """Do something with a client of the cluster."""

        async def connected() -> T:
            async with RestClient(load_kubeconfig(self.folder / "kubeconfig"), user_agent="benchmark") as client:
                return await work(client)

        return asyncio.run(connected())

    def processes(self) -> dict[str, int]:
        """Every process of the cluster by name, the launcher's too."""
        state = json.loads((self.folder / "run.json").read_text())
        return {"launcher": state["pid"], **state["components"]}


@contextmanager
def cluster(*flags: str) -> Iterator[Cluster]:
    """A cluster that runs for the block."""
    with started_by_hand() as made:
        made.nanokube("up", "--detach", "--port", str(made.port), *flags)
        yield made


@contextmanager
def started_by_hand() -> Iterator[Cluster]:
    """A folder for a cluster that the block starts; ended after it."""
    with tempfile.TemporaryDirectory(prefix="nanokube-bench-") as folder:
        made = Cluster(Path(folder))
        try:
            yield made
        finally:
            made.nanokube("down")


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def proportional_megabytes(pid: int) -> float:
    """The proportional set size of a process: shared pages count in parts."""
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def processor_seconds(pid: int) -> float:
    """User and system time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
