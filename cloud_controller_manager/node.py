"""Writes into new nodes what the provider knows of them, and then lets pods onto them.

https://kubernetes.io/docs/tasks/administer-cluster/running-cloud-controller/
"""

from __future__ import annotations

from typing import Any

from api.core_v1 import Node
from api.errors import NotFound
from client.controller import Controller, Key, Watches
from cloud_controller_manager.provider import Instance, Instances

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
_LABELS = {
    "instance_type": ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
    "zone": ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
    "region": ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
}


class CloudNodeController(Controller):
    name = "cloud-node-controller"

    def __init__(self, *common: Any, instances: Instances) -> None:
        self.instances = instances
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node)

    async def reconcile(self, key: Key) -> None:
        node = self.nodes.get(key)
        if node is None or node.metadata.deletionTimestamp is not None:
            return
        if not any(taint.key == UNINITIALIZED for taint in node.spec.taints):
            return
        try:
            changed = initialized(node, await self.instances.describe(node))
            if changed.status != node.status:
                updated = await self.client.update(changed, subresource="status")
                changed.metadata.resourceVersion = updated.metadata.resourceVersion
            await self.client.update(changed)
        except NotFound:
            return  # the node's lifecycle is another controller's
        self.events.event(node, "Normal", "Synced", "Node synced successfully")


def initialized(node: Node, instance: Instance) -> Node:
    """The node with all that is known of it, open for pods."""
    node = node.copy_deep()
    node.spec.providerID = node.spec.providerID or instance.provider_id
    node.spec.taints = [taint for taint in node.spec.taints if taint.key != UNINITIALIZED]
    for fact, names in _LABELS.items():
        if value := getattr(instance, fact):
            node.metadata.labels |= dict.fromkeys(names, value)
    node.metadata.labels |= instance.labels
    if instance.addresses:
        node.status.addresses = [*instance.addresses]
    return node
