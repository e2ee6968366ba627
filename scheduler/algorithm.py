"""From a pod to a node: filter, score, choose.  Pure: reads the cache, changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scheduler.cache import Cache
from scheduler.diagnosis import NoNodesAvailable, Unfit
from scheduler.framework import CycleState, Framework, Status, unresolvable, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.node_verdicts import NodeVerdicts
from scheduler.pod_info import PodInfo

_FEWEST_NODES = 100
_LOWEST_PERCENTAGE = 5


@dataclass(frozen=True, slots=True)
class Choice:
    node_name: str
    evaluated: int
    feasible: int


class Nominations:
    """Pods that were promised a node (room is being made there), by node."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}

    def set(self, pod: PodInfo, node_name: str) -> None:
        """Promise a node to a pod, or take the promise back with an empty name."""
        self.drop(pod.uid)
        if node_name:
            self._by_node.setdefault(node_name, {})[pod.uid] = pod
            self._node_of[pod.uid] = node_name

    def drop(self, uid: str) -> None:
        node = self._node_of.pop(uid, None)
        if node is not None:
            pods = self._by_node[node]
            del pods[uid]
            if not pods:
                del self._by_node[node]

    def __bool__(self) -> bool:
        return bool(self._node_of)

    def node_of(self, uid: str) -> str:
        """The node promised to a pod; empty for none."""
        return self._node_of.get(uid, "")

    def ahead_of(self, pod: PodInfo, node_name: str) -> list[PodInfo]:
        """The other pods promised this node that are at least as important."""
        pods = self._by_node.get(node_name)
        if not pods:
            return []
        return [p for p in pods.values() if p.uid != pod.uid and p.priority >= pod.priority]

    def behind(self, pod: PodInfo, node_name: str) -> list[PodInfo]:
        """The pods promised this node that are less important."""
        return [p for p in self._by_node.get(node_name, {}).values() if p.priority < pod.priority]


class Algorithm:
    def __init__(
        self,
        cache: Cache,
        nominations: Nominations,
        *,
        percentage_of_nodes: int = 0,
        choose: random.Random | None = None,
    ) -> None:
        self._cache = cache
        self._nominations = nominations
        self._percentage = percentage_of_nodes
        self._random = choose or random.Random()
        self._next_start = 0
        self._verdicts = NodeVerdicts(cache)

    def schedule(self, framework: Framework, state: CycleState, pod: PodInfo) -> Choice:
        """The best node for a pod.  Raises NoNodesAvailable and Unfit."""
        if not self._cache.ordered:
            raise NoNodesAvailable
        feasible, statuses = self._feasible(framework, state, pod)
        evaluated = len(feasible) + len(statuses)
        if not feasible:
            raise Unfit(len(self._cache.ordered), statuses)
        if len(feasible) == 1:
            return Choice(feasible[0].name, evaluated, 1)
        verdicts = self._verdicts.of(framework, state, pod)
        local = [verdicts.score[node.name] for node in feasible]
        scores = framework.run_scores(state, pod, feasible, local)
        best = max(scores)
        first = scores.index(best)
        ties = scores.count(best)
        if ties > 1:
            first = self._random.choice([i for i, score in enumerate(scores) if score == best])
        return Choice(feasible[first].name, evaluated, len(feasible))

    def _feasible(
        self, framework: Framework, state: CycleState, pod: PodInfo
    ) -> tuple[list[NodeInfo], dict[str, Status]]:
        cache = self._cache
        everything = cache.ordered
        names, narrowed_by, refusal = framework.run_pre_filter(state, pod)
        if refusal is not None:
            raise Unfit(len(everything), {node.name: refusal for node in everything}, pre_filter=refusal.message)
        nominated = pod.nominated_node or self._nominations.node_of(pod.uid)
        if nominated and (node := cache.nodes.get(nominated)) is not None and node.node is not None:
            promised, _ = self._pass(framework, state, pod, [node], 0, 1)
            if promised and (names is None or node.name in names):
                return promised, {}
        if names is None:
            start = self._next_start % len(everything)
            feasible, statuses = self._pass(framework, state, pod, everything, start, self.wanted(len(everything)))
            self._next_start = start + len(feasible) + len(statuses)
            return feasible, statuses
        chosen = [cache.nodes[name] for name in sorted(names) if name in cache.nodes and cache.nodes[name].node]
        feasible, statuses = self._pass(framework, state, pod, chosen, 0, len(chosen))
        if not feasible:
            reason = unresolvable(f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(narrowed_by))}]")
            left_out = Status(reason.code, reason.reasons, narrowed_by[0])
            for node in everything:
                statuses.setdefault(node.name, left_out)
        return feasible, statuses

    def _pass(
        self, framework: Framework, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], start: int, wanted: int
    ) -> tuple[list[NodeInfo], dict[str, Status]]:
        """Filter, beginning at `start` and going round, until `wanted` nodes passed."""
        verdict = self._verdicts.of(framework, state, pod).status
        checks = framework.filters(state, node_local=False)
        feasible: list[NodeInfo] = []
        statuses: dict[str, Status] = {}
        nominations = self._nominations
        promised = bool(nominations)
        for node in (*nodes[start:], *nodes[:start]) if start else nodes:
            status = verdict[node.name]
            if status is not None:
                statuses[node.name] = status
                continue
            for plugin, check in checks:
                status = check(state, pod, node)
                if status is not None:
                    statuses[node.name] = Status(status.code, status.reasons, plugin)
                    break
            else:
                if promised and (ahead := nominations.ahead_of(pod, node.name)):
                    status = self._with_others(framework, pod, node, ahead)
                    if status is not None:
                        statuses[node.name] = status
                        continue
                feasible.append(node)
                if len(feasible) >= wanted:
                    break
        return feasible, statuses

    def _with_others(
        self, framework: Framework, pod: PodInfo, node: NodeInfo, others: Sequence[PodInfo]
    ) -> Status | None:
        """Whether the node would still do when the pods it was promised to had come."""
        return what_if(self._cache, node, add=others, ask=lambda: check_node(framework, pod, node))

    def wanted(self, count: int) -> int:
        """How many feasible nodes are enough to score, of so many nodes."""
        if count < _FEWEST_NODES or self._percentage >= 100:
            return count
        percentage = self._percentage or max(50 - count // 125, _LOWEST_PERCENTAGE)
        return max(count * percentage // 100, _FEWEST_NODES)


def check_node(framework: Framework, pod: PodInfo, node: NodeInfo) -> Status | None:
    """All filters for one node, from the beginning: the cache may differ from what the cycle started with."""
    state = CycleState()
    names, _, refusal = framework.run_pre_filter(state, pod)
    if refusal is not None:
        return refusal
    if names is not None and node.name not in names:
        return unschedulable("the node is not among those that come into question")
    return framework.run_filters(state, pod, node)


def what_if(
    cache: Cache,
    node: NodeInfo,
    *,
    add: Sequence[PodInfo] = (),
    ask: Callable[[], Status | None],
) -> Status | None:
    """Ask a question as if more pods were on a node, and leave the cache as it was."""
    placed: list[tuple[PodInfo, str]] = []
    try:
        for pod in add:
            if cache.pod(pod.uid) is None:
                placed.append((pod, pod.node_name))
                pod.node_name = node.name
                cache.put_back(pod)
        return ask()
    finally:
        for pod, before in reversed(placed):
            cache.take_away(pod)
            pod.node_name = before
