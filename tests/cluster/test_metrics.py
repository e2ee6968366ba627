"""`kubectl top`, and autoscalers that follow what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cluster.support import RunningCluster, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]


def deployment() -> dict[str, Any]:
    """Pretended pods that use 400m of the 500m they request."""
    annotations = {"sim.nanokube.io/cpu": "400m", "sim.nanokube.io/memory": "64Mi"}
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": annotations},
                "spec": {"containers": [container]},
            },
        },
    }


def autoscaler() -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 50}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": reference,
            "maxReplicas": 5,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def is_served(cluster: RunningCluster) -> bool:
    found = cluster.get("apiservices.apiregistration.k8s.io")["items"]
    conditions = {each["metadata"]["name"]: each.get("status", {}).get("conditions", ()) for each in found}
    return any(each["status"] == "True" for each in conditions.get("v1beta1.metrics.k8s.io", ()))


def test_top_shows_what_pods_and_nodes_use_and_autoscalers_follow(tmp_path: Path) -> None:
    with running_cluster(tmp_path, "--runtime", "sim", "--nodes", "2") as cluster:
        cluster.kubectl("apply", "-f", "-", input=json.dumps(deployment()))
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
        until(lambda: is_served(cluster), "the APIService")
        cluster.patient = True  # until there are figures, asking for them fails

        def pods_are_shown() -> bool:
            """What two looks a second apart tell of a processor is wrong where one of them was held up."""
            pods = table(cluster.kubectl("top", "pods", "--selector", "app=web"))
            used = [int(cpu.removesuffix("m")) for _, cpu, _ in pods]
            return [memory for *_, memory in pods] == ["64Mi"] * 2 and all(300 < cpu < 500 for cpu in used)

        def nodes_are_shown() -> bool:
            rows = table(cluster.kubectl("top", "nodes"))
            known = [row for row in rows if "<unknown>" not in row]  # as those are whose figures come a moment later
            used = {name: int(memory.removesuffix("Mi")) for name, _, _, memory, _ in known}
            return used.keys() == {"node-1", "node-2"} and sum(used.values()) == 128

        until(pods_are_shown, "figures of pods")
        until(nodes_are_shown, "figures of nodes")
        cluster.kubectl("apply", "-f", "-", input=json.dumps(autoscaler()))
        # Two replicas at 80 % of what they request, where 50 % are wanted, are to become four, and then the five that
        # are the most.
        until(lambda: cluster.get("deployment", "web")["spec"]["replicas"] > 2, "more replicas")

        def utilization() -> bool:
            found = cluster.get("hpa", "web")["status"].get("currentMetrics") or []
            return [60 <= metric["resource"]["current"]["averageUtilization"] <= 100 for metric in found] == [True]

        until(utilization, "the autoscaler tells what it sees")
