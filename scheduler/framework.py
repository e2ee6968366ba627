"""The scheduling framework: the extension points a plugin can have.

Kubernetes' own framework (https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/)
in Python's shape: a plugin is any object with a `name` and the methods of the points it takes part in; the
Protocols below say which.  Methods up to `reserve` run without awaiting, on one consistent picture of the
cluster; those from `permit` on are coroutines that run while the next pods are being decided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from scheduler.cluster_event import ClusterEvent
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

MAX_SCORE = 100


class Code(Enum):
    ERROR = "Error"
    """Something went wrong inside; try again later."""
    UNSCHEDULABLE = "Unschedulable"
    """Not here as things are; removing other pods could help."""
    UNRESOLVABLE = "UnschedulableAndUnresolvable"
    """Not here, and removing pods would not change that."""
    SKIP = "Skip"
    """The plugin has nothing to say about this pod."""


@dataclass(frozen=True, slots=True)
class Status:
    """Why a plugin did not simply say yes.  None stands for success everywhere."""

    code: Code
    reasons: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def message(self) -> str:
        return ", ".join(self.reasons)

    @property
    def rejected(self) -> bool:
        return self.code in (Code.UNSCHEDULABLE, Code.UNRESOLVABLE)


class PluginError(Exception):
    """A plugin cannot do its part, for a reason that its text tells users; the pod is tried again later."""


SKIP = Status(Code.SKIP)


def unschedulable(*reasons: str) -> Status:
    return Status(Code.UNSCHEDULABLE, reasons)


def unresolvable(*reasons: str) -> Status:
    return Status(Code.UNRESOLVABLE, reasons)


class CycleState(dict[str, Any]):
    """What plugins remember from one extension point to the next during one pod's cycle, by plugin name."""


@dataclass(frozen=True, slots=True)
class OnlyNodes:
    """A pre-filter's answer that only these nodes come into question."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class PostFilterResult:
    """What to do so that a pod can be scheduled later."""

    status: Status | None = None
    nominated_node: str | None = None
    """The node being made ready for the pod; empty takes an earlier promise back, None leaves it."""
    action: Callable[[], Awaitable[None]] | None = None
    """Run after the cycle: deletes victims, for example."""


class SupportsLess(Protocol):
    """Keys of sorting; those of one queue compare with each other."""

    def __lt__(self, other: Any, /) -> bool: ...


class Plugin(Protocol):
    @property
    def name(self) -> str: ...


@runtime_checkable
class PreFilterPlugin(Protocol):
    def pre_filter(self, state: CycleState, pod: PodInfo) -> OnlyNodes | Status | None:
        """Look at the pod once before the nodes.  SKIP leaves this plugin's filter out for the pod."""
        ...


@runtime_checkable
class FilterPlugin(Protocol):
    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """Whether the pod can run on the node: None if it can, otherwise why not."""
        ...


@runtime_checkable
class FilterAllPlugin(FilterPlugin, Protocol):
    def filter_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[Status | None]:
        """The same for many nodes in one call: for plugins that save work that way."""
        ...


@runtime_checkable
class PostFilterPlugin(Protocol):
    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: Mapping[str, Status]
    ) -> PostFilterResult | Status | None:
        """No node passed; `statuses` says why, by node name.  May make room."""
        ...


@runtime_checkable
class PreScorePlugin(Protocol):
    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        """Look at all feasible nodes before scoring.  SKIP leaves this plugin's score out for the pod."""
        ...


@runtime_checkable
class ScorePlugin(Protocol):
    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """How good the node is for the pod: 0 to 100, or anything that `normalize` brings there."""
        ...


@runtime_checkable
class ScoreAllPlugin(Protocol):
    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """All scores in one call, 0 to 100: for plugins that save work that way."""
        ...


@runtime_checkable
class NormalizePlugin(Protocol):
    def normalize(self, state: CycleState, pod: PodInfo, scores: list[int]) -> list[int]:
        """Bring raw scores into 0 to 100."""
        ...


@runtime_checkable
class ReservePlugin(Protocol):
    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """The node is chosen: claim what the pod needs there."""
        ...

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Awaitable[None] | None:
        """Give it back.  Called for every plugin when any later step fails; must not fail.

        What has to be taken back in the API as well is awaited.
        """
        ...


@runtime_checkable
class PermitPlugin(Protocol):
    async def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """May hold the pod back by waiting, and refuse it."""
        ...


@runtime_checkable
class PreBindPlugin(Protocol):
    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Prepare what must exist before the pod is bound."""
        ...


@runtime_checkable
class PreFlightPlugin(PreBindPlugin, Protocol):
    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Whether `pre_bind` will have something to do, so that the binding may take a while (KEP-5278)."""
        ...


@runtime_checkable
class BindPlugin(Protocol):
    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Write the decision.  SKIP hands the pod on to the next bind plugin."""
        ...


@runtime_checkable
class PostBindPlugin(Protocol):
    def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """The pod is bound."""
        ...


@runtime_checkable
class PreEnqueuePlugin(Protocol):
    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        """Whether the pod may wait among those to be scheduled at all."""
        ...


@runtime_checkable
class QueueSortPlugin(Protocol):
    def queue_key(self, pod: PodInfo, since: float) -> SupportsLess:
        """What the waiting pods are sorted by, the smallest first; `since` is when the pod began to wait, in seconds.

        All profiles have the same one.
        """
        ...


@runtime_checkable
class HintingPlugin(Protocol):
    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        """Whether an event may make a pod schedulable that this plugin turned down (KEP-4247).

        A plugin without this method has its pods tried again after every event.
        """
        ...


def normalized(scores: list[int], *, reverse: bool = False) -> list[int]:
    """Scale so that the highest becomes 100; reversed, so that the highest becomes 0."""
    highest = max(scores, default=0)
    if highest == 0:
        return [MAX_SCORE] * len(scores) if reverse else scores
    if reverse:
        return [MAX_SCORE - score * MAX_SCORE // highest for score in scores]
    return [score * MAX_SCORE // highest for score in scores]
