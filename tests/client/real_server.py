"""The real API server as a process of its own, on a free port and a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client.config import ClientConfig, load_kubeconfig
from tests.client.readiness import says_ready
from tests.ports import free_port


class RealServer:
    """`python -m apiserver`; what it stores outlives `kill`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._port = free_port()
        self._folder = folder
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> ClientConfig:
        """The administrator's."""
        return load_kubeconfig(self.kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        """The file for components that run as processes."""
        return self._folder / "data" / "kubeconfig"

    def start(self) -> None:
        """Return when it serves."""
        reader, writer = os.pipe()
        log = self._folder / "apiserver.log"
        flags = ["--data-dir", str(self._folder / "data"), "--secure-port", str(self._port), "--ready-fd", str(writer)]
        flags += ["--service-account-key-algorithm", "ECDSA-P256", *self._flags]  # RSA takes a tenth of a second
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "apiserver", *flags], pass_fds=[writer], stdout=output, stderr=output
            )
        os.close(writer)
        if not says_ready(reader):
            self.end(signal.SIGKILL)
            raise RuntimeError(f"the API server did not start: {log.read_text()}")

    def end(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(120)
            self._process = None


@contextmanager
def real_server(folder: Path, *flags: str) -> Iterator[RealServer]:
    """A running one."""
    server = RealServer(folder, *flags)
    server.start()
    try:
        yield server
    finally:
        server.end()
