"""`kubectl rollout` of StatefulSets and DaemonSets: status, history, undo, restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.apps_v1 import DaemonSet, StatefulSet
from controller_manager.daemon_set.controller import DaemonSetController
from controller_manager.stateful_set.controller import StatefulSetController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.test_daemon_set import add_node, daemon_set
from tests.controllers.workloads import images, pods_of, stateful_set, workloads

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with workloads(server) as running:
        for name in ("a", "b", "c"):
            await add_node(running, name)
        await running.nodes()
        await running.run(StatefulSetController, DaemonSetController)
        yield running


class Kubectl:
    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._command = ["kubectl", "--kubeconfig", str(kubeconfig), "--namespace", "default"]
        self._environment = {**os.environ, "HOME": str(home)}

    async def __call__(self, *arguments: str) -> str:
        """What it prints; it must succeed.  The controllers of the test go on meanwhile."""
        done = await asyncio.to_thread(
            subprocess.run, [*self._command, *arguments], env=self._environment, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def kubectl(server: RealServer, tmp_path: Path) -> Kubectl:
    return Kubectl(server.kubeconfig, tmp_path)


@pytest.mark.parametrize(
    ("made", "rolled_out"),
    [
        (stateful_set(), "partitioned roll out complete: 3 new pods have been updated..."),
        (daemon_set(), 'daemon set "agent" successfully rolled out'),
    ],
    ids=["statefulset", "daemonset"],
)
async def test_rolls_out_shows_its_history_and_goes_back(
    cluster: Cluster, kubectl: Kubectl, made: StatefulSet | DaemonSet, rolled_out: str
) -> None:
    app = made.metadata.name
    name = f"{type(made).__name__.lower()}/{app}"
    await cluster.client.create(made.copy_deep())
    assert (await kubectl("rollout", "status", name, "--timeout=120s")).splitlines()[-1] == rolled_out

    async def rolls_to(image: str) -> None:
        assert (await kubectl("rollout", "status", name, "--timeout=120s")).splitlines()[-1] == rolled_out
        await eventually(lambda: all_have(image))

    async def all_have(image: str) -> bool:
        found = list((await images(cluster, app)).values())
        return found == [image] * 3

    async def history_is(*numbers: str) -> bool:
        """The controller corrects the numbers once it has heard of all revisions."""
        history = (await kubectl("rollout", "history", name)).split("REVISION", 1)[1]
        return [line.split()[0] for line in history.splitlines()[1:] if line] == [*numbers]

    await kubectl("set", "image", name, "c=two")
    await kubectl("annotate", name, "kubernetes.io/change-cause=because")
    await rolls_to("two")
    await eventually(lambda: history_is("1", "2"))
    assert "Image:\tone" in await kubectl("rollout", "history", name, "--revision=1")
    assert "rolled back" in await kubectl("rollout", "undo", name)
    await rolls_to("one")
    await eventually(lambda: history_is("2", "3"))
    assert "rolled back" in await kubectl("rollout", "undo", name, "--to-revision=2")
    await rolls_to("two")
    before = set(await pods(cluster, app))
    await kubectl("rollout", "restart", name)
    await rolls_to("two")

    async def restarted() -> bool:
        return not before & set(await pods(cluster, app))

    await eventually(restarted)


async def pods(cluster: Cluster, app: str) -> list[str]:
    """The UIDs of a workload's pods."""
    return [pod.metadata.uid for pod in (await pods_of(cluster, app)).values()]
