"""The iptables mode on a real kernel: needs root and iptables, works in network namespaces of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.iptables import available

ROOT = Path(__file__).parents[2]
WHY_NOT = available() or ("" if shutil.which("ip") and shutil.which("unshare") else "ip and unshare are not installed")

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"iptables mode: {WHY_NOT}")


@pytest.mark.parametrize(
    "scenario",
    [
        "balancing",
        "hairpin",
        "affinity",
        "no_endpoints",
        "local_policy",
        "udp_flows_follow",
        "cleanup",
        "restart",
        "two_instances",
        "repair",
    ],
)
def test_on_a_machine_of_its_own(scenario: str) -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.proxy.machine", scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
