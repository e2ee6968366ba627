"""DefaultPreemption: when no node has room, remove less important pods from one
(https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from scheduler.algorithm import Nominations, check_node
from scheduler.cache import Cache
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.diagnosis import reasons, summary
from scheduler.framework import (
    Code,
    CycleState,
    Framework,
    PostFilterResult,
    Status,
    unresolvable,
    unschedulable,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

_NOT_HELPFUL = unresolvable("Preemption is not helpful for scheduling")
_NO_VICTIMS = unresolvable("No preemption victims found for incoming pod")
_NEVER = "not eligible due to preemptionPolicy=Never."
_UNDER_WAY = "not eligible due to a terminating pod on the nominated node."
_FEWEST_CANDIDATES = 100
_LATEST = datetime.max.replace(tzinfo=UTC)

Evict = Callable[[PodInfo, PodInfo, str], Awaitable[None]]
"""Delete a victim (first) for a pod (second) on a node."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and whom to remove from it, the most important first."""

    node: NodeInfo
    victims: tuple[PodInfo, ...]

    def cost(self) -> tuple[int, int, int, float]:
        """Smaller is better: the most important victim's priority, the sum, the number, the age of the first."""
        highest = self.victims[0].priority
        longest = min(started(v) for v in self.victims if v.priority == highest)
        # The sum is taken from the lowest possible priority, so that more victims never make it smaller.
        total = sum(v.priority + 2**31 for v in self.victims)
        return highest, total, len(self.victims), -longest.timestamp()


class DefaultPreemption:
    name = "DefaultPreemption"

    def __init__(
        self, cache: Cache, nominations: Nominations, framework_of: Callable[[PodInfo], Framework], evict: Evict
    ) -> None:
        self._cache = cache
        self._nominations = nominations
        self._framework_of = framework_of
        self._evict = evict

    def post_filter(self, state: CycleState, pod: PodInfo, statuses: Mapping[str, Status]) -> PostFilterResult:
        """Nominate the node where it costs least, and delete the victims there after the cycle."""
        why_not = self._ineligible(pod)
        if why_not:
            return PostFilterResult(unschedulable(f"preemption: {why_not}"))
        verdicts: dict[str, Status] = {}
        candidates: list[Candidate] = []
        nodes = self._cache.ordered
        enough = max(len(nodes) // 10, _FEWEST_CANDIDATES)
        for node in nodes:
            status = statuses.get(node.name)
            if status is None or status.code is not Code.UNSCHEDULABLE:
                verdicts[node.name] = _NOT_HELPFUL
            elif len(candidates) < enough:
                found = self._victims(pod, node)
                if isinstance(found, Candidate):
                    candidates.append(found)
                else:
                    verdicts[node.name] = found
        if not candidates:
            return PostFilterResult(unschedulable("preemption: " + summary(len(nodes), reasons(verdicts))))
        best = min(candidates, key=Candidate.cost)

        async def act() -> None:
            for victim in best.victims:
                await self._evict(victim, pod, best.node.name)

        for promised in self._nominations.behind(pod, best.node.name):
            self._nominations.drop(promised.uid)
        return PostFilterResult(nominated_node=best.node.name, action=act)

    def _ineligible(self, pod: PodInfo) -> str:
        if pod.pod.spec.preemptionPolicy == "Never":
            return _NEVER
        nominated = self._nominations.node_of(pod.uid) or pod.nominated_node
        node = self._cache.nodes.get(nominated) if nominated else None
        if node is not None and any(p.terminating and p.priority < pod.priority for p in node.pods.values()):
            return _UNDER_WAY
        return ""

    def _victims(self, pod: PodInfo, node: NodeInfo) -> Candidate | Status:
        """The fewest and least important pods whose removal lets the pod in."""
        lower = sorted((p for p in node.pods.values() if p.priority < pod.priority), key=importance)
        if not lower:
            return _NO_VICTIMS
        framework = self._framework_of(pod)
        removed: list[PodInfo] = []
        try:
            for victim in lower:
                self._cache.take_away(victim)
                removed.append(victim)
            status = check_node(framework, pod, node)
            if status is not None:
                return status
            for victim in lower:  # spare each again if the pod fits beside it, the most important first
                self._cache.put_back(victim)
                removed.remove(victim)
                if check_node(framework, pod, node) is not None:
                    self._cache.take_away(victim)
                    removed.append(victim)
            return Candidate(node, tuple(sorted(removed, key=importance)))
        finally:
            for victim in removed:
                self._cache.put_back(victim)

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return bool(event.change & Change.POD_DELETED)


def started(pod: PodInfo) -> datetime:
    """When the pod began to run; what has not begun counts as latest."""
    return pod.pod.status.startTime or _LATEST


def importance(pod: PodInfo) -> tuple[int, datetime]:
    """Sorts the most important first: higher priority, then longer running."""
    return -pod.priority, started(pod)
