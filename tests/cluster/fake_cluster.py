"""`nanokube up` and `down` with stand-ins for the components: python fake_cluster.py up|down DIR PORT [flags]."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from client.cluster.components import Component
from client.cluster.data_dir import DataDir, Settings
from client.cluster.down import down
from client.cluster.errors import ClusterError
from client.cluster.up import Parts, Wishes, up

sys.path.insert(0, str(Path(__file__).parent / "fakes"))


def plan(data: DataDir, settings: Settings) -> list[Component]:
    root = str(data.root)
    bad = ("--fail",) if (data.root / "bad-worker").exists() else ()
    return [
        Component("apiserver", "fake_apiserver", ("--data-dir", root), ready_flag="--ready-fd", needs_api=False),
        Component("kubelet", "fake_worker", ("kubelet", root), cleanup=("kubelet", root, "--cleanup")),
        Component("scheduler", "fake_worker", ("scheduler", root, *bad)),
    ]


def wait(kubeconfig: Path, nodes: list[str], accounts: bool, report: int) -> Callable[[], int]:
    def body() -> int:
        for node in nodes:
            os.write(report, f"node {node} is ready\n".encode())
        return 0

    return body


def main() -> int:
    verb, folder, port, *flags = sys.argv[1:]
    if verb == "down":
        try:
            print(down(Path(folder), plan=plan))
        except ClusterError as error:
            print(error)
            return 1
        return 0
    return up(Wishes(Path(folder), port=int(port)), detach="--detach" in flags, parts=Parts(plan, wait, lambda: None))


if __name__ == "__main__":
    sys.exit(main())
