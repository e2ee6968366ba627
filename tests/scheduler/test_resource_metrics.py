"""/metrics/resources: what pods request and may use at most, under Kubernetes' names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from api.core_v1 import ServiceAccount
from api.meta_v1 import ObjectMeta
from client.rest import RestClient
from scheduler.resource_metrics import render
from tests.client.component_process import ComponentProcess
from tests.client.real_server import real_server
from tests.client.waiting import eventually
from tests.cluster.support import fetch, free_port
from tests.scheduler.test_on_the_real_server import add_nodes, add_pod, node_of
from tests.scheduler.world import make_node, make_pod


def line(metric: str, pod: str, node: str, resource: str, unit: str, value: str, priority: str = "") -> str:
    labels = f'namespace="default",pod="{pod}",node="{node}",scheduler="default-scheduler",priority="{priority}"'
    return f'{metric}{{{labels},resource="{resource}",unit="{unit}"}} {value}'


def test_what_pods_request_and_may_use() -> None:
    hungry = {"name": "init", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}}
    web = make_pod("web", cpu="500m", memory="1Gi", nodeName="a", initContainers=[hungry], overhead={"memory": "1Ki"})
    waits = make_pod("waits", requests={"example.com/dongle": "2", "hugepages-2Mi": "2Mi"}, priority=7)
    over = make_pod("over", cpu="1")
    over.status.phase = "Succeeded"
    web.spec.schedulerName = waits.spec.schedulerName = "default-scheduler"
    lines = render([web, waits, over]).splitlines()
    for wanted in (
        line("kube_pod_resource_request", "web", "a", "cpu", "cores", "2"),
        line("kube_pod_resource_request", "web", "a", "memory", "bytes", str((1 << 30) + 1024)),
        line("kube_pod_resource_limit", "web", "a", "cpu", "cores", "3"),
        line("kube_pod_resource_request", "waits", "", "example.com/dongle", "integer", "2", "7"),
        line("kube_pod_resource_request", "waits", "", "hugepages-2Mi", "bytes", str(2 << 20), "7"),
        "# TYPE kube_pod_resource_limit gauge",
    ):
        assert wanted in lines, wanted
    assert not any('pod="over"' in each for each in lines)


async def test_they_are_served(tmp_path: Path) -> None:
    port = free_port()
    with real_server(tmp_path) as server:
        flags = ("--leader-elect=false", f"--secure-port={port}")
        with ComponentProcess("scheduler", server.kubeconfig, tmp_path / "scheduler.log", *flags):
            async with RestClient(server.config) as client:
                await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
                await add_nodes(client, make_node("a"))
                await add_pod(client, make_pod("web", cpu="500m"))
                await eventually(lambda: node_of(client, "web"))

                async def told() -> bool:
                    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics/resources", 60.0)
                    return line("kube_pod_resource_request", "web", "a", "cpu", "cores", "0.5", "0") in text

                await eventually(told)

                async def counted() -> bool:
                    """Once the answer to the binding has come, which others may see before."""
                    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics", 60.0)
                    return 'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1' in text

                await eventually(counted)
