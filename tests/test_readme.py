"""Every command in README.md does what it says (those for Docker: `cluster/test_compose.py`)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.support import ROOT, needs_kubectl, needs_linux
from tests.readme import docker_block, shell_blocks

pytestmark = [needs_linux, needs_kubectl]


def port_taken() -> bool:
    from client.cluster.ports import port_is_free

    return not port_is_free("127.0.0.1", 6443)


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in ("make", "bash", "curl")), reason="needs make and curl")
@pytest.mark.skipif(port_taken(), reason="port 6443, which the README's commands use, is taken here")
def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    first, *others = [block for block in shell_blocks() if block != docker_block()]
    assert first == ["make up"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("KUBECONFIG", None)
    made = [f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed"]  # the environment that runs this test
    up = subprocess.Popen(
        ["make", *made, "up"], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment, start_new_session=True
    )
    try:
        assert up.stdout is not None
        output = []
        while line := up.stdout.readline():
            output.append(line)
            if "end it" in line:
                break
        assert "The cluster is up" in "".join(output), output
        lines = [line for block in others for line in block]
        script = "\n".join(["set -ex", *lines]).replace("source .venv/", f"source {sys.prefix}/")
        # Nobody types so fast that the proxy would not have heard of the pods yet.
        script = script.replace("curl ", "curl --retry 60 --retry-delay 1 --retry-all-errors ")
        # Nor so fast that kubectl would find a pod of the version before that is on its way out.
        gone = "while kubectl get pods | grep Terminating; do sleep 0.2; done"
        script = script.replace("kubectl logs ", f"{gone}\nkubectl logs ")
        assert gone in script
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "Hello from nanokube 1" in done.stdout
        assert "VERSION=2" in done.stdout
        assert up.wait(120) == 0, "nanokube down ended it"
        assert not (tmp_path / "nanokube").exists(), "nanokube reset erased it"
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGINT)
            up.wait(120)
        assert up.stdout is not None
        up.stdout.close()
