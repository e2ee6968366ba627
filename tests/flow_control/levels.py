"""Priority levels with a clock and a turn that the tests move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.flow_control.concurrency import Limits
from apiserver.flow_control.priority_level import Flow, PriorityLevel, Ticket
from apiserver.flow_control.shuffle_sharding import flow_hash
from apiserver.flow_control.statistics import SchemaStatistics
from apiserver.flow_control.turns import Turns


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Loop:
    """Runs what was put off to the next turn when told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, work: Callable[[], None]) -> None:
        self.soon.append(work)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for work in soon:
            work()


def queueing(queues: int = 64, hand_size: int = 6, length: int = 50) -> dict[str, Any]:
    queuing = {"queues": queues, "handSize": hand_size, "queueLengthLimit": length}
    return {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": queuing}}}


REJECTING: dict[str, Any] = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
EXEMPT: dict[str, Any] = {"type": "Exempt"}


def level(
    spec: dict[str, Any], seats: int, clock: Clock | None = None, turns: Turns | None = None, patience: float = 15.0
) -> PriorityLevel:
    """One with so many seats and, unless `turns` are given, no limit but these."""
    made = PriorityLevel("level", clock or Clock(), turns or Turns(Loop().call_soon, None), patience)
    made.configure(spec, Limits(seats, seats, seats))
    return made


def flow(level: PriorityLevel, name: str) -> Flow:
    return Flow("schema", name, level, flow_hash("schema", name), [], SchemaStatistics())


def arrivals(level: PriorityLevel, flow: Flow, count: int, width: int = 1) -> list[Ticket]:
    return [level.arrive(flow, width) for _ in range(count)]


def begun(tickets: list[Ticket]) -> int:
    return sum(ticket.began is not None for ticket in tickets)
