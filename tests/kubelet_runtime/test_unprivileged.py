"""Without root: the tests of containers pass for an ordinary user, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import api

FILES = ["test_containers.py", "test_exec.py", "test_root_view.py"]
NOBODY = 65534
PROBE = "import subprocess, sys, pytest, orjson, api; subprocess.check_call([sys.executable, '-c', ''])"


def interpreter(directory: str) -> list[str]:
    """A Python that nobody may run, with this one's packages; the environment's own may lie in root's home."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", candidate]
        probe = subprocess.run([*command, "-c", PROBE], env=environment(directory), cwd="/", capture_output=True)
        if probe.returncode == 0:
            return command
    pytest.skip("no Python with these packages that an unprivileged user may run")


def environment(directory: str) -> dict[str, str]:
    paths = [str(Path(api.__file__).parents[1]), *(path for path in sys.path if "site-packages" in path)]
    return {
        "PATH": os.environ["PATH"],
        "HOME": directory,
        "PYTHONPATH": ":".join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_the_tests_of_containers_pass_unprivileged() -> None:
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("runs the other tests as another user: needs root and setpriv (they run as they are without)")
    with tempfile.TemporaryDirectory(prefix="nk-nobody-") as directory:
        os.chown(directory, NOBODY, NOBODY)
        command = interpreter(directory)
        here = Path(__file__).parent
        options = ["-q", "-x", "-p", "no:cacheprovider", "-c", str(here.parents[1] / "pyproject.toml")]
        done = subprocess.run(
            [*command, "-m", "pytest", *options, *(str(here / name) for name in FILES)],
            env=environment(directory) | {"TMPDIR": directory},
            cwd=here.parents[1],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
