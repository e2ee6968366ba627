"""Deletes pods from nodes whose NoExecute taints they don't tolerate, at once or after tolerationSeconds.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
"""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import Node, Pod
from client.controller import Controller, Key, Watches
from client.store import key_of
from controller_manager.disruption import evict
from controller_manager.node_lifecycle.controller import NODE_INDEX, by_node
from controller_manager.node_lifecycle.taints import execute_taints, tolerated_seconds


class TaintEvictionController(Controller):
    name = "taint-eviction-controller"
    workers = 8

    def setup(self, watch: Watches) -> None:
        self._since: dict[str, float] = {}
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={NODE_INDEX: by_node})
        self.nodes = watch(Node, enqueue=self._node_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is None:
            if old is not None:
                self._since.pop(old.metadata.uid, None)
        elif new.spec.nodeName and (
            old is None or old.spec.nodeName != new.spec.nodeName or old.spec.tolerations != new.spec.tolerations
        ):
            yield key_of(new)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        if new is not None and execute_taints(new) != (execute_taints(old) if old is not None else []):
            yield from map(key_of, self.pods.by_index(NODE_INDEX, new.metadata.name))

    async def reconcile(self, key: Key) -> None:
        pod = self.pods.get(key)
        node = self.nodes.get(pod.spec.nodeName) if pod is not None else None
        if pod is None or node is None or pod.metadata.deletionTimestamp is not None:
            return
        uid, now = pod.metadata.uid, self.clock.monotonic()
        allowed = tolerated_seconds(pod.spec.tolerations, execute_taints(node))
        if allowed is None:
            if self._since.pop(uid, None) is not None:
                self.events.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return
        remaining = self._since.setdefault(uid, now) + allowed - now
        if remaining > 0:
            self.queue.add_after(key, remaining)
            return
        await self._evict(pod)
        self._since.pop(uid, None)

    async def _evict(self, pod: Pod) -> None:
        self.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key_of(pod)}")
        message = "Taint manager: deleting due to NoExecute taint"
        await evict(self.client, pod, "DeletionByTaintManager", message, self.clock.now())
