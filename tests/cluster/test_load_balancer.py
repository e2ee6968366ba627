"""`nanokube up --cloud-provider local`: services of type LoadBalancer can be reached at their external address."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from tests.cluster.support import EXAMPLE, fetch, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]


def test_the_external_address_leads_to_the_pods_also_after_a_restart(tmp_path: Path) -> None:
    with running_cluster(tmp_path, "--cloud-provider", "local") as cluster:
        cluster.kubectl("apply", "-f", str(EXAMPLE))
        expose = ("--name=outside", "--type=LoadBalancer", "--port=8081", "--target-port=8080")
        cluster.kubectl("expose", "deployment", "web", *expose)

        def address() -> str:
            ingress = cluster.get("service", "outside")["status"]["loadBalancer"].get("ingress") or [{}]
            return str(ingress[0].get("ip", ""))

        def answer() -> str:
            try:
                return fetch(f"http://{address()}:8081/")
            except OSError:
                return ""

        first = until(address, "an address")
        assert ipaddress.ip_address(first).is_loopback
        assert first in cluster.kubectl("get", "service", "outside")
        assert "web-" in until(answer, "an answer")
        cluster.nanokube("down")
        cluster.up()  # the folder knows that there is a provider
        assert "web-" in until(answer, "an answer after a restart")
        assert address() == first
        cluster.kubectl("delete", "service", "outside")
