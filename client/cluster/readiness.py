"""Waits until a started cluster is of use: its nodes Ready and, where a controller manager is among what was started,
the default ServiceAccount there for pods.

What nobody waits for comes a moment later.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from api.clock import Clock, SystemClock
from api.core_v1 import Node, ServiceAccount
from api.errors import StatusError
from api.model import Model
from client.cluster.default_class import make_default_class
from client.config import load_kubeconfig
from client.rest import RestClient, Unreachable

_RETRY = 0.2


def wait_body(kubeconfig: Path, nodes: list[str], accounts: bool, report: int) -> Callable[[], int]:
    """The body of a child that writes one line about each thing that is ready to the pipe `report`, closes it, makes
    what a new cluster is to have besides, and ends.  Without `accounts` it waits for the nodes alone."""

    def body() -> int:
        def tell(line: str) -> None:
            os.write(report, f"{line}\n".encode())

        clock = SystemClock()
        asyncio.run(wait(kubeconfig, set(nodes), tell, clock, accounts=accounts))
        os.close(report)
        asyncio.run(make_default_class(kubeconfig, clock))
        return 0

    return body


async def wait(
    kubeconfig: Path, nodes: set[str], tell: Callable[[str], None], clock: Clock, *, accounts: bool = True
) -> None:
    """Until all is there, whatever becomes of requests on the way: to return is to say that it is."""
    total = len(nodes)
    async with RestClient(load_kubeconfig(kubeconfig), user_agent="nanokube/up", clock=clock) as client:
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_nodes_ready(client, nodes, total, tell))
                    if accounts:
                        tasks.create_task(_exists(client, ServiceAccount, "default", "default"))
                return
            except* (StatusError, Unreachable) as failed:
                print(f"looking again for what is ready: {failed.exceptions[0]}", file=sys.stderr)
            await clock.sleep(_RETRY)


async def _nodes_ready(client: RestClient, missing: set[str], total: int, tell: Callable[[str], None]) -> None:

    def seen(node: Node) -> None:
        if node.metadata.name in missing and is_ready(node):
            missing.discard(node.metadata.name)
            if total <= 5:
                tell(f"node {node.metadata.name} is ready")

    while missing:
        listed = await client.list(Node)
        for node in listed.items:
            seen(node)
        if not missing:
            break
        async for event in client.watch(Node, resource_version=listed.metadata.resourceVersion):
            if isinstance(event.object, Node):
                seen(event.object)
            if not missing:
                break
    if total > 5:
        tell(f"all {total} nodes are ready")


async def _exists(client: RestClient, model: type[Model], name: str, namespace: str) -> None:
    selector = f"metadata.name={name}"
    while not (listed := await client.list(model, namespace, field_selector=selector)).items:
        version = listed.metadata.resourceVersion
        async for event in client.watch(model, namespace, resource_version=version, field_selector=selector):
            if event.type == "ADDED":
                return


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
