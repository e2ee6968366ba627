"""The launcher's promises, with stand-ins for the components: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.support import alive, environment, needs_linux, until
from tests.ports import free_port

SCRIPT = Path(__file__).parent / "fake_cluster.py"
pytestmark = needs_linux


class Cluster:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()

    def command(self, verb: str, *flags: str) -> list[str]:
        return [sys.executable, str(SCRIPT), verb, str(self.root), str(self.port), *flags]

    def run(self, verb: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *flags), capture_output=True, text=True, timeout=120, env=environment(), check=False
        )

    def components(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.root / "run.json").read_text())["components"]
        except FileNotFoundError:
            return {}
        return found

    def launcher(self) -> int:
        return int(json.loads((self.root / "run.json").read_text())["pid"])

    def journal(self) -> list[str]:
        return (self.root / "journal").read_text().splitlines()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "data")
    yield cluster
    cluster.run("down")


def test_detached_start_returns_when_ready_and_down_ends_everything_in_order(cluster: Cluster) -> None:
    started = cluster.run("up", "--detach")
    assert started.returncode == 0, started.stderr
    assert "node node-1 is ready" in started.stdout
    assert f"kubeconfig: {cluster.root}/kubeconfig" in started.stdout
    pids = [*cluster.components().values(), cluster.launcher()]
    assert len(pids) == 4
    assert all(alive(pid) for pid in pids)
    until(lambda: len(cluster.journal()) == 3)

    assert cluster.run("down").stdout == "True\n"
    assert not any(alive(pid) for pid in pids)
    journal = cluster.journal()
    assert journal[0] == "started apiserver"
    assert set(journal[3:5]) == {"ended kubelet", "ended scheduler"}
    assert journal[5:] == ["cleaned kubelet", "ended apiserver"]
    assert not (cluster.root / "run.json").exists()
    assert not (cluster.root / "nanokube.pid").exists()
    assert cluster.run("down").stdout == "False\n"


def test_interrupt_in_the_foreground_leaves_nothing_behind(cluster: Cluster) -> None:
    process = subprocess.Popen(cluster.command("up"), stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    lines = []
    while "end it" not in (line := process.stdout.readline()):
        lines.append(line)
        assert line, lines
    pids = list(cluster.components().values())
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()
    assert not any(alive(pid) for pid in pids)
    assert cluster.journal()[-1] == "ended apiserver"


def test_a_killed_component_is_started_again(cluster: Cluster) -> None:
    cluster.run("up", "--detach")
    first = cluster.components()["scheduler"]
    until(lambda: "started scheduler" in cluster.journal())
    os.kill(first, signal.SIGKILL)
    until(lambda: cluster.components().get("scheduler", first) != first)
    until(lambda: cluster.journal().count("started scheduler") == 2)
    assert "scheduler (process" in (cluster.root / "logs" / "launcher.log").read_text()


def test_components_follow_a_killed_launcher_and_the_next_start_and_down_manage(cluster: Cluster) -> None:
    cluster.run("up", "--detach")
    pids = list(cluster.components().values())
    os.kill(cluster.launcher(), signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids))
    assert "cleaned kubelet" not in cluster.journal(), "pods stay when a launcher is killed"

    assert cluster.run("up", "--detach").returncode == 0
    launcher = cluster.launcher()
    os.kill(launcher, signal.SIGKILL)
    until(lambda: not alive(launcher))
    assert cluster.run("down").stdout == "True\n"
    assert cluster.journal()[-1] == "cleaned kubelet"


def test_what_a_launcher_leaves_that_is_killed_while_it_ends_is_cleaned_up(cluster: Cluster) -> None:
    cluster.run("up", "--detach")
    launcher = cluster.launcher()
    os.kill(launcher, signal.SIGSTOP)
    down = subprocess.Popen(cluster.command("down"), stdout=subprocess.PIPE, text=True, env=environment())
    until(lambda: is_pending(launcher, signal.SIGTERM))
    os.kill(launcher, signal.SIGKILL)
    assert down.communicate(timeout=120)[0] == "True\n"
    assert cluster.journal()[-1] == "cleaned kubelet"


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a process has been sent a signal that it has not seen yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(pending, 16) >> (number - 1) & 1)


def test_a_second_start_on_the_same_folder_is_refused_in_one_line(cluster: Cluster) -> None:
    cluster.run("up", "--detach")
    before = cluster.components()
    second = cluster.run("up", "--detach")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "already running" in second.stderr
    assert cluster.components() == before


def test_a_taken_port_is_told_in_one_line(cluster: Cluster) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", cluster.port))
        other.listen()
        refused = cluster.run("up", "--detach")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"nanokube: port {cluster.port} on 127.0.0.1 is taken or not allowed: choose another with --port"
    ]
    assert not (cluster.root / "nanokube.pid").exists()


def test_an_unusable_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    cluster = Cluster(tmp_path / "file" / "data")
    refused = cluster.run("up", "--detach")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "is a file" in refused.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_an_api_server_that_refuses_its_data_ends_the_start_with_its_own_words(cluster: Cluster) -> None:
    cluster.root.mkdir()
    (cluster.root / "broken").touch()
    refused = cluster.run("up", "--detach")
    assert refused.returncode == 1
    assert refused.stderr == "nanokube: error: the database is not a cluster's\n"
    assert not (cluster.root / "run.json").exists()


def test_a_component_that_cannot_start_ends_the_start(cluster: Cluster) -> None:
    cluster.root.mkdir()
    (cluster.root / "bad-worker").touch()
    process = subprocess.Popen(
        cluster.command("up"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    )
    until(lambda: "cannot go on" in log_of(cluster, "scheduler"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert cluster.journal()[-1] == "ended apiserver"


def log_of(cluster: Cluster, name: str) -> str:
    path = cluster.root / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""
