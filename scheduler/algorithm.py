"""From a pod to a node: filter, score, choose.  Pure: reads the cache, changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scheduler.cache import Cache
from scheduler.diagnosis import NoNodesAvailable, Unfit
from scheduler.framework import CycleState, Status, unresolvable, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.node_verdicts import NodeVerdicts
from scheduler.nominations import Nominations
from scheduler.pod_info import PodInfo
from scheduler.runtime import Framework

if TYPE_CHECKING:
    from scheduler.extender import Extender

_FEWEST_NODES = 100
_LOWEST_PERCENTAGE = 5


@dataclass(frozen=True, slots=True)
class Choice:
    node_name: str
    evaluated: int
    feasible: int


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
        feasible, statuses = self._find(framework, state, pod)
        return self._best(framework, state, pod, feasible, statuses, {})

    async def schedule_with(
        self, extenders: Sequence[Extender], framework: Framework, state: CycleState, pod: PodInfo
    ) -> Choice:
        """The same, extenders having a say after the filters and after the scores.  Raises ExtenderFailed too."""
        feasible, statuses = self._find(framework, state, pod)
        wishes: dict[str, int] = {}
        for extender in extenders:
            if feasible:
                feasible, refused = await extender.filter(pod, feasible)
                statuses.update(refused)
        if len(feasible) > 1:
            for extender in extenders:
                for name, score in (await extender.prioritize(pod, feasible)).items():
                    wishes[name] = wishes.get(name, 0) + score
        there = [node for node in feasible if node.node is not None and self._cache.nodes.get(node.name) is node]
        return self._best(framework, state, pod, there, statuses, wishes)

    def _find(self, framework: Framework, state: CycleState, pod: PodInfo) -> tuple[list[NodeInfo], dict[str, Status]]:
        if not self._cache.ordered:
            raise NoNodesAvailable
        return self._feasible(framework, state, pod)

    def _best(
        self,
        framework: Framework,
        state: CycleState,
        pod: PodInfo,
        feasible: list[NodeInfo],
        statuses: dict[str, Status],
        wishes: Mapping[str, int],
    ) -> Choice:
        """One of the nodes with the highest score; `wishes` are further scores by node name."""
        evaluated = len(feasible) + len(statuses)
        if not feasible:
            raise Unfit(len(self._cache.ordered), statuses)
        if len(feasible) == 1:
            return Choice(feasible[0].name, evaluated, 1)
        since = framework.now()
        local = self._verdicts.scores(framework, state, pod, feasible)
        scores = framework.run_scores(state, pod, feasible, local)
        framework.took("Score", since)
        if wishes:
            scores = [score + wishes.get(node.name, 0) for score, node in zip(scores, feasible, strict=True)]
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
        since = framework.now()
        names, narrowed_by, refusal = framework.run_pre_filter(state, pod)
        framework.took("PreFilter", since, refusal)
        if refusal is not None:
            raise Unfit(len(everything), {node.name: refusal for node in everything}, pre_filter=refusal.message)
        nominated = pod.nominated_node or self._nominations.node_of(pod.uid)
        if nominated and (node := cache.nodes.get(nominated)) is not None and node.node is not None:
            promised, _ = self._pass(framework, state, pod, [node], 0, 1)
            if promised and (names is None or node.name in names):
                return promised, {}
        if names is None:
            start = self._next_start % len(everything)
            feasible, statuses = self._pass(
                framework, state, pod, everything, start, self.wanted(len(everything), framework)
            )
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
        since = framework.now()
        feasible, statuses = self._passing(framework, state, pod, nodes, start, wanted)
        framework.took("Filter", since, None if feasible else next(iter(statuses.values()), None))
        return feasible, statuses

    def _passing(
        self, framework: Framework, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], start: int, wanted: int
    ) -> tuple[list[NodeInfo], dict[str, Status]]:
        refused = self._verdicts.of(framework, state, pod).refused
        checks = framework.wider_filters(state)
        feasible: list[NodeInfo] = []
        statuses: dict[str, Status] = {}
        in_turn = [*nodes[start:], *nodes[:start]]
        seen = 0
        while seen < len(in_turn) and len(feasible) < wanted:
            left = in_turn[seen : seen + wanted - len(feasible)]  # were all of them to pass, they would be enough
            seen += len(left)
            if refused:
                statuses.update((node.name, refused[node.name]) for node in left if node.name in refused)
                left = [node for node in left if node.name not in refused]
            for plugin, check in checks:
                found = check(state, pod, left)
                if any(found):
                    left = _without_refused(left, found, plugin, statuses)
            if self._nominations:
                found = [self._with_others(framework, pod, node) for node in left]
                left = _without_refused(left, found, "", statuses)
            feasible += left
        return feasible, statuses

    def _with_others(self, framework: Framework, pod: PodInfo, node: NodeInfo) -> Status | None:
        """Whether the node would still do when the pods it was promised to had come."""
        others = self._nominations.ahead_of(pod, node.name)
        return what_if(self._cache, node, add=others, ask=lambda: check_node(framework, pod, node)) if others else None

    def wanted(self, count: int, framework: Framework | None = None) -> int:
        """How many feasible nodes are enough to score, of so many nodes."""
        own = framework.percentage_of_nodes if framework is not None else None
        percentage = self._percentage if own is None else own
        if count < _FEWEST_NODES or percentage >= 100:
            return count
        percentage = percentage or max(50 - count // 125, _LOWEST_PERCENTAGE)
        return max(count * percentage // 100, _FEWEST_NODES)


def _without_refused(
    nodes: Sequence[NodeInfo], found: Sequence[Status | None], plugin: str, statuses: dict[str, Status]
) -> list[NodeInfo]:
    """The nodes nothing was `found` against; `statuses` gets what was against the others, and which plugin said so."""
    for node, status in zip(nodes, found, strict=True):
        if status is not None:
            statuses[node.name] = Status(status.code, status.reasons, plugin or status.plugin)
    return [node for node, status in zip(nodes, found, strict=True) if status is None]


def check_node(framework: Framework, pod: PodInfo, node: NodeInfo) -> Status | None:
    """All filters for one node, from the beginning: the cache may differ from what the cycle started with."""
    state = CycleState()
    names, _, refusal = framework.run_pre_filter(state, pod)
    if refusal is not None:
        return refusal
    if names is not None and node.name not in names:
        return unschedulable("the node is not among those that come into question")
    return framework.run_filters(state, pod, node)


def check_with(
    cache: Cache, framework: Framework, pod: PodInfo, node: NodeInfo, others: Sequence[PodInfo]
) -> Status | None:
    """Whether the node does both as it is and when the pods it was promised to have come."""
    if others:
        status = what_if(cache, node, add=others, ask=lambda: check_node(framework, pod, node))
        if status is not None:
            return status
    return check_node(framework, pod, node)


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
