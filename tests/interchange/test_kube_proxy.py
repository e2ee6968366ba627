"""Kubernetes' own kube-proxy in the place of ours: needs root and iptables, works in a network namespace of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interchange.test_kubernetes_programs import minor_version, program
from tests.proxy.test_kernel import ROOT, WHY_NOT

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"iptables mode: {WHY_NOT}")


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.kubernetes.protobuf"])
def test_services_reach_their_pods(tmp_path: Path, content_type: str) -> None:
    proxy = program("kube-proxy")
    arguments = [proxy, str(tmp_path), content_type, str(minor_version("kube-proxy"))]
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.interchange.proxy_machine", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
