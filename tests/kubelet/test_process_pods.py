"""Pods as real processes: the kubelet with the process runtime on a fake API."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.clock import SystemClock
from api.core_v1 import ConfigMap, Node, Pod
from kubelet.backoff import Backoff
from kubelet.configuration import WatchedConfiguration
from kubelet.network.loopback import LoopbackNetwork
from kubelet.preparation import FilePreparation, PreparationOptions
from kubelet.runtime.process.runtime import ProcessRuntime
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.persistent import ClaimedVolumes
from kubelet.volumes.plugin import VolumeContext
from kubelet.volumes.service_account_token import TokenCache
from tests.kubelet.fake_api import FakeApi
from tests.kubelet.support import TestNode, pod, running, until
from tests.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process runtime needs Linux")

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path == "/" or os.path.exists(os.environ["FLAGS"] + self.path)
        self.send_response(200 if ok else 503); self.end_headers(); self.wfile.write(b"hello")
    def log_message(self, *a): pass
http.server.HTTPServer((os.environ["POD_IP"], int(sys.argv[1])), Handler).serve_forever()
"""


class ProcessNode(TestNode):
    """A node whose pods are processes, with its folder in `root`."""

    def __init__(self, api: FakeApi, root: Path) -> None:
        clock = SystemClock()
        runtime = ProcessRuntime(root / "runtime", network=LoopbackNetwork())
        configuration = WatchedConfiguration(api, clock, lambda uid: self.kubelet.volumes_changed(uid))  # type: ignore[arg-type]
        tokens = TokenCache(api, clock)
        volumes = VolumeManager(
            root,
            VolumeContext(configuration, tokens, {}, ("192.168.7.1",)),
            ClaimedVolumes(api, clock),  # type: ignore[arg-type]
        )

        async def services() -> list[Any]:
            return []

        preparation = FilePreparation(
            PreparationOptions(root),
            volumes,
            configuration,
            tokens,
            services,
            lambda: runtime.features,
            {"cpu": "4", "memory": "8Gi"},
            ("192.168.7.1",),
        )
        super().__init__(clock, api, runtime, preparation)
        self.configuration = configuration
        self.root = root

    def log(self, name: str, attempt: int = 0, container: str = "main") -> str:
        file = self.root / "logs" / f"default_{name}_uid-{name}" / container / f"{attempt}.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    async def remove_all(self) -> None:
        for key in [key for key in self.api.objects if key[0] is Pod]:
            self.api.remove(self.api.objects[key])
        await until(lambda: not self.kubelet.workers)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ProcessNode]:
    os.chmod(tmp_path, 0o755)
    api = FakeApi(SystemClock())
    subject = ProcessNode(api, tmp_path)
    async with running(subject):
        yield subject
        await subject.remove_all()
        assert await subject.runtime.list_containers() == []
    subject.configuration.stop()
    await subject.runtime.close()
    assert not list((tmp_path / "pods").glob("*"))


def shell(script: str, **container: Any) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", script], **container}


async def test_a_process_runs_with_its_environment_and_files(node: ProcessNode) -> None:
    node.api.add(ConfigMap.from_dict({"metadata": {"name": "conf", "namespace": "default"}, "data": {"k": "v1"}}))
    script = "echo $GREETING $POD_NAME; cat /conf/k; echo; pwd; exec sleep 1000"
    container = shell(
        script,
        env=[
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "GREETING", "value": "hello $(POD_NAME)"},
        ],
        volumeMounts=[{"name": "conf", "mountPath": "/conf"}],
        workingDir="/usr",
    )
    node.api.add(pod("web", containers=[container], volumes=[{"name": "conf", "configMap": {"name": "conf"}}]))
    await until(lambda: node.ready("web"))
    await until(lambda: node.log("web") == "hello web web\nv1\n/usr")
    status = node.api.pod("web").status
    assert status.containerStatuses[0].containerID.startswith("process://")
    assert status.podIP.startswith("127.") or status.podIP


async def test_a_config_map_change_reaches_the_running_pod(node: ProcessNode) -> None:
    config = ConfigMap.from_dict({"metadata": {"name": "conf", "namespace": "default"}, "data": {"k": "v1"}})
    node.api.add(config)
    script = "while :; do read value < /conf/k; echo $value; sleep 0.05; done"
    container = shell(script, volumeMounts=[{"name": "conf", "mountPath": "/conf"}])
    node.api.add(pod("web", containers=[container], volumes=[{"name": "conf", "configMap": {"name": "conf"}}]))
    await until(lambda: "v1" in node.log("web"))
    config.data["k"] = "v2"
    node.api.change(config)
    await until(lambda: "v2" in node.log("web"))


async def test_a_missing_config_map_holds_the_container_until_it_is_there(node: ProcessNode) -> None:
    reference = {"configMapKeyRef": {"name": "late", "key": "k"}}
    node.api.add(pod("web", containers=[shell("sleep 1000", env=[{"name": "A", "valueFrom": reference}])]))
    message = 'configmap "late" not found'
    waiting = await until(
        lambda: (c := node.container("web")) and (w := c.state.waiting) and w.reason != "ContainerCreating" and w
    )
    assert (waiting.reason, waiting.message) == ("CreateContainerConfigError", message)
    await until(lambda: 'Error: configmap "late" not found' in [e.message for e in node.api.events("Failed")])
    node.api.add(ConfigMap.from_dict({"metadata": {"name": "late", "namespace": "default"}, "data": {"k": "v"}}))
    await until(lambda: node.ready("web"))


async def test_a_killed_process_is_restarted_and_counted(node: ProcessNode) -> None:
    node.api.add(pod("web", containers=[shell("echo $$; exec sleep 1000")]))
    await until(lambda: node.ready("web"))
    run = next(iter(node.kubelet.workers["uid-web"].runs.values()))
    os.kill(run.pid, signal.SIGKILL)
    await until(lambda: node.container("web").restartCount == 1 and node.ready("web"))
    last = node.container("web").lastState.terminated
    assert (last.exitCode, last.reason) == (137, "Error")


async def test_exit_codes_and_last_words(node: ProcessNode) -> None:
    script = "echo the disk is full > /dev/termination-log; exit 3"
    node.api.add(pod("job", restartPolicy="Never", containers=[shell(script)]))
    await until(lambda: node.phase("job") == "Failed")
    ended = node.container("job").state.terminated
    assert (ended.exitCode, ended.reason, ended.message) == (3, "Error", "the disk is full\n")
    node.api.add(
        pod(
            "talker",
            restartPolicy="Never",
            containers=[shell("echo out of luck; exit 1", terminationMessagePolicy="FallbackToLogsOnError")],
        )
    )
    await until(lambda: node.phase("talker") == "Failed")
    assert node.container("talker").state.terminated.message == "out of luck\n"


async def test_a_crash_loop_keeps_the_logs_of_two_runs(node: ProcessNode) -> None:
    node.host.restarts = Backoff(SystemClock(), timedelta(milliseconds=10))
    node.api.add(pod("web", containers=[shell("echo run; exit 1")]))
    await until(lambda: (c := node.container("web")) and c.restartCount >= 3 and node.log("web", c.restartCount))
    # Such a process may have ended before its start is noted: no end may be missed.
    logs = node.root / "logs/default_web_uid-web/main"
    await until(lambda: len(list(logs.iterdir())) <= 3)
    assert not (logs / "0.log").exists()


async def test_what_earlier_kubelets_left_is_swept_away(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    for folder in ("pods/uid-old/volumes", "logs/default_old_uid-old/main"):
        (tmp_path / folder).mkdir(parents=True)
    subject = ProcessNode(FakeApi(SystemClock()), tmp_path)
    async with running(subject):
        await until(lambda: not list((tmp_path / "pods").iterdir()) and not list((tmp_path / "logs").iterdir()))
    subject.configuration.stop()
    await subject.runtime.close()


async def test_an_image_without_command_cannot_be_had(node: ProcessNode) -> None:
    subject = pod("web")
    subject.spec.containers[0].command = []
    node.api.add(subject)
    waiting = await until(
        lambda: (c := node.container("web")) and (w := c.state.waiting) and w.reason != "ContainerCreating" and w
    )
    assert waiting.reason in ("ErrImagePull", "ImagePullBackOff")  # a slow look finds it resting
    assert "command" in waiting.message
    assert node.phase("web") == "Pending"
    await until(lambda: len(node.api.events("Failed")) >= 2)
    assert [e.message for e in node.api.events("Failed")][1] == "Error: ErrImagePull"


async def test_deletion_signals_hooks_and_waits(node: ProcessNode) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook > /shared/hook"]}}}
    container = shell(script, lifecycle=hook, volumeMounts=[{"name": "shared", "mountPath": "/shared"}])
    node.api.add(pod("web", containers=[container], volumes=[{"name": "shared", "emptyDir": {}}]))
    await until(lambda: node.log("web") == "up")
    shared = node.root / "pods/uid-web/volumes/kubernetes.io~empty-dir/shared/hook"
    seen: list[str] = []
    node.api.on_delete = lambda obj: seen.append(node.log("web"))
    await node.api.delete(Pod, "web", "default", grace_period=60)
    await until(lambda: shared.exists() or node.api.pod("web") is None)
    await until(lambda: node.api.pod("web") is None)
    assert seen == ["up\nbye"]
    await until(lambda: not node.kubelet.workers)


async def test_a_process_that_does_not_listen_is_killed(node: ProcessNode) -> None:
    node.api.add(pod("web", containers=[shell("trap '' TERM; echo up; while :; do sleep 0.05; done")]))
    await until(lambda: node.log("web") == "up")
    await node.api.delete(Pod, "web", "default", grace_period=1)
    await until(lambda: node.api.pod("web") is None)
    assert node.api.statuses[-1]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


async def test_probes_decide_on_readiness_and_life(node: ProcessNode, tmp_path: Path) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    (flags / "alive").touch()
    port = free_port()
    at_leisure = {"periodSeconds": 1, "timeoutSeconds": 60}  # only what the server says is to count
    container = {
        "command": [sys.executable, "-c", SERVER, str(port)],
        "ports": [{"name": "http", "containerPort": port}],
        "env": [
            {"name": "FLAGS", "value": "/flags"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 300},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, **at_leisure},
        "livenessProbe": {"httpGet": {"path": "/alive", "port": "http"}, "failureThreshold": 1, **at_leisure},
    }
    container["volumeMounts"] = [{"name": "flags", "mountPath": "/flags"}]
    volumes = [{"name": "flags", "hostPath": {"path": str(flags)}}]
    node.api.add(pod("web", containers=[container], volumes=volumes, terminationGracePeriodSeconds=1))
    await until(lambda: node.phase("web") == "Running" and node.container("web").started)
    assert not node.ready("web")
    messages: Callable[[], list[str]] = lambda: [e.message for e in node.api.events("Unhealthy")]  # noqa: E731
    await until(lambda: "Readiness probe failed: HTTP probe failed with statuscode: 503" in messages())
    (flags / "ready").touch()
    await until(lambda: node.ready("web"))
    (flags / "alive").unlink()
    await until(
        lambda: (
            "Container main failed liveness probe, will be restarted" in [e.message for e in node.api.events("Killing")]
        )
    )
    (flags / "alive").touch()
    await until(lambda: node.container("web").restartCount >= 1 and node.ready("web"))


async def test_a_restarted_kubelet_finds_its_processes_and_kills_none(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    api = FakeApi(SystemClock())
    first = ProcessNode(api, tmp_path)
    async with running(first):
        for name in ("stays", "goes", "dies"):
            api.add(pod(name, containers=[shell("exec sleep 1000")], terminationGracePeriodSeconds=1))
        await until(lambda: all(first.ready(name) for name in ("stays", "goes", "dies")))
        pids = {run.pod_uid: run.pid for run in await first.runtime.list_containers()}
    first.configuration.stop()
    await first.runtime.close()
    os.kill(pids["uid-dies"], signal.SIGKILL)
    api.remove(api.pod("goes"))
    api.remove(api.objects[Node, "", "node-1"])
    second = ProcessNode(api, tmp_path)
    async with running(second):
        await until(lambda: second.container("dies").restartCount == 1 and second.ready("dies"))
        await until(lambda: not os.path.exists(f"/proc/{pids['uid-goes']}"))
        os.kill(pids["uid-stays"], 0)
        assert second.container("stays").restartCount == 0
        assert second.ready("stays")
        await second.remove_all()
        await until(lambda: not os.path.exists(f"/proc/{pids['uid-stays']}"))
    second.configuration.stop()
    await second.runtime.close()
