"""An idle cluster is idle: nobody asks the API server anything but to renew leases."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.cluster.support import RunningCluster, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]

_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def requests(cluster: RunningCluster) -> Counter[tuple[str, str]]:
    """How many so far, by verb and resource; our own of this very metric have no resource."""
    found: Counter[tuple[str, str]] = Counter()
    for match in _REQUESTS.finditer(cluster.kubectl("get", "--raw", "/metrics")):
        labels = dict(_LABEL.findall(match["labels"]))
        if labels.get("resource"):
            found[labels["verb"], labels["resource"]] += int(float(match["count"]))
    return found


def test_an_idle_cluster_only_renews_leases(tmp_path: Path) -> None:
    with running_cluster(tmp_path, "--runtime", "sim", "--cloud-provider", "local") as cluster:
        cluster.kubectl("create", "deployment", "web", "--image=x", "--replicas=2")
        cluster.kubectl("expose", "deployment", "web", "--port=80")
        cluster.kubectl("rollout", "status", "deployment/web")

        def while_renewed(times: int) -> Counter[tuple[str, str]]:
            """What was asked until leases had been renewed so many times."""
            before = requests(cluster)

            def renewed() -> Counter[tuple[str, str]] | None:
                asked = requests(cluster) - before
                return asked if sum(n for (_, what), n in asked.items() if what == "leases") >= times else None

            return until(renewed, f"{times} renewals", 240)

        def only_leases() -> bool:
            """For so long that a poll twice a minute would be seen."""
            return {what for _, what in while_renewed(4)} == {"leases"}

        # A start takes its time, and once in five minutes something else may be due.
        until(only_leases, "a while in which only leases are renewed", 300)
