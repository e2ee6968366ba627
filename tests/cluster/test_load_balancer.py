"""`nanokube up --cloud-provider local`: services of type LoadBalancer can be reached at their external address."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path

import pytest

from tests.cluster.support import EXAMPLE, RunningCluster, fetch, needs_kubectl, needs_linux, running_cluster, until
from tests.cluster.test_unprivileged import AS_NOBODY, home

__all__ = ["home"]
pytestmark = [needs_linux, needs_kubectl]


def reach(cluster: RunningCluster) -> str:
    """The address of a new LoadBalancer service, once it leads to the example's pods."""
    cluster.kubectl("apply", "-f", str(EXAMPLE))
    expose = ("--name=outside", "--type=LoadBalancer", "--port=8081", "--target-port=8080")
    cluster.kubectl("expose", "deployment", "web", *expose)
    address = until(lambda: address_of(cluster), "an address")
    assert ipaddress.ip_address(address).is_loopback
    assert address in cluster.kubectl("get", "service", "outside")
    assert "web-" in until(lambda: answer(address), "an answer")
    return address


def address_of(cluster: RunningCluster) -> str:
    ingress = cluster.get("service", "outside")["status"]["loadBalancer"].get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


def answer(address: str) -> str:
    try:
        return fetch(f"http://{address}:8081/")
    except OSError:
        return ""


def test_the_external_address_leads_to_the_pods_also_after_a_restart(tmp_path: Path) -> None:
    with running_cluster(tmp_path, "--cloud-provider", "local") as cluster:
        address = reach(cluster)
        cluster.nanokube("down")
        cluster.up()  # the folder knows that there is a provider
        assert "web-" in until(lambda: answer(address), "an answer after a restart")
        assert address_of(cluster) == address
        cluster.kubectl("delete", "service", "outside")
        until(lambda: not answer(address), "the end of the address")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root to give up")
def test_it_does_so_without_root(home: Path) -> None:
    with running_cluster(home, "--cloud-provider", "local", prefix=AS_NOBODY) as cluster:
        reach(cluster)
