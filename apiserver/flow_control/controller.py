"""Keeps the priority levels as their configuration says, and finds the flow of each request.

The configuration is read from the watch cache whenever something of it has changed: a decision is as current as the
cache.  Until the objects exist, the built-in ones hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from api.clock import Clock
from apiserver.flow_control.bootstrap_configuration import LEVELS, MANDATORY_LEVELS, MANDATORY_SCHEMAS, SCHEMAS
from apiserver.flow_control.classification import distinguisher, matches
from apiserver.flow_control.concurrency import Demand, allocate, share_out
from apiserver.flow_control.priority_level import PATIENCE, Flow, PriorityLevel
from apiserver.flow_control.shuffle_sharding import flow_hash
from apiserver.flow_control.statistics import SchemaStatistics, Statistics, metrics
from apiserver.flow_control.turns import Turns
from apiserver.request import RequestInfo, User

if TYPE_CHECKING:
    from apiserver.storage.subscription import Subscription
    from apiserver.storage.watch_cache import WatchCache

BORROWING_PERIOD = 10.0
"""Seconds between two allotments of seats."""
_REMEMBERED = 10_000
"""Classifications kept; a client may ask for any number of paths."""
_LONGEST = 512
"""Characters of a path, or of what tells a flow apart, that is worth remembering: they may be a megabyte long."""
_LEVELS, _SCHEMAS = (
    f"/{plural}.flowcontrol.apiserver.k8s.io/" for plural in ("prioritylevelconfigurations", "flowschemas")
)


class _Schema(NamedTuple):
    """A flow schema and the level it names."""

    name: str
    uid: str
    spec: Mapping[str, Any]
    level: PriorityLevel
    level_uid: str


class FlowController:
    """`seats` is the sum of `--max-requests-inflight` and `--max-mutating-requests-inflight`."""

    def __init__(
        self, cache: WatchCache, seats: int, now: Callable[[], float], turns: Turns, patience: float = PATIENCE
    ) -> None:
        self.levels: dict[str, PriorityLevel] = {}
        self._cache = cache
        self._seats = seats
        self._now = now
        self._turns = turns
        self._patience = patience
        self._schemas: list[_Schema] = []
        self._flows: dict[tuple[str, str], Flow] = {}
        self._classified: dict[tuple[Any, ...], Flow] = {}
        self._statistics: Statistics = {}
        self._subscriptions: tuple[Subscription, Subscription] | None = None
        """To the levels and to the schemas."""

    # --- classification

    def classify(self, user: User, info: RequestInfo) -> Flow:
        if self._subscriptions is None:
            self.configure()
        else:
            levels, schemas = self._subscriptions
            if levels.pending or schemas.pending or levels.closed or schemas.closed:
                self.configure()
        if len(info.path) > _LONGEST:
            return self._find(user, info)
        key = (user.name, user.groups, info.verb, info.group, info.resource, info.subresource,
               info.namespace if info.is_resource else info.path)  # fmt: skip
        found = self._classified.get(key)
        if found is None:
            if len(self._classified) >= _REMEMBERED:
                self._classified.clear()
            found = self._classified[key] = self._find(user, info)
        return found

    def _find(self, user: User, info: RequestInfo) -> Flow:
        # catch-all means everybody with a group, known or unknown; who has none is treated like them.
        schema = next((each for each in self._schemas if matches(each.spec, user, info)), self._schemas[-1])
        told = distinguisher(schema.spec, user, info)
        flow = self._flows.get((schema.name, told))
        if flow is None:
            headers = [
                (b"x-kubernetes-pf-flowschema-uid", schema.uid.encode()),
                (b"x-kubernetes-pf-prioritylevel-uid", schema.level_uid.encode()),
            ]
            counted = self._statistics.setdefault((schema.level.name, schema.name), SchemaStatistics())
            value = flow_hash(schema.name, told)
            flow = Flow(schema.name, told, schema.level, value, headers, counted)
            if len(told) <= _LONGEST:
                if len(self._flows) >= _REMEMBERED:
                    self._flows.clear()
                self._flows[schema.name, told] = flow
        return flow

    # --- configuration

    def configure(self) -> None:
        """Take over what the objects say now."""
        for subscription in self._subscriptions or ():
            subscription.close()
        since = self._cache.revision
        self._subscriptions = self._cache.watch(_LEVELS, "", since), self._cache.watch(_SCHEMAS, "", since)
        levels = self._objects(_LEVELS, LEVELS, MANDATORY_LEVELS)
        schemas = self._objects(_SCHEMAS, SCHEMAS, MANDATORY_SCHEMAS)
        limits = share_out(self._seats, {name: spec for name, (_, spec) in levels.items()})
        for name, (_, spec) in levels.items():
            level = self.levels.get(name)
            if level is None:
                level = self.levels[name] = PriorityLevel(name, self._now, self._turns, self._patience)
            level.configure(spec, limits[name])
        for name, level in list(self.levels.items()):
            if name not in levels:
                level.quiescing = True
                if not level.executing and not level.waiting:
                    del self.levels[name]
        self._schemas = []
        for name, (uid, spec) in schemas.items():
            wanted = spec["priorityLevelConfiguration"]["name"]
            if wanted in levels:  # one without a level is as good as none
                self._schemas.append(_Schema(name, uid, spec, self.levels[wanted], levels[wanted][0]))
        self._schemas.sort(key=lambda each: (each.spec["matchingPrecedence"], each.name))
        self._flows.clear()
        self._classified.clear()

    def _objects(
        self, prefix: str, built_in: Mapping[str, Any], mandatory: Mapping[str, Any]
    ) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """uid and spec by name."""
        entries = self._cache.list(prefix)
        found = {name: ("", spec) for name, spec in (mandatory if entries else built_in).items()}
        for entry in entries:
            document = entry.document
            found[entry.name] = (document["metadata"]["uid"], document["spec"])
        return found

    # --- borrowing

    async def run(self, clock: Clock) -> None:
        """Move seats to where they are wanted; for ever."""
        while True:
            await clock.sleep(BORROWING_PERIOD)
            self.adjust(BORROWING_PERIOD)

    def adjust(self, seconds: float) -> None:
        """The same once, at the end of a period of so many seconds."""
        now = self._now()
        demands, left = {}, sum(level.limits.nominal for level in self.levels.values())
        for name, level in self.levels.items():
            highest = level.demand.close_period(seconds, now)
            if level.exempt:
                level.seats = max(level.limits.lower, highest)
                left -= level.seats
            elif not level.quiescing:
                demands[name] = Demand(level.limits, highest, level.demand.smoothed)
        for name, seats in allocate(left, demands).items():
            self.levels[name].reseat(seats)

    # --- what it says of itself

    def metrics(self) -> Iterator[str]:
        return metrics(self._statistics, self.levels.values())
