"""What nodes and pods use, measured when somebody asks.

Kubelets tell how much processor time was used since the start of each container; what is used now is the difference
between two looks.  The look before the last is kept for the next who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.clock import Clock
from api.core_v1 import Node
from api.errors import StatusError
from api.scheme import resource_of
from client.rest import RestClient, Unreachable

log = logging.getLogger(__name__)

_AT_ONCE = 20
"""Kubelets that are asked at the same time."""
_SHORTEST = 1.0
_LONGEST = 120.0
"""Seconds between two looks: within less there is too little to see, within more it is no news."""


@dataclass(frozen=True, slots=True)
class Counted:
    """`cpu`: processor time so far, in nanoseconds; `memory`: bytes now; `at`: seconds of the clock's own count."""

    cpu: int
    memory: int
    at: float


Counters = dict[str, Counted]
"""By node or container."""


@dataclass(frozen=True)
class Look:
    """What kubelets said, each a little later than the look began: of nodes, and of pods as (namespace, name)."""

    time: datetime
    at: float
    nodes: Counters = field(default_factory=dict)
    pods: dict[tuple[str, str], Counters] = field(default_factory=dict)


@dataclass(frozen=True)
class Amount:
    """`cpu` in billionths of a core, `memory` in bytes."""

    cpu: int
    memory: int


@dataclass(frozen=True)
class Usage:
    """What is used on average over the `window` (seconds) that ended at `time`."""

    time: datetime
    window: float
    nodes: Mapping[str, Amount]
    pods: Mapping[tuple[str, str], Mapping[str, Amount]]


class Meter:
    """Looks at kubelets; `resolution`: seconds for which an answer is good enough for the next, too."""

    def __init__(self, client: RestClient, clock: Clock, resolution: float = 10.0) -> None:
        self._client, self._clock, self._resolution = client, clock, resolution
        self._before: Look | None = None
        self._known: tuple[float, Usage] | None = None
        self._turn = asyncio.Lock()

    async def usage(self) -> Usage:
        """Takes a second where nobody has asked for a while.  Raises StatusError or Unreachable without nodes to ask;
        a kubelet that does not answer is left out."""
        async with self._turn:
            now = self._clock.monotonic()
            if self._known is not None and now - self._known[0] < self._resolution:
                return self._known[1]
            before = self._before
            if before is None or now - before.at > _LONGEST:
                before = await self._look()
                await self._clock.sleep(_SHORTEST)
            after = await self._look()
            self._before, found = after, between(before, after)
            self._known = after.at, found
            return found

    async def _look(self) -> Look:
        look = Look(self._clock.now(), self._clock.monotonic())
        nodes = (await self._client.list(Node)).items
        places = asyncio.Semaphore(_AT_ONCE)

        async def ask(node: str) -> None:
            path = resource_of(Node).path("", node, "proxy") + f"/stats/summary?nodeName={node}"
            try:
                async with places:
                    asked = self._clock.monotonic()
                    document = await self._client.get_json(path)
                    at = (asked + self._clock.monotonic()) / 2
            except (StatusError, Unreachable) as error:
                log.debug("node %s: %s", node, error)
                return
            look.nodes[node] = _counted(document["node"], at)
            for pod in document.get("pods") or ():
                reference = pod["podRef"]
                look.pods[reference["namespace"], reference["name"]] = {
                    each["name"]: _counted(each, at) for each in pod.get("containers") or ()
                }

        await asyncio.gather(*(ask(node.metadata.name) for node in nodes))
        return look


def _counted(stats: Mapping[str, Any], at: float) -> Counted:
    return Counted(stats["cpu"].get("usageCoreNanoSeconds", 0), stats["memory"].get("workingSetBytes", 0), at)


def between(before: Look, after: Look) -> Usage:
    """What was used between two looks.  Who was not there at the first is left out, and who began anew since."""

    def amount(first: Counted, second: Counted) -> Amount | None:
        used, seconds = second.cpu - first.cpu, max(second.at - first.at, 1e-3)
        return Amount(int(used / seconds), second.memory) if used >= 0 else None

    def amounts(first: Counters, second: Counters) -> dict[str, Amount]:
        found = {name: amount(first[name], counters) for name, counters in second.items() if name in first}
        return {name: each for name, each in found.items() if each is not None}

    pods = {key: amounts(before.pods[key], now) for key, now in after.pods.items() if key in before.pods}
    # A pod with a container of which nothing is known is not told of at all: it would seem to use less than it does.
    whole = {key: found for key, found in pods.items() if found and found.keys() == after.pods[key].keys()}
    # The sum of a node's containers falls when one of them ends.
    nodes = {
        name: amount(before.nodes[name], now) or Amount(0, now.memory)
        for name, now in after.nodes.items()
        if name in before.nodes
    }
    return Usage(after.time, max(after.at - before.at, 1e-3), nodes, whole)
