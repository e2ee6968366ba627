"""`nanokube up` returns when the nodes are ready, and not before."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from api.clock import SystemClock
from api.core_v1 import Node, ServiceAccount
from client.cluster.readiness import wait
from client.rest import RestClient
from tests.client.api_double import api_double
from tests.client.waiting import eventually


async def test_a_server_that_breaks_off_does_not_make_a_node_ready(tmp_path: Path) -> None:
    async with api_double() as server, RestClient(server.config) as client:
        cluster = {"name": "c", "cluster": {"server": server.config.server}}
        context = {"name": "c", "context": {"cluster": "c", "user": ""}}
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "current-context": "c"}))
        await client.create(Node.from_dict({"metadata": {"name": "n"}}))
        await client.create(ServiceAccount.from_dict({"metadata": {"name": "default", "namespace": "default"}}))
        told: list[str] = []
        waiting = asyncio.create_task(wait(kubeconfig, {"n"}, told.append, SystemClock()))
        await eventually(lambda: server.watches == 1)
        await server.stop()
        await server.start()
        await eventually(lambda: server.watches == 1 or waiting.done())
        assert not waiting.done()
        conditions = [{"type": "Ready", "status": "True"}]
        await client.patch(Node, "n", "", {"status": {"conditions": conditions}}, subresource="status")
        await asyncio.wait_for(waiting, 60)
    assert told == ["node n is ready"]
