"""Deletes nodes whose machine is gone, and keeps pods away from those that are shut down."""

from __future__ import annotations

from typing import Any

from api.core_v1 import Node, Taint
from api.errors import NotFound
from client.controller import Controller, Key, Watches
from client.store import key_of
from cloud_controller_manager.provider import Instances

SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"


class CloudNodeLifecycleController(Controller):
    name = "cloud-node-lifecycle-controller"

    def __init__(self, *common: Any, instances: Instances, period: float = 5.0) -> None:
        """`period`: seconds between looks at machines whose nodes are not ready."""
        self.instances, self._period = instances, period
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node)

    async def reconcile(self, key: Key) -> None:
        node = self.nodes.get(key)
        if node is None:
            return
        try:
            if is_ready(node):
                await self._taint(node, shut_down=False)
                return
            self.queue.add_after(key_of(node), self._period)
            if not await self.instances.exists(node):
                message = f"Deleting node {node.metadata.name} because it does not exist in the cloud provider"
                self.events.event(node, "Normal", "DeletingNode", message)
                await self.client.delete(Node, node.metadata.name, uid=node.metadata.uid)
            else:
                await self._taint(node, shut_down=await self.instances.is_shut_down(node))
        except NotFound:
            return

    async def _taint(self, node: Node, *, shut_down: bool) -> None:
        is_tainted = any(taint.key == SHUTDOWN for taint in node.spec.taints)
        if is_tainted == shut_down or (is_tainted and not is_ready(node)):
            return  # the taint goes when the node is ready again
        changed = node.copy_deep()
        changed.spec.taints = [taint for taint in node.spec.taints if taint.key != SHUTDOWN]
        if shut_down:
            changed.spec.taints.append(Taint(key=SHUTDOWN, effect="NoSchedule"))
        await self.client.update(changed)


def is_ready(node: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)
