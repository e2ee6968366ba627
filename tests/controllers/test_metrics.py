"""What people see at /metrics of a controller manager, under Kubernetes' names."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from api.batch_v1 import CronJob, Job
from tests.client.component_process import ComponentProcess
from tests.client.real_server import real_server
from tests.cluster.support import fetch, free_port
from tests.controllers.batch import Node, ensure_account, job, succeeds
from tests.controllers.cluster import deployment, eventually, real_cluster

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def sample(text: str, name: str, /, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    found = [
        float(value) for each, shown, value in _SAMPLE.findall(text) if each == name and wanted <= {*shown.split(",")}
    ]
    assert found or labels, f"no {name}"
    return sum(found)


async def test_queues_jobs_and_the_process_are_measured(tmp_path: Path) -> None:
    port = free_port()
    flags = ("--leader-elect=false", f"--secure-port={port}", "--controllers=*,-garbagecollector")
    with real_server(tmp_path) as server:
        manager = ComponentProcess("controller_manager", server.kubeconfig, tmp_path / "log", *flags)
        with manager:
            async with real_cluster(server.config) as cluster:
                await ensure_account(cluster.client)
                node = Node(cluster)
                node.outcome = succeeds
                await node.start()
                await cluster.client.create(deployment("web", 2))
                await cluster.client.create(job("good", completions=3, parallelism=3))
                await cluster.client.create(job("never", backoffLimit=0, activeDeadlineSeconds=1, parallelism=0))
                often = {"metadata": {"name": "often", "namespace": "default"}}
                template = {"spec": job().to_dict()["spec"]}
                spec = {"schedule": "@every 1s", "jobTemplate": template}
                await cluster.client.create(CronJob.from_dict({**often, "spec": spec}))

                async def over() -> str | None:
                    jobs = (await cluster.client.list(Job, "default")).items
                    ended = {each.metadata.name for each in jobs if len(each.status.conditions) == 2}
                    return {"good", "never"} <= ended and any(name.startswith("often-") for name in ended)

                await eventually(over)
            plain = {"completion_mode": "NonIndexed"}
            reached, late = ({"reason": each} for each in ("CompletionsReached", "DeadlineExceeded"))
            text = ""

            async def counted() -> bool:
                """What the jobs' statuses say, the manager counts only after it has written them."""
                nonlocal text
                text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics", 60.0)
                succeeded = sample(text, "job_controller_jobs_finished_total", result="succeeded", **reached, **plain)
                failed = sample(text, "job_controller_jobs_finished_total", result="failed", **late, **plain)
                return succeeded >= 2 and failed == 1

            await eventually(counted)
            for name in ("deployment", "replicaset", "job", "cronjob"):
                assert sample(text, "workqueue_adds_total", name=name) >= 1
                assert sample(text, "workqueue_queue_duration_seconds_count", name=name) >= 1
                assert sample(text, "workqueue_work_duration_seconds_count", name=name) >= 1
                running = {"name": f"{name}-controller", "manager": "kube-controller-manager"}
                assert sample(text, "running_managed_controllers", **running) == 1
                for gauge in ("depth", "retries_total", "unfinished_work_seconds", "longest_running_processor_seconds"):
                    assert f'workqueue_{gauge}{{name="{name}"}}' in text
            assert sample(text, "running_managed_controllers", name="garbage-collector-controller") == 0
            series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
            assert len(series) == len({*series}), "no series is there twice"
            assert sample(text, "job_controller_job_pods_finished_total", result="succeeded", **plain) >= 4
            created = {"action": "pods_created", "result": "success"}
            assert sample(text, "job_controller_job_syncs_total", **created, **plain) >= 2
            assert sample(text, "job_controller_job_sync_duration_seconds_count", **plain) >= 2
            assert sample(text, "cronjob_controller_job_creation_skew_duration_seconds_count") >= 1
            assert "# TYPE node_collector_evictions_total counter" in text
            assert sample(text, "process_resident_memory_bytes") > 10 << 20
            assert sample(text, "process_cpu_seconds_total") > 0
