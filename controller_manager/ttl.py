"""Tells kubelets how long they may keep Secrets and ConfigMaps: the larger the cluster, the longer.

An annotation of every node says it, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.core_v1 import Node
from api.errors import NotFound
from client.controller import Controller, Key, Watches, nothing

ANNOTATION = "node.alpha.kubernetes.io/ttl"
_STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 10000, 300), (9000, 2**31, 600))
"""(fewest nodes, most nodes, seconds).  They overlap, so that a node more or less does not change all others."""


class TTLController(Controller):
    name = "ttl-controller"

    def setup(self, watch: Watches) -> None:
        self._step = 0
        self.nodes = watch(Node, enqueue=nothing)
        watch(Node, enqueue=self._changed)  # which may be told at once of nodes that are known already

    def _changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        self._step = step(self._step, len(self.nodes))
        if new is not None and new.metadata.annotations.get(ANNOTATION) != self.wanted:
            yield new.metadata.name

    @property
    def wanted(self) -> str:
        return str(_STEPS[self._step][2])

    async def reconcile(self, key: Key) -> None:
        node = self.nodes.get(key)
        if node is None or node.metadata.annotations.get(ANNOTATION) == self.wanted:
            return
        try:
            body = {"metadata": {"annotations": {ANNOTATION: self.wanted}}}
            await self.client.patch(Node, key, "", body, type="strategic")
        except NotFound:
            return


def step(now: int, nodes: int) -> int:
    """The step for a number of nodes, coming from another."""
    while nodes > _STEPS[now][1]:
        now += 1
    while nodes < _STEPS[now][0]:
        now -= 1
    return now
