"""Runs the plugins of one profile at the extension points of `scheduler.framework`, in their order."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from scheduler.framework import (
    BindPlugin,
    Code,
    CycleState,
    FilterAllPlugin,
    FilterPlugin,
    NormalizePlugin,
    OnlyNodes,
    PermitPlugin,
    Plugin,
    PostBindPlugin,
    PostFilterPlugin,
    PostFilterResult,
    PreBindPlugin,
    PreEnqueuePlugin,
    PreFilterPlugin,
    PreFlightPlugin,
    PreScorePlugin,
    QueueSortPlugin,
    ReservePlugin,
    ScoreAllPlugin,
    ScorePlugin,
    Status,
    SupportsLess,
    unschedulable,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

log = logging.getLogger(__name__)

Timed = Callable[[str, str, str, float], None]
"""Extension point, the code of what came of it, schedulerName, seconds."""

Binder = Callable[[PodInfo, str], Awaitable[Status | None]]
"""Writes the decision that a pod goes to a node of this name."""

Scorer = Callable[[CycleState, PodInfo, Sequence[NodeInfo]], list[int]]


Check = Callable[[CycleState, PodInfo, NodeInfo], Status | None]

CheckAll = Callable[[CycleState, PodInfo, Sequence[NodeInfo]], list[Status | None]]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A plugin in a profile; the weight counts where it scores."""

    plugin: Plugin
    weight: int = 1


POINTS: Mapping[str, tuple[type, ...]] = {
    "preEnqueue": (PreEnqueuePlugin,),
    "queueSort": (QueueSortPlugin,),
    "preFilter": (PreFilterPlugin,),
    "filter": (FilterPlugin,),
    "postFilter": (PostFilterPlugin,),
    "preScore": (PreScorePlugin,),
    "score": (ScorePlugin, ScoreAllPlugin),
    "reserve": (ReservePlugin,),
    "permit": (PermitPlugin,),
    "preBind": (PreBindPlugin,),
    "bind": (BindPlugin,),
    "postBind": (PostBindPlugin,),
}
"""The extension points by the names KubeSchedulerConfiguration knows them by, and what a plugin there has to have."""


@dataclass
class Framework:
    """One profile: the plugins for pods of one schedulerName, sorted by extension point.

    `plugins` take part wherever they can; `points` says otherwise for single extension points.
    """

    plugins: Sequence[Weighted]
    scheduler_name: str = "default-scheduler"
    points: Mapping[str, Sequence[Weighted]] = field(default_factory=dict)
    percentage_of_nodes: int | None = None
    """How many nodes are scored, where the profile has its own say."""
    timed: Timed | None = None
    """Told how long each extension point took for a pod."""
    now: Callable[[], float] = float
    _skip_filter: str = field(default="framework/skip-filter", init=False)
    _skip_score: str = field(default="framework/skip-score", init=False)

    def __post_init__(self) -> None:
        chosen = {point: self._at(point) for point in POINTS}
        self.by_name: dict[str, Plugin] = {w.plugin.name: w.plugin for point in chosen.values() for w in point}

        def named(point: str) -> list[tuple[str, Any]]:
            return [(w.plugin.name, w.plugin) for w in chosen[point]]

        self._pre_enqueue: list[tuple[str, PreEnqueuePlugin]] = named("preEnqueue")
        self._queue_sort: list[tuple[str, QueueSortPlugin]] = named("queueSort")
        self._pre_filter: list[tuple[str, PreFilterPlugin]] = named("preFilter")
        self._filter: list[tuple[str, FilterPlugin]] = named("filter")
        # Only the leading ones: a node's first objection must stay the first.
        leading = list(itertools.takewhile(lambda named: has_local_filter(named[1]), self._filter))
        self._local_filter = leading
        self._other_filter = [(name, _check_all(plugin)) for name, plugin in self._filter[len(leading) :]]
        self._post_filter: list[tuple[str, PostFilterPlugin]] = named("postFilter")
        self._pre_score: list[tuple[str, PreScorePlugin]] = named("preScore")
        self._score = [
            (w.plugin.name, _scorer(cast(Any, w.plugin)), w.weight, has_local_score(w.plugin)) for w in chosen["score"]
        ]
        self._reserve: list[tuple[str, ReservePlugin]] = named("reserve")
        self._permit: list[tuple[str, PermitPlugin]] = named("permit")
        self._pre_bind: list[tuple[str, PreBindPlugin]] = named("preBind")
        self._pre_flight = [plugin for _, plugin in self._pre_bind if isinstance(plugin, PreFlightPlugin)]
        self._bind: list[tuple[str, BindPlugin]] = named("bind")
        self._post_bind: list[PostBindPlugin] = [plugin for _, plugin in named("postBind")]

    def took(self, point: str, since: float, status: Status | None = None) -> None:
        """An extension point is done with a pod that it began with at `since`, by `now`."""
        if self.timed is not None:
            code = "Success" if status is None else status.code.value
            self.timed(point, code, self.scheduler_name, self.now() - since)

    def _at(self, point: str) -> list[Weighted]:
        return [w for w in self.points.get(point, self.plugins) if isinstance(w.plugin, POINTS[point])]

    def queue_key(self, pod: PodInfo, since: float) -> SupportsLess:
        """Where in the queue a pod stands: the smaller goes first."""
        return self._queue_sort[0][1].queue_key(pod, since)

    def gate(self, pod: PodInfo) -> Status | None:
        """The first plugin's reason to keep the pod out of the queue, if any; what it raises is one."""
        for name, plugin in self._pre_enqueue:
            try:
                status = plugin.pre_enqueue(pod)
            except Exception as error:
                log.exception("running PreEnqueue plugin %s for %s", name, pod.key)
                status = _raised("PreEnqueue", name, error)
            if status is not None:
                return _signed(status, name)
        return None

    def run_pre_filter(self, state: CycleState, pod: PodInfo) -> tuple[frozenset[str] | None, list[str], Status | None]:
        """Returns the nodes that come into question (None: all), which plugins said so, and a refusal, if any."""
        skip: set[str] = set()
        names: frozenset[str] | None = None
        narrowed: list[str] = []
        for name, plugin in self._pre_filter:
            answer = plugin.pre_filter(state, pod)
            if answer is None:
                continue
            if isinstance(answer, OnlyNodes):
                names = answer.names if names is None else names & answer.names
                narrowed.append(name)
            elif answer.code is Code.SKIP:
                skip.add(name)
            else:
                return None, [], _signed(answer, name)
        state[self._skip_filter] = skip
        return names, narrowed, None

    def filters(self, state: CycleState, *, node_local: bool = False) -> list[tuple[str, Check]]:
        """The filters that have something to say about this pod, in order: all, or the node-local ones."""
        skip = state.get(self._skip_filter, ())
        chosen = self._local_filter if node_local else self._filter
        return [(name, plugin.filter) for name, plugin in chosen if name not in skip]

    def wider_filters(self, state: CycleState) -> list[tuple[str, CheckAll]]:
        """Those of them that look at more than one node, to be asked about many."""
        skip = state.get(self._skip_filter, ())
        return [(name, check) for name, check in self._other_filter if name not in skip]

    def run_filters(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """The first objection to a node, if any."""
        for name, check in self.filters(state):
            status = check(state, pod, node)
            if status is not None:
                return _signed(status, name)
        return None

    async def run_post_filter(
        self, state: CycleState, pod: PodInfo, statuses: Mapping[str, Status]
    ) -> PostFilterResult:
        """Ask until one plugin makes room; otherwise what they all said."""
        said: list[str] = []
        nominated: str | None = None
        for _, plugin in self._post_filter:
            answer = await plugin.post_filter(state, pod, statuses)
            if answer is None:
                return PostFilterResult()
            if isinstance(answer, PostFilterResult):
                if answer.status is None:
                    return answer
                said.extend(answer.status.reasons)
                nominated = answer.nominated_node if answer.nominated_node is not None else nominated
            elif answer.code is Code.ERROR:
                return PostFilterResult(answer)
            else:
                said.extend(answer.reasons)
        return PostFilterResult(unschedulable(*said), nominated)

    def _unskipped(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], *, local: bool
    ) -> Iterator[tuple[Scorer, int]]:
        skip = {
            name
            for name, plugin in self._pre_score
            if has_local_score(plugin) == local
            and (status := plugin.pre_score(state, pod, nodes)) is not None
            and status.code is Code.SKIP
        }
        for name, scorer, weight, is_local in self._score:
            if is_local == local and name not in skip:
                yield scorer, weight

    def node_local_scores(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The weighted sum of the node-local plugins' scores, one for each node."""
        return self._add_scores([0] * len(nodes), state, pod, nodes, local=True)

    def run_scores(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], local: list[int]) -> list[int]:
        """The weighted sum of all plugins' scores, one for each node, given those of the node-local ones."""
        return self._add_scores(local, state, pod, nodes, local=False)

    def _add_scores(
        self, total: list[int], state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], *, local: bool
    ) -> list[int]:
        for scorer, weight in self._unskipped(state, pod, nodes, local=local):
            scores = scorer(state, pod, nodes)
            total = [t + weight * s for t, s in zip(total, scores, strict=True)]
        return total

    async def run_reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """The first refusal, if any; then everything reserved has been given back.  Waits for nothing else.

        What a plugin raises is a refusal, too.
        """
        for name, plugin in self._reserve:
            try:
                status = plugin.reserve(state, pod, node_name)
            except Exception as error:
                log.exception("running Reserve plugin %s for %s", name, pod.key)
                status = _raised("Reserve", name, error)
            if status is not None:
                await self.run_unreserve(state, pod, node_name)
                return _signed(status, name)
        return None

    async def run_unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Give back what was reserved; a plugin that fails at it does not keep the others from it."""
        for name, plugin in reversed(self._reserve):
            try:
                given_back = plugin.unreserve(state, pod, node_name)
                if given_back is not None:
                    await given_back
            except Exception:
                log.exception("running Unreserve of plugin %s for %s", name, pod.key)

    def binds_later(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Whether something has to be prepared before the pod can be bound."""
        return any(plugin.pre_bind_pre_flight(state, pod, node_name) for plugin in self._pre_flight)

    async def run_binding(
        self, state: CycleState, pod: PodInfo, node_name: str, bind: Binder | None = None
    ) -> Status | None:
        """Permit, pre-bind, bind (by `bind` instead of the plugins, if given), post-bind.

        Raises what the plugins raise.
        """
        for point, run in (("Permit", self._run_permit), ("PreBind", self._run_pre_bind)):
            since = self.now()
            status = await run(state, pod, node_name)
            self.took(point, since, status)
            if status is not None:
                return status
        since = self.now()
        status = await (bind(pod, node_name) if bind is not None else self._run_bind(state, pod, node_name))
        self.took("Bind", since, status)
        if status is None:
            for listener in self._post_bind:
                try:
                    listener.post_bind(state, pod, node_name)
                except Exception:  # the pod is bound for all that
                    log.exception("running a PostBind plugin for %s", pod.key)
        return status

    async def _run_permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        for name, plugin in self._permit:
            status = await plugin.permit(state, pod, node_name)
            if status is not None:
                return _signed(status, name)
        return None

    async def _run_pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        for name, plugin in self._pre_bind:
            status = await plugin.pre_bind(state, pod, node_name)
            if status is not None and not status.rejected:
                return Status(status.code, (f'running PreBind plugin "{name}": {status.message}',), name)
            if status is not None:
                return _signed(status, name)
        return None

    async def _run_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        for name, binder in self._bind:
            status = await binder.bind(state, pod, node_name)
            if status is None or status.code is not Code.SKIP:
                return None if status is None else _signed(status, name)
        return Status(Code.ERROR, ("no bind plugin took the pod",))


def _raised(point: str, plugin: str, error: Exception) -> Status:
    return Status(Code.ERROR, (f'running {point} plugin "{plugin}": {str(error) or type(error).__name__}',), plugin)


def _signed(status: Status, plugin: str) -> Status:
    return status if status.plugin else Status(status.code, status.reasons, plugin)


def has_local_filter(plugin: object) -> bool:
    """Whether a plugin promises, by `local_filter = True`, that its filter's answer depends on nothing but the
    node, the pods on it and `PodInfo.signature`: then it is remembered until the node changes."""
    return bool(getattr(plugin, "local_filter", False))


def has_local_score(plugin: object) -> bool:
    """The same promise for the score, by `local_score = True`: no looking at other nodes, no normalizing."""
    return bool(getattr(plugin, "local_score", False))


def _check_all(plugin: FilterPlugin) -> CheckAll:
    """A filter for many nodes at once, however the plugin gives it."""
    if isinstance(plugin, FilterAllPlugin):
        return plugin.filter_all
    return lambda state, pod, nodes: [plugin.filter(state, pod, node) for node in nodes]


def _scorer(plugin: ScorePlugin | ScoreAllPlugin) -> Scorer:
    """All scores at once, however the plugin gives them."""
    if isinstance(plugin, ScoreAllPlugin):
        return plugin.score_all
    normalize = plugin.normalize if isinstance(plugin, NormalizePlugin) else None

    def each(state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        scores = [plugin.score(state, pod, node) for node in nodes]
        return scores if normalize is None else normalize(state, pod, scores)

    return each
