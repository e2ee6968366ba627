"""`nanokube status`: what runs of a cluster, and how its nodes are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from client.cluster.data_dir import DataDir, RunState, Settings
from client.cluster.process import is_component


@dataclass(frozen=True)
class Status:
    """`lines` for the user; `healthy` when the cluster runs with all of its parts and nodes."""

    lines: list[str]
    healthy: bool


def status(data_dir: Path) -> Status:
    """Look at the cluster of that folder."""
    data = DataDir(data_dir)
    owner = data.owner()
    settings = Settings.load(data.settings)
    if settings is None:
        return Status([f"There is no cluster in {data.root}."], False)
    if owner is None:
        return Status(
            [f"The cluster in {data.root} is stopped; `nanokube up --data-dir {data.root}` starts it."], False
        )
    state = RunState.load(data.run_state) or RunState()
    lines = [f"The cluster in {data.root} is {'up' if state.ready else 'starting'} (launcher: process {owner})."]
    healthy = state.ready
    for name, pid in state.components.items():
        alive = is_component(pid)
        healthy = healthy and alive
        restarts = state.restarts.get(name, 0)
        again = f", restarted {restarts} time{'s' * (restarts != 1)}" if restarts else ""
        lines.append(f"  {name:<20} {f'process {pid}' if alive else 'not running'}{again}")
    try:
        for name, ready in sorted(asyncio.run(_nodes(data.kubeconfig)).items()):
            healthy = healthy and ready
            lines.append(f"  node {name:<15} {'Ready' if ready else 'NotReady'}")
    except Exception as error:  # whatever keeps the API from answering is the answer here
        healthy = False
        lines.append(f"  the API does not answer: {error}")
    lines.append(f"  kubeconfig           {data.kubeconfig}")
    return Status(lines, healthy)


async def _nodes(kubeconfig: Path) -> dict[str, bool]:
    from api.core_v1 import Node
    from client.cluster.readiness import is_ready
    from client.config import load_kubeconfig
    from client.rest import RestClient

    async with RestClient(load_kubeconfig(kubeconfig), user_agent="nanokube/status") as client:
        listed = await client.list(Node)
        return {node.metadata.name: is_ready(node) for node in listed.items}
