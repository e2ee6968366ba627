"""Remembers what each node is worth to pods that ask for the same, as long as the node does not change.

Most filters and resource scores look at one node alone.  The pods of a workload ask exactly the same of it,
and between two of them one node has changed: the one that got the last pod.  So the answers are kept by what
is asked, and only changed nodes are asked again (as in KEP-5598, opportunistic batching).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from scheduler.cache import Cache
from scheduler.framework import CycleState, Status
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.runtime import Framework

_KEPT = 64


@dataclass(slots=True)
class Verdicts:
    """By node name: the first objection of the node-local filters, where there is one, and the node-local
    plugins' weighted score of those nodes without objection that were scored since they changed."""

    refused: dict[str, Status] = field(default_factory=dict)
    score: dict[str, int] = field(default_factory=dict)
    seen: int = -1
    """How much of the cache's log of changes is worked in; -1 for nothing."""


class NodeVerdicts:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._kept: OrderedDict[object, Verdicts] = OrderedDict()

    def of(self, framework: Framework, state: CycleState, pod: PodInfo) -> Verdicts:
        """Current verdicts on all existing nodes.  Call after the pre-filters; do not change the result."""
        key = framework.scheduler_name, pod.signature
        verdicts = self._kept.get(key)
        if verdicts is None:
            verdicts = self._kept[key] = Verdicts()
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        changed = self._cache.changed_since(verdicts.seen)
        verdicts.seen = self._cache.changes
        if changed is None:
            verdicts.refused.clear()
            verdicts.score.clear()
            self._judge(verdicts, framework, state, pod, self._cache.ordered)
        elif changed:
            nodes = self._cache.nodes
            for name in changed:
                verdicts.refused.pop(name, None)
                verdicts.score.pop(name, None)
            self._judge(verdicts, framework, state, pod, [nodes[name] for name in changed if name in nodes])
        return verdicts

    def _judge(
        self, verdicts: Verdicts, framework: Framework, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]
    ) -> None:
        checks = framework.filters(state, node_local=True)
        for node in nodes:
            if node.node is None:
                continue
            for plugin, check in checks:
                status = check(state, pod, node)
                if status is not None:
                    verdicts.refused[node.name] = Status(status.code, status.reasons, plugin)
                    break

    def scores(self, framework: Framework, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The node-local plugins' weighted scores of nodes without objection."""
        known = self.of(framework, state, pod).score
        try:
            return [known[node.name] for node in nodes]
        except KeyError:  # only what is asked for is worked out: most clusters have more nodes than are scored
            missing = [node for node in nodes if node.name not in known]
            found = framework.node_local_scores(state, pod, missing)
            known.update((node.name, score) for node, score in zip(missing, found, strict=True))
            return [known[node.name] for node in nodes]
