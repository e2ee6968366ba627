"""One process that stands for many nodes, whose pods have more to report than the server can take."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from api.clock import ManualClock
from api.coordination_v1 import Lease
from api.core_v1 import Container, Pod, PodSpec
from api.meta_v1 import ObjectMeta
from client.component import Component
from client.events import EventRecorder
from client.rest import RestClient
from kubelet.options import parser
from kubelet.process import KubeletProcess
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually

NODES = [f"n{number}" for number in range(6)]
PODS_EACH = 8


class Stuck(ApiDouble):
    """Never answers who reports what became of a pod."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0

    async def _handle(self, method: str, path: str, *rest: Any) -> Any:
        if method == "PATCH" and path.endswith("/status") and "/pods/" in path:
            self.waiting += 1
            await asyncio.Event().wait()
        return await super()._handle(method, path, *rest)


async def test_nodes_live_on_while_what_their_pods_report_is_stuck(tmp_path: Path) -> None:
    arguments = ["--nodes", ",".join(NODES), "--container-runtime", "sim", "--root-dir", str(tmp_path), "--port", "0"]
    options = parser().parse_args([*arguments, "--pod-cidr", "10.9.0.0/16"])
    server, clock = Stuck(), ManualClock()
    await server.start()
    async with RestClient(server.config, clock=clock) as client:
        component = Component("kubelet", options, client, EventRecorder(client, "kubelet", clock), clock)
        running = asyncio.create_task(KubeletProcess(options).run(component))
        try:
            await eventually(lambda: len(leases(server)) == len(NODES))
            async with RestClient(server.config, clock=clock) as other:
                for number in range(PODS_EACH * len(NODES)):
                    spec = PodSpec(containers=[Container(name="c", image="i")], nodeName=NODES[number % len(NODES)])
                    await other.create(Pod(metadata=ObjectMeta(name=f"p{number}", namespace="default"), spec=spec))
            await eventually(lambda: server.waiting >= 24, "all connections for calls are taken")
            before = leases(server)

            async def renewed() -> bool:
                await clock.advance(11)  # more than once: a node may not have begun to wait when the first have
                return all(leases(server)[name] != time for name, time in before.items())

            await eventually(renewed, "all nodes live on")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await server.close()


def leases(server: ApiDouble) -> dict[str, Any]:
    """When each node's lease was renewed."""
    found = [Lease.from_dict(document) for key, document in server.objects.items() if key[0].startswith("leases")]
    return {lease.metadata.name: lease.spec.renewTime for lease in found}
