"""`docker compose up` on a real Docker engine, driven by kubectl through the published port."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.docker_engine import BASE, Engine, build_base, running_engine, why_not
from tests.cluster.support import EXAMPLE, needs_kubectl, until
from tests.readme import docker_block

pytestmark = [needs_kubectl, pytest.mark.skipif(bool(why_not()), reason=f"docker compose: {why_not()}")]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine() as engine:
        build_base(engine, sys.executable, tmp_path)
        yield engine
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_the_cluster_as_services(engine: Engine, tmp_path: Path) -> None:
    *start, down = docker_block()
    settings = {"NANOKUBE_BASE": BASE}
    engine.compose("build", timeout=600, **settings)
    try:
        for line in start:
            engine.shell(line, tmp_path, **settings)
        kubeconfig = tmp_path / "kubeconfig"

        def kubectl(*arguments: str) -> str:
            done = engine.inside(["kubectl", "--kubeconfig", str(kubeconfig), *arguments], timeout=240)
            assert done.returncode == 0, f"kubectl {arguments}: {done.stdout}{done.stderr}"
            return done.stdout

        until(lambda: len(json.loads(kubectl("get", "nodes", "-o", "json"))["items"]) == 2, "two nodes")
        kubectl("wait", "--for=condition=Ready", "--timeout=180s", "node/node-1", "node/node-2")
        kubectl("apply", "-f", str(EXAMPLE))
        kubectl("wait", "--for=condition=Available", "--timeout=180s", "deployment/web")
        pods = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}

        service = json.loads(kubectl("get", "service", "web", "-o", "json"))["spec"]
        url = f"http://{service['clusterIP']}:{service['ports'][0]['port']}/"
        ask = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=60).read().decode())"
        for node in ("proxy-1", "proxy-2"):  # every pod is reached from every node: across the nodes' network too
            seen: set[str] = set()

            def asked(node: str = node, seen: set[str] = seen) -> bool:
                line = f'python3 -c "{ask}" || echo nobody'
                answer = engine.compose("exec", "-T", node, "sh", "-c", line, **settings)
                seen.add(answer.split()[-1])
                return seen - {"nobody"} == {pod["metadata"]["name"] for pod in pods}  # rules come a little later

            until(asked, f"answers of every pod on {node}")
        name = pods[0]["metadata"]["name"]
        until(lambda: "serving on" in kubectl("logs", name), "the log")
        assert kubectl("exec", name, "--", "sh", "-c", "echo $POD_NAME").strip() == name

        container = engine.compose("ps", "-q", "apiserver", **settings).strip()
        until(lambda: engine.inspect(container, "State.Health.Status") == "healthy", "a healthy apiserver")
        engine.kill_9(int(engine.inspect(container, "State.Pid")))
        until(lambda: engine.inspect(container, "RestartCount") == "1", "a restart of the apiserver")
        until(lambda: engine.inspect(container, "State.Health.Status") == "healthy", "a healthy apiserver again")
        assert "web" in kubectl("get", "deployments")
    except Exception:
        print(engine.compose("ps", **settings), engine.compose("logs", "--no-color", "--tail=20", **settings))
        raise
    finally:
        engine.shell(down.replace("down", "down --timeout 5"), tmp_path, **settings)
    assert engine.docker("ps", "-aq") == ""
    assert engine.docker("volume", "ls", "-q") == ""
