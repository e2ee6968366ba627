"""What a killed cluster left of the packet filter's rules goes with the next that gets its addresses."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from ipaddress import IPv4Network

import pytest

from client.cluster.address_ranges import claim_free
from client.cluster.stale_rules import removal
from kubelet.network.firewall import Firewall
from proxy.iptables import Iptables, available
from proxy.iptables_rules import Settings
from tests.cluster.support import ROOT, needs_linux
from tests.proxy.objects import mapped, service, slice_of

WHY_NOT = available() or ("" if shutil.which("unshare") else "unshare is not installed")
pytestmark = needs_linux


def saved() -> list[str]:
    """All rules and chains, without comments and counters."""
    lines = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.partition(" [")[0] for line in lines if not line.startswith("#")]


def make_rules(name: str, pods: IPv4Network, endpoint: str) -> None:
    """What a cluster with two nodes and a service has."""
    for number, part in enumerate(pods.subnets(new_prefix=24)):
        if number < 2:
            Firewall(f"nk{name}{number}").apply(str(part), str(pods))
    objects = service(ip="10.65.0.1", port=443), slice_of("web", endpoint, port=8080)
    asyncio.run(Iptables(Settings(instance=name, cluster_cidr=str(pods))).apply(mapped(*objects)))


def two_clusters() -> None:
    """Run in a network namespace of its own: one cluster is dead, the other's endpoint is in the dead one's range."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with_none = claim_free(privileged=True, seed="one")
    assert not [line for line in saved() if "KUBE" in line]
    with_none.close()
    make_rules("living", IPv4Network("10.32.0.0/16"), str(with_none.pods[9]))
    only_living = saved()
    make_rules("dead", with_none.pods, str(with_none.pods[9]))
    assert saved() != only_living
    claim = claim_free(privileged=True, seed="one")
    assert claim.pods == with_none.pods
    assert saved() == only_living
    claim.close()


@pytest.mark.skipif(bool(WHY_NOT), reason=f"iptables: {WHY_NOT}")
def test_a_new_cluster_removes_what_a_dead_one_left_for_its_range_and_nothing_else() -> None:
    script = "from tests.cluster.test_stale_rules import two_clusters; two_clusters()"
    command = ["unshare", "--net", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "rule",
    [
        "-A KUBE-SVC-ERIFXISQEP7F7OF4 ! -s 10.64.0.0/16 -d 10.65.0.1/32 -j KUBE-MARK-MASQ",
        "-A KUBE-SEP-ABCDE-ABCDEFGHIJKL -s 10.64.0.9/32 -j KUBE-MARK-MASQ-ABCDE",
        "-A KUBE-FW-ABCDE-ABCDEFGHIJKL -s 10.64.0.0/16 -j KUBE-EXT-ABCDE-ABCDEFGHIJKL",
        "-A KUBE-SVC-ABCDE-ABCDEFGHIJKL ! -s 10.66.0.0/16 -d 10.67.0.1/32 -j KUBE-MARK-MASQ-ABCDE",
        "-A POSTROUTING -s 10.66.0.0/24 -j NANOKUBE-OUT-nk012345",
        "-A POSTROUTING -s 10.64.0.0/255.255.0.255 -j MASQUERADE",
    ],
    ids=["Kubernetes' proxy", "an endpoint", "a source range", "another proxy", "another node", "somebody's"],
)
def test_what_is_not_for_pods_of_the_range_stays(rule: str) -> None:
    assert removal(f"*nat\n{rule}\nCOMMIT\n", IPv4Network("10.64.0.0/16")) == ""
