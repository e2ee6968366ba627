"""A real API server in a process of its own, on a free port, with its data in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.client.readiness import says_ready
from tests.ports import free_port

TOKENS = 'admintoken,admin,admin-uid,system:masters\nalicetoken,alice,alice-uid\nbobtoken,bob,bob-uid,"devs,testers"\n'


class ApiServer:
    """`python -m apiserver` over a folder; started and killed at will."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.flags = flags
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "apiserver.log"
        (folder / "tokens.csv").write_text(TOKENS)

    def start(self) -> None:
        """Return when it serves; fail with its log when it ends before."""
        reader, writer = os.pipe()
        command = [
            sys.executable, "-m", "apiserver", "--secure-port", str(self.port), "--data-dir", str(self.folder / "data"),
            "--token-auth-file", str(self.folder / "tokens.csv"), "--service-cluster-ip-range", "10.96.0.0/16",
            "--authorization-mode", "Node,RBAC", "--ready-fd", str(writer),
            "--service-account-key-algorithm", "ECDSA-P256", *self.flags,  # RSA takes a start a tenth of a second
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, pass_fds=[writer], stdout=log, stderr=log)
        os.close(writer)
        ready = says_ready(reader)
        if not ready:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)  # one that ends by itself tells by its status why
            self.kill()
        assert ready, f"the server did not start:\n{self.log.read_text()}"

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)

    def client(self, token: str = "admintoken") -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, verify=self.trust(), timeout=60)

    def processor_seconds(self) -> float:
        """What its process has used so far: unlike a clock's, these do not pass while the whole machine halts."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_words(self) -> str:
        """The end of its log, for the message of an assertion."""
        return "its log ends:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "data/pki/ca.crt"))


Server = TypeVar("Server", bound=ApiServer)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One server for all tests that only need namespaces of their own."""
    running = ApiServer(tmp_path_factory.mktemp("apiserver"))
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ApiServer]:
    """A server of the test's own, to kill and start again."""
    running = ApiServer(tmp_path)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture
def ends_with_test() -> Iterator[Callable[[Server], Server]]:
    """Sees to it that a server which a test starts by itself does not outlive it, however that ends."""
    seen: list[ApiServer] = []

    def keep(server: Server) -> Server:
        seen.append(server)
        return server

    yield keep
    for server in seen:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.fixture
def admin(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def namespace(admin: httpx.Client) -> str:
    """A namespace nobody else uses, with its default service account."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    assert admin.post("/api/v1/namespaces", json={"metadata": {"name": name}}).status_code == 201
    account = {"metadata": {"name": "default"}}
    assert admin.post(f"/api/v1/namespaces/{name}/serviceaccounts", json=account).status_code == 201
    return name


class Watch:
    """An open watch; `until` reads events up to one that satisfies a condition."""

    def __init__(self, client: httpx.Client, path: str, **parameters: Any) -> None:
        self._context = client.stream("GET", path, params={"watch": "1", **parameters}, timeout=httpx.Timeout(60))
        self.response = self._context.__enter__()
        self._lines = self.response.iter_lines()

    def next(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(next(self._lines))
        return event

    def take(self, count: int) -> list[dict[str, Any]]:
        return [self.next() for _ in range(count)]

    def close(self) -> None:
        self._context.__exit__(None, None, None)
