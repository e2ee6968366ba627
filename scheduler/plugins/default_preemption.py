"""DefaultPreemption: when no node has room, remove less important pods from one
(https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from api.core_v1 import Pod
from scheduler.algorithm import check_with
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.diagnosis import reasons, summary
from scheduler.framework import (
    Code,
    CycleState,
    PostFilterResult,
    Status,
    unresolvable,
    unschedulable,
)
from scheduler.handle import Handle
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

_NOT_HELPFUL = unresolvable("Preemption is not helpful for scheduling")
_NO_VICTIMS = unresolvable("No preemption victims found for incoming pod")
_NEVER = "not eligible due to preemptionPolicy=Never."
_UNDER_WAY = "not eligible due to a terminating pod on the nominated node."
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and whom to remove from it, the most important first."""

    node: NodeInfo
    victims: tuple[PodInfo, ...]
    violations: int = 0
    """How many of the victims a PodDisruptionBudget would keep."""

    def cost(self) -> tuple[int, int, int, int, float]:
        """Smaller is better: violations, the most important victim's priority, the sum, the number, the age."""
        highest = self.victims[0].priority
        longest = min(started(v) for v in self.victims if v.priority == highest)
        # The sum is taken from the lowest possible priority, so that more victims never make it smaller.
        total = sum(v.priority + 2**31 for v in self.victims)
        return self.violations, highest, total, len(self.victims), -longest.timestamp()


class DefaultPreemption:
    name = "DefaultPreemption"

    def __init__(self, handle: Handle, percentage: int = 10, absolute: int = 100) -> None:
        """A search ends when candidates on so many nodes, in percent of all or in number, are found."""
        self._handle = handle
        self._percentage, self._absolute = percentage, absolute

    async def post_filter(self, state: CycleState, pod: PodInfo, statuses: Mapping[str, Status]) -> PostFilterResult:
        """Nominate the node where it costs least, and delete the victims there after the cycle."""
        why_not = self._ineligible(pod, statuses)
        if why_not:
            return PostFilterResult(unschedulable(f"preemption: {why_not}"))
        if any(other.priority < pod.priority for other in self._handle.cache.placed()):
            await self._handle.budgets.synced()
        nodes = self._handle.cache.ordered
        verdicts: dict[str, Status] = {}
        candidates = self._candidates(pod, nodes, statuses, verdicts)
        for extender in self._handle.extenders:
            if candidates and extender.preempts(pod):
                candidates = await extender.preempt(pod, candidates)
        if not candidates:
            message = "preemption: " + summary(len(nodes), reasons(verdicts))
            return PostFilterResult(unschedulable(message), nominated_node="")
        best = min(candidates, key=Candidate.cost)
        nominations, metrics = self._handle.nominations, self._handle.metrics
        metrics.preempted(len(best.victims))
        outdone = nominations.behind(pod, best.node.name)
        for promised in outdone:
            nominations.drop(promised.uid)

        async def act() -> None:
            for promised in outdone:
                await self._handle.writer.patch_status(promised.pod, {"nominatedNodeName": None})
            for victim in best.victims:
                if not victim.terminating:
                    await self._handle.writer.evict(victim, pod, best.node.name)

        return PostFilterResult(nominated_node=best.node.name, action=act)

    def _candidates(
        self, pod: PodInfo, nodes: list[NodeInfo], statuses: Mapping[str, Status], verdicts: dict[str, Status]
    ) -> list[Candidate]:
        """Nodes with their victims; `verdicts` gets the reasons of the others."""
        possible = []
        for node in nodes:
            status = statuses.get(node.name)
            if status is None or status.code is not Code.UNSCHEDULABLE:
                verdicts[node.name] = _NOT_HELPFUL
            else:
                possible.append(node)
        enough = min(max(len(possible) * self._percentage // 100, self._absolute), len(possible))
        candidates: list[Candidate] = []
        bearable = False
        for node in possible:
            if bearable and len(candidates) >= enough:
                break
            found = self._victims(pod, node)
            if isinstance(found, Candidate):
                candidates.append(found)
                bearable = bearable or not found.violations
            else:
                verdicts[node.name] = found
        return candidates

    def _ineligible(self, pod: PodInfo, statuses: Mapping[str, Status]) -> str:
        if pod.pod.spec.preemptionPolicy == "Never":
            return _NEVER
        nominated = self._handle.nominations.node_of(pod.uid) or pod.nominated_node
        node = self._handle.cache.nodes.get(nominated) if nominated else None
        verdict = statuses.get(nominated)
        if node is None or (verdict is not None and verdict.code is Code.UNRESOLVABLE):
            return ""  # what was made ready is of no use: make room somewhere else
        if any(p.priority < pod.priority and is_being_preempted(p.pod) for p in node.pods.values()):
            return _UNDER_WAY
        return ""

    def _victims(self, pod: PodInfo, node: NodeInfo) -> Candidate | Status:
        """The fewest and least important pods whose removal lets the pod in; spent budgets are kept if possible."""
        lower = sorted((p for p in node.pods.values() if p.priority < pod.priority), key=importance)
        if not lower:
            return _NO_VICTIMS
        cache, framework = self._handle.cache, self._handle.framework_of(pod)
        removed: dict[str, PodInfo] = {}
        try:
            for victim in lower:
                cache.take_away(victim)
                removed[victim.uid] = victim
            promised = self._handle.nominations.ahead_of(pod, node.name)
            status = check_with(cache, framework, pod, node, promised)
            if status is not None:
                return status
            exceeding, bearable = self._handle.budgets.split(lower)
            for victim in (*exceeding, *bearable):  # spare each again if the pod fits beside it
                cache.put_back(victim)
                del removed[victim.uid]
                if check_with(cache, framework, pod, node, promised) is not None:
                    cache.take_away(victim)
                    removed[victim.uid] = victim
            violations = sum(victim.uid in removed for victim in exceeding)
            return Candidate(node, tuple(sorted(removed.values(), key=importance)), violations)
        finally:
            for victim in removed.values():
                cache.put_back(victim)

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return bool(event.change & Change.POD_DELETED)


def is_being_preempted(pod: Pod) -> bool:
    """Whether the pod is on its way out because the scheduler wanted its room."""
    return pod.metadata.deletionTimestamp is not None and any(
        c.type == "DisruptionTarget" and c.status == "True" and c.reason == "PreemptionByScheduler"
        for c in pod.status.conditions
    )


def started(pod: PodInfo) -> datetime:
    """When the pod began to run; what has not begun counts as latest."""
    return pod.pod.status.startTime or _LATEST


def importance(pod: PodInfo) -> tuple[int, datetime]:
    """Sorts the most important first: higher priority, then longer running."""
    return -pod.priority, started(pod)
