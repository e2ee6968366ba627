"""A component as a process of its own, against a real API server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.client.readiness import says_ready


class ComponentProcess:
    """`python -m <module>` with a kubeconfig; a context manager that ends it.  `log` is what it said."""

    def __init__(self, module: str, kubeconfig: Path, log: Path, *flags: str) -> None:
        self._command = [sys.executable, "-m", module, "--kubeconfig", str(kubeconfig), *flags]
        self._module, self.log = module, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Return when it says that it works; at once with `wait` off, as it may have to stand by."""
        reader, writer = os.pipe()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, "--ready-fd", str(writer)], pass_fds=[writer], stdout=output, stderr=output
            )
        os.close(writer)
        if not wait:
            os.close(reader)
            return
        if not says_ready(reader):
            self.end(signal.SIGKILL)
            raise RuntimeError(f"{self._module} did not start: {self.log.read_text()}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(120)
        self._process = None
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
