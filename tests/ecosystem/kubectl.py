"""Real kubectl against a real server: what it is called with, what it answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import ApiServer

DEADLINE = 180.0  # seconds; every command ends long before


class Kubectl:
    """Commands of one user in one namespace.  Skips the test where there is no kubectl."""

    def __init__(self, server: ApiServer, home: Path, namespace: str, *, token: str = "admintoken") -> None:
        program = shutil.which("kubectl")
        if program is None:
            pytest.skip("needs kubectl")
        self.namespace = namespace
        self._command = [
            program, "--server", server.url, "--certificate-authority", str(server.folder / "data/pki/ca.crt"),
            "--token", token, "--namespace", namespace,
        ]  # fmt: skip
        self._environment = {**os.environ, "HOME": str(home), "KUBECONFIG": os.devnull}

    def run(
        self, *arguments: str, stdin: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command's whole result, however it ended."""
        return subprocess.run(
            [*self._command, *arguments], env={**self._environment, **(environment or {})}, input=stdin,
            capture_output=True, text=True, timeout=DEADLINE, check=False,
        )  # fmt: skip

    def __call__(self, *arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> str:
        """What a command prints; it must succeed."""
        done = self.run(*arguments, stdin=stdin, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refusal(self, *arguments: str, stdin: str = "", status: int = 1) -> str:
        """What a command says that must fail."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr

    def get(self, *arguments: str) -> Any:
        return json.loads(self("get", "-o", "json", *arguments))

    def apply(self, *objects: dict[str, Any], flags: tuple[str, ...] = ()) -> str:
        """Client-side apply unless the flags say otherwise."""
        return self("apply", "-f", "-", *flags, stdin=manifest(*objects))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on, such as a watch; ended at the end, and at the deadline."""
        process = subprocess.Popen(
            [*self._command, *arguments], env=self._environment, stdout=subprocess.PIPE, text=True
        )
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        try:
            yield process
        finally:
            deadline.cancel()
            process.kill()
            process.communicate()


def manifest(*objects: dict[str, Any]) -> str:
    """The objects as one stream of documents, as in a file."""
    return "\n".join(map(json.dumps, objects))
