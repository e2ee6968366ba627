"""Waits until a started cluster is of use: its nodes Ready, and the default ServiceAccount there for pods.

What nobody waits for comes a moment later.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from api.clock import SystemClock
from api.core_v1 import Node, ServiceAccount
from api.model import Model
from client.cluster.default_class import make_default_class
from client.config import load_kubeconfig
from client.rest import RestClient


def wait_body(kubeconfig: Path, nodes: list[str], report: int) -> Callable[[], int]:
    """The body of a child that writes one line about each thing that is ready to the pipe `report`, closes it, makes
    what a new cluster is to have besides, and ends."""

    def body() -> int:
        def tell(line: str) -> None:
            os.write(report, f"{line}\n".encode())

        asyncio.run(_wait(kubeconfig, set(nodes), tell))
        os.close(report)
        asyncio.run(make_default_class(kubeconfig, SystemClock()))
        return 0

    return body


async def _wait(kubeconfig: Path, nodes: set[str], tell: Callable[[str], None]) -> None:
    async with (
        RestClient(load_kubeconfig(kubeconfig), user_agent="nanokube/up") as client,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(_nodes_ready(client, nodes, tell))
        tasks.create_task(_exists(client, ServiceAccount, "default", "default"))


async def _nodes_ready(client: RestClient, missing: set[str], tell: Callable[[str], None]) -> None:
    total = len(missing)

    def seen(node: Node) -> None:
        if node.metadata.name in missing and is_ready(node):
            missing.discard(node.metadata.name)
            if total <= 5:
                tell(f"node {node.metadata.name} is ready")

    listed = await client.list(Node)
    for node in listed.items:
        seen(node)
    if missing:
        async for event in client.watch(Node, resource_version=listed.metadata.resourceVersion):
            if isinstance(event.object, Node):
                seen(event.object)
            if not missing:
                break
    if total > 5:
        tell(f"all {total} nodes are ready")


async def _exists(client: RestClient, model: type[Model], name: str, namespace: str) -> None:
    selector = f"metadata.name={name}"
    listed = await client.list(model, namespace, field_selector=selector)
    if listed.items:
        return
    version = listed.metadata.resourceVersion
    async for event in client.watch(model, namespace, resource_version=version, field_selector=selector):
        if event.type == "ADDED":
            return


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
