"""What a cluster is for, step by step: the steps of the main job, for more than one test."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kubernetes import client as kube
from kubernetes import config as kube_config

from tests.cluster.support import EXAMPLE, RunningCluster, alive, fetch, processes_with, until


class MainJob:
    """Drives `examples/web.yaml` through its life with kubectl and the Python client."""

    def __init__(self, cluster: RunningCluster) -> None:
        self.cluster = cluster
        self.kubectl = cluster.kubectl
        configuration = kube.Configuration()
        kube_config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
        self.api = kube.ApiClient(configuration)
        self.core = kube.CoreV1Api(self.api)
        self.apps = kube.AppsV1Api(self.api)

    # --- looking ---------------------------------------------------------------------------------

    def asked(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the Python client is told; as patient as the cluster is."""

        def attempt() -> tuple[Any, ...]:
            try:
                return (call(*arguments, **options),)
            except Exception:
                if not self.cluster.patient:
                    raise
                return ()

        return until(attempt, "an answer to the Python client")[0]

    def pods(self) -> list[Any]:
        """The pods that are not on their way out, by the Python client."""
        listed = self.asked(self.core.list_namespaced_pod, "default", label_selector="app=web").items
        return [pod for pod in listed if pod.metadata.deletion_timestamp is None]

    def deployment(self) -> Any:
        return self.asked(self.apps.read_namespaced_deployment, "web", "default")

    def available(self, count: int, seconds: float = 120) -> None:
        """Wait until exactly so many replicas are available and no others are there."""

        def settled() -> bool:
            deployment = self.deployment()
            status = deployment.status
            return bool(
                deployment.spec.replicas == count
                and status.observed_generation == deployment.metadata.generation
                and (status.available_replicas or 0) == (status.updated_replicas or 0) == count
                and (status.replicas or 0) == count
            )

        until(settled, f"{count} available replicas", seconds)

    def addresses(self) -> list[str]:
        """URLs of the ClusterIP and the NodePort."""
        service = self.asked(self.core.read_namespaced_service, "web", "default")
        port = service.spec.ports[0]
        return [f"http://{service.spec.cluster_ip}:{port.port}/", f"http://127.0.0.1:{port.node_port}/"]

    def answers(self, url: str, text: str = "", seconds: float = 120) -> str:
        """Wait until the URL answers with the text in it."""

        def asked() -> str:
            try:
                answer = fetch(url)
            except OSError:
                return ""
            return answer if text in answer else ""

        return until(asked, f"{url} answers {text!r}", seconds)

    def process_of(self, pod: str) -> int:
        """The process id of a pod's server: the process that has its name in the environment and listens."""

        def found() -> int:
            for pid in processes_with(f"POD_NAME={pod}"):
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if words[0].endswith(b"python3") and words[1] == b"-c":
                        return pid
            return 0

        return until(found, f"a process of {pod}")

    @contextlib.contextmanager
    def steady_requests(self, url: str) -> Iterator[list[str]]:
        """Ask all the time while the block runs; yields the list of failures."""
        failures: list[str] = []
        stop = threading.Event()
        count = 0

        def ask() -> None:
            nonlocal count
            while not stop.is_set():
                try:
                    fetch(url, 30)
                    count += 1
                except OSError as error:
                    failures.append(f"after {count}: {error}")
                stop.wait(0.02)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield failures
        finally:
            stop.set()
            thread.join(60)
        assert count > 5

    @contextlib.contextmanager
    def never_fewer_than(self, count: int) -> Iterator[None]:
        """Fails when the deployment has fewer available replicas at any moment of the block."""
        least = [count]
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                with contextlib.suppress(Exception):
                    status = self.apps.read_namespaced_deployment_status("web", "default").status
                    least.append(status.available_replicas or 0)
                stop.wait(0.05)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
        assert min(least) >= count, f"only {min(least)} were available for a while"

    # --- the steps -------------------------------------------------------------------------------

    def apply(self) -> None:
        # On a busy machine the proxies may hear a little later that a pod goes, and a pod may answer a little later.
        patient = EXAMPLE.read_text()
        for hasty, calm in (
            ('[sleep, "1"]', '[sleep, "10"]'),
            ("terminationGracePeriodSeconds: 10", "terminationGracePeriodSeconds: 30"),
            ("periodSeconds: 1\n", "periodSeconds: 1\n            timeoutSeconds: 30\n"),
        ):
            assert hasty in patient
            patient = patient.replace(hasty, calm)
        self.kubectl("apply", "-f", "-", input=patient)
        self.kubectl("wait", "--for=condition=Available", "--timeout=180s", "deployment/web")
        self.available(3)

    def fetch_through_service(self) -> None:
        for url in self.addresses():
            assert "Hello from nanokube 1 from web-" in self.answers(url, "Hello")
        names = {pod.metadata.name for pod in self.pods()}
        seen: set[str] = set()
        until(lambda: seen.add(self.answers(self.addresses()[0]).split()[-1]) or seen == names, "an answer of each pod")

    def scale(self, count: int) -> None:
        self.kubectl("scale", "deployment/web", f"--replicas={count}")
        self.available(count)
        until(lambda: len(self.pods()) == count, f"{count} pods")

    def roll_out(self, version: str) -> None:
        self.kubectl("set", "env", "deployment/web", f"VERSION={version}")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
        self.answers(self.addresses()[0], f"nanokube {version} from")

    def undo(self, version: str) -> None:
        before = self.deployment().metadata.generation

        def undone() -> bool:
            """An attempt that failed may have come through all the same, and undone twice is not undone."""
            if self.deployment().metadata.generation != before:
                return True
            done = self.cluster.try_kubectl("rollout", "undo", "deployment/web")
            assert done.returncode == 0 or self.cluster.patient, done.stderr
            return done.returncode == 0

        until(undone, "the rollout is undone")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
        self.answers(self.addresses()[0], f"nanokube {version} from")

    def kill_a_process(self) -> None:
        pod = self.pods()[0]
        before = pod.status.container_statuses[0].restart_count
        os.kill(self.process_of(pod.metadata.name), signal.SIGKILL)

        def restarted() -> bool:
            found = self.asked(self.core.read_namespaced_pod, pod.metadata.name, "default")
            now = found.status.container_statuses[0]
            last = now.last_state.terminated
            return bool(now.restart_count > before and now.ready and last and last.exit_code == 137)

        until(restarted, "the restart of a killed container")

    def delete_a_pod(self, count: int) -> None:
        name = self.pods()[0].metadata.name
        self.kubectl("delete", "pod", name)
        until(lambda: len(self.pods()) == count and name not in {p.metadata.name for p in self.pods()}, "a new pod")
        self.available(count)

    def lose_a_node(self, count: int) -> None:
        """Stop a node's kubelet for good (it is frozen: the launcher would start a dead one again)."""
        tolerations = [
            {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
            for taint in ("unreachable", "not-ready")
        ]
        self.apps.patch_namespaced_deployment(
            "web", "default", {"spec": {"template": {"spec": {"tolerations": tolerations}}}}
        )
        self.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
        node = self.pods()[0].spec.node_name
        kubelet = self.cluster.components()[f"kubelet-{node}"]
        os.kill(kubelet, signal.SIGSTOP)
        try:
            until(
                lambda: len(found := self.pods()) == count and all(pod.spec.node_name != node for pod in found),
                "pods moved off the lost node",
                180,
            )
            self.kubectl("wait", "--for=condition=Ready=Unknown", f"node/{node}", "--timeout=180s")
            until(lambda: all(self.is_ready(pod) for pod in self.pods()), "the moved pods are ready")
        finally:
            os.kill(kubelet, signal.SIGCONT)
        self.kubectl("wait", "--for=condition=Ready", f"node/{node}", "--timeout=180s")
        self.available(count)

    @staticmethod
    def is_ready(pod: Any) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])

    def logs(self) -> None:
        pod = self.pods()[0].metadata.name
        until(lambda: "serving on" in self.kubectl("logs", pod), "the log")
        command = ["kubectl", "--kubeconfig", str(self.cluster.kubeconfig), "logs", "-f", "--tail=1", pod]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follow:
            assert follow.stdout is not None
            until(lambda: self.answers(self.addresses()[0]) and _readable(follow.stdout), "a followed log line")
            first = follow.stdout.readline()
            assert "serving on" in first or "GET" in first
            follow.terminate()

    def exec(self) -> None:
        pod = self.pods()[0].metadata.name
        assert self.kubectl("exec", pod, "--", "sh", "-c", "echo $POD_NAME").strip() == pod
        assert self.kubectl("exec", "-i", pod, "--", "cat", input="through stdin") == "through stdin"
        failing = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.cluster.kubeconfig), "exec", pod, "--", "sh", "-c", "exit 7"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert failing.returncode == 7

    def describe(self) -> None:
        pod = self.pods()[0].metadata.name
        for word in ("Scheduled", "Pulled", "Created", "Started", "Successfully assigned default/"):
            until(lambda word=word: word in self.kubectl("describe", "pod", pod), f"an event: {word}")  # type: ignore[misc]
        until(lambda: "ScalingReplicaSet" in self.kubectl("describe", "deployment", "web"), "an event")

    def delete_everything(self) -> None:
        names = [pod.metadata.name for pod in self.pods()]
        pids = [pid for name in names for pid in processes_with(f"POD_NAME={name}")]
        assert pids
        self.kubectl("delete", "-f", str(EXAMPLE))
        until(lambda: not self.asked(self.core.list_namespaced_pod, "default").items, "no pods")
        until(lambda: not self.asked(self.apps.list_namespaced_replica_set, "default").items, "no replica sets")
        until(lambda: not any(alive(pid) for pid in pids), "no processes of the pods")

    def close(self) -> None:
        self.api.close()


def _readable(pipe: Any) -> bool:
    return bool(select.select([pipe], [], [], 0)[0])


def elapsed(since: float) -> str:
    return f"{time.monotonic() - since:.1f} s"
