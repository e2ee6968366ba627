"""`kill -9` of any component at any moment loses nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.support import RunningCluster, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]

SEED = 20261123
KILLS = 10


@contextlib.contextmanager
def random_kills(cluster: RunningCluster, seed: int, count: int) -> Iterator[list[str]]:
    """Kill components at random moments until `count` are dead, and the block's end has come."""
    chance = random.Random(seed)
    killed: list[str] = []
    stop = threading.Event()

    def kill() -> None:
        while len(killed) < count and not stop.wait(chance.uniform(0.5, 2.5)):
            name, pid = chance.choice(sorted(cluster.components().items()))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(name)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
        until(lambda: len(killed) >= count, f"{count} kills", 120)
    finally:
        stop.set()
        thread.join(60)


def outcome(cluster: RunningCluster) -> dict[str, Any]:
    """What must be the same, whatever died on the way."""
    deployment = cluster.get("deployment", "web")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    status = deployment["status"]
    pods = cluster.get("pods", "-l", "app=web")["items"]
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    ready = [e["addresses"][0] for s in slices for e in s["endpoints"] or [] if e["conditions"]["ready"]]
    return {
        "version": next(e["value"] for e in container["env"] if e["name"] == "VERSION"),
        "replicas": [deployment["spec"]["replicas"], status.get("replicas"), status.get("availableReplicas")],
        "pods": sorted(pod["status"]["phase"] for pod in pods),
        "restart policy": sorted({pod["spec"]["restartPolicy"] for pod in pods}),
        "endpoints are the pods": sorted(ready) == sorted(pod["status"].get("podIP", "") for pod in pods),
        "old replica sets are empty": sum(
            1 for rs in cluster.get("replicasets", "-l", "app=web")["items"] if rs["spec"]["replicas"]
        ),
    }


def test_ten_random_kills_during_the_main_job_change_nothing_of_its_outcome(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kubernetes package leaves sockets to the garbage collector
        from tests.cluster.main_job import MainJob

        with running_cluster(tmp_path, "--nodes", "2") as cluster:
            cluster.patient = True
            job = MainJob(cluster)
            with random_kills(cluster, SEED, KILLS) as killed:
                job.apply()
                job.scale(5)
                job.roll_out("2")
                job.scale(4)
                job.undo("1")
                job.scale(3)
            print("killed:", ", ".join(killed))
            until(lambda: cluster.nanokube("status", check=False).returncode == 0, "all components and nodes are back")
            expected = {
                "version": "1",
                "replicas": [3, 3, 3],
                "pods": ["Running"] * 3,
                "restart policy": ["Always"],
                "endpoints are the pods": True,
                "old replica sets are empty": 1,
            }
            job.available(3)
            until(lambda: outcome(cluster) == expected, "the same outcome as without kills")
            for url in job.addresses():
                job.answers(url, "Hello from nanokube 1 from web-")
            job.delete_everything()
            job.close()


def test_running_pods_do_not_notice_that_their_kubelet_and_launcher_die(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.cluster.main_job import MainJob

        with running_cluster(tmp_path) as cluster:
            job = MainJob(cluster)
            job.apply()
            before = {pod.metadata.name: job.process_of(pod.metadata.name) for pod in job.pods()}
            kubelet = cluster.components()["kubelet-node-1"]
            os.kill(kubelet, signal.SIGKILL)
            until(lambda: cluster.components().get("kubelet-node-1", kubelet) != kubelet, "another kubelet")
            job.available(3)
            os.kill(cluster.launcher(), signal.SIGKILL)
            until(lambda: not cluster.owned(), "the folder is free")
            cluster.up()
            job.available(3)
            assert {pod.metadata.name: job.process_of(pod.metadata.name) for pod in job.pods()} == before
            assert all(pod.status.container_statuses[0].restart_count == 0 for pod in job.pods())
            job.close()


def test_an_acknowledged_write_survives_the_death_of_the_api_server(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kubernetes import client as kube

        from tests.cluster.main_job import MainJob

        with running_cluster(tmp_path, "--runtime", "sim") as cluster:
            job = MainJob(cluster)
            acknowledged: list[str] = []
            stop = threading.Event()

            def write() -> None:
                number = 0
                while not stop.is_set():
                    number += 1
                    body = kube.V1ConfigMap(metadata=kube.V1ObjectMeta(name=f"write-{number}"), data={"n": str(number)})
                    try:
                        job.core.create_namespaced_config_map("default", body)
                    except Exception:  # not acknowledged: it may or may not be there
                        stop.wait(0.02)
                    else:
                        acknowledged.append(f"write-{number}")

            thread = threading.Thread(target=write)
            thread.start()
            try:
                for _ in range(3):
                    count = len(acknowledged)
                    until(lambda at_least=count + 50: len(acknowledged) >= at_least, "50 more writes")
                    cluster.kill("apiserver")
                count = len(acknowledged)
                until(lambda: len(acknowledged) >= count + 10, "writes go on")
            finally:
                stop.set()
                thread.join(60)
            cluster.patient = True
            there = {item["metadata"]["name"] for item in cluster.get("configmaps")["items"]}
            assert set(acknowledged) <= there
            job.close()
