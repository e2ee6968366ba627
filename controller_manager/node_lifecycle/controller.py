"""Looks at every node's heartbeats in regular rounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from api.coordination_v1 import Lease
from api.core_v1 import Node, Pod
from api.errors import Conflict, NotFound
from client.controller import Controller, Key, Watches, nothing
from client.metrics import Counter
from controller_manager.node_lifecycle.health import Heartbeat, lost_conditions, observe, ready_status
from controller_manager.node_lifecycle.taints import no_execute_key, wanted_taints
from controller_manager.node_lifecycle.zones import EvictionBudget, Limits, rates, zone_of
from controller_manager.pod_state import condition

log = logging.getLogger(__name__)

_ROUND = "all nodes"
_LEASES = "kube-node-lease"
NODE_INDEX = "node"


def by_node(pod: Pod) -> tuple[str, ...]:
    return (pod.spec.nodeName,) if pod.spec.nodeName else ()


class NodeLifecycleController(Controller):
    name = "node-lifecycle-controller"
    workers = 8

    def __init__(
        self,
        *common: Any,
        monitor_period: float = 5.0,
        grace_period: float = 50.0,
        startup_grace_period: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        """Seconds: `monitor_period` between rounds, `grace_period` of silence after which a node counts as lost,
        `startup_grace_period` for a node that has not reported yet."""
        self.monitor_period, self.grace_period = monitor_period, grace_period
        self.startup_grace_period = startup_grace_period
        self.limits = limits or Limits()
        self.heartbeats: dict[str, Heartbeat] = {}
        self.budget = EvictionBudget()
        self._evictions = Counter(
            "node_collector_evictions_total", "Nodes that were given up, since this process started.", ("zone",)
        )
        self.measures = (self._evictions,)
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.nodes = watch(Node, enqueue=self._node_changed)
        # Those of all namespaces, few as the others are: garbage collection, which needs them all, shares them.
        self.leases = watch(Lease, enqueue=self._lease_changed)
        self.pods = watch(Pod, enqueue=nothing, indexers={NODE_INDEX: by_node})
        self.queue.add(_ROUND)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        if new is None:
            if old is not None:
                self.heartbeats.pop(old.metadata.name, None)
                self._tell(old, "RemovingNode", f"Removing Node {old.metadata.name} from Controller")
            return
        if old is None:
            self._tell(new, "RegisteredNode", f"Registered Node {new.metadata.name} in Controller")
        self._observe(new)
        if old is None or old.status.conditions != new.status.conditions or old.spec != new.spec:
            yield new.metadata.name

    def _tell(self, node: Node, reason: str, message: str) -> None:
        self.events.event(node, "Normal", reason, f"Node {node.metadata.name} event: {message}")

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> Iterable[Key]:
        if new is not None and new.metadata.namespace == _LEASES and (node := self.nodes.get(new.metadata.name)):
            self._observe(node)
        return ()

    def _observe(self, node: Node) -> None:
        name = node.metadata.name
        lease = self.leases.get(f"{_LEASES}/{name}")
        self.heartbeats[name] = observe(self.heartbeats.get(name), node, lease, self.clock.monotonic())

    async def reconcile(self, key: Key) -> None:
        if key == _ROUND:
            self.queue.add_after(_ROUND, self.monitor_period)
            self.budget.refill(rates(self.nodes.list(), self.limits), self.clock.monotonic())
            for known in self.nodes.list():  # changes of a node that is well bring its key themselves
                if ready_status(known) != "True" or self._is_lost(known):
                    self.queue.add(known.metadata.name)
            return
        node = self.nodes.get(key)
        if node is None:
            return
        if self._is_lost(node):
            node = await self._mark_lost(node)
        if ready_status(node) != "True":
            await self._mark_pods_not_ready(node)
        await self._taint(node)

    def _is_lost(self, node: Node) -> bool:
        if ready_status(node) == "Unknown" and any(c.type == "Ready" for c in node.status.conditions):
            return False  # known already
        never = not any(c.type == "Ready" for c in node.status.conditions)
        patience = self.startup_grace_period if never else self.grace_period
        self._observe(node)
        return self.clock.monotonic() - self.heartbeats[node.metadata.name].seen_at > patience

    async def _mark_lost(self, node: Node) -> Node:
        name = node.metadata.name
        log.warning("node %s has not been heard of for %g s", name, self.grace_period)
        updated = node.copy_deep()
        updated.status.conditions = lost_conditions(node, self.clock.now())
        try:
            node = await self.client.update(updated, subresource="status")
        except (Conflict, NotFound):
            return node  # it lives after all, or is gone: the event says which
        self.events.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        return node

    async def _taint(self, node: Node) -> None:
        """Put the taints right.  A new NoExecute taint needs a token: if there is none, the next round tries again."""
        has = {t.key for t in node.spec.taints if t.effect == "NoExecute"}
        gives_up = no_execute_key(node) and no_execute_key(node) not in has
        changing = gives_up and any(key.startswith("node.kubernetes.io/") for key in has)
        may_evict = bool(gives_up) and (bool(changing) or self.budget.take(zone_of(node)))
        taints = wanted_taints(node, may_evict=may_evict, now=self.clock.now())
        if taints == node.spec.taints:
            return
        body = {
            "metadata": {"resourceVersion": node.metadata.resourceVersion},
            "spec": {"taints": [taint.to_dict() for taint in taints] or None},
        }
        try:
            await self.client.patch(Node, node.metadata.name, "", body)
        except NotFound:
            return
        if may_evict:
            self._evictions.inc(zone_of(node))

    async def _mark_pods_not_ready(self, node: Node) -> None:
        """Nobody else can say that the pods of a lost node are not ready, so that services leave them out."""

        async def mark(pod: Pod) -> None:
            updated = pod.copy_deep()
            ready = condition(updated, "Ready")
            assert ready is not None
            ready.status, ready.lastTransitionTime = "False", self.clock.now().replace(microsecond=0)
            try:
                await self.client.update(updated, subresource="status")
            except (Conflict, NotFound):
                return
            self.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")

        pods = self.pods.by_index(NODE_INDEX, node.metadata.name)
        ready_pods = [pod for pod in pods if (c := condition(pod, "Ready")) is not None and c.status == "True"]
        await asyncio.gather(*(mark(pod) for pod in ready_pods))
