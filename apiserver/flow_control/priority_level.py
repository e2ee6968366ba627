"""A priority level: a number of seats, and queues of those who wait for one.

Flows are dealt hands of queues; whose queue has had least service is served next.  KEP-1040 defines that by a virtual
time which goes by at the rate at which seats are filled.  Here it is what start-time fair queueing makes of the same
idea: the virtual time is that at which the request served last was due, so that it is right at any speed, whether seats
are short or the processor is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from apiserver.flow_control.concurrency import Limits
from apiserver.flow_control.seat_demand import SeatDemand
from apiserver.flow_control.shuffle_sharding import deal
from apiserver.flow_control.statistics import SchemaStatistics
from apiserver.flow_control.turns import Turns
from apiserver.request import Request

EXPECTED_SECONDS = 0.003
"""How long a request is taken to last until it has ended."""
PATIENCE = 15.0
"""Seconds that a request waits at most: a quarter of what a request may take."""

Headers = list[tuple[bytes, bytes]]


class Rejected(Exception):
    """There is no room for a request.  `reason` is that of the metrics: queue-full, concurrency-limit, time-out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Flow(NamedTuple):
    """Requests that belong together.  `hash` chooses their queues, `headers` tell clients how they were classified."""

    schema: str
    distinguisher: str
    level: PriorityLevel
    hash: int
    headers: Headers
    statistics: SchemaStatistics


class Ticket:
    """A request at its level.  `began` is None while it waits."""

    __slots__ = ("arrived", "began", "flow", "may_begin", "queue", "request", "width")

    def __init__(self, flow: Flow, width: int, request: Request | None, queue: Queue, arrived: float) -> None:
        self.flow = flow
        self.width = width
        self.request = request
        self.queue = queue
        self.arrived = arrived
        self.began: float | None = None
        self.may_begin: asyncio.Future[None] | None = None

    @property
    def work(self) -> float:
        """What it is taken to cost, in seat-seconds."""
        return self.width * EXPECTED_SECONDS


class Queue:
    """`virtual_start` is when its next request is due, in virtual seat-seconds."""

    __slots__ = ("executing", "index", "seats_in_use", "seats_waiting", "virtual_start", "waiting")

    def __init__(self, index: int) -> None:
        self.index = index
        self.waiting: deque[Ticket] = deque()
        self.executing = self.seats_in_use = self.seats_waiting = 0
        self.virtual_start = 0.0


_virtual_start = attrgetter("virtual_start")


class PriorityLevel:
    """One level.  `now` is a clock's reading in seconds."""

    def __init__(self, name: str, now: Callable[[], float], turns: Turns, patience: float = PATIENCE) -> None:
        self.name = name
        self.exempt = False
        self.quiescing = False
        """No longer configured: serves out what it has."""
        self.limits = Limits(0, 0, 0)
        self.seats = 0
        """What it has at present, between the limits' `lower` and `upper`."""
        self.executing = self.seats_in_use = self.waiting = self.seats_waiting = 0
        self.virtual_start = 0.0
        self.queues: list[Queue] = []
        self.demand = SeatDemand(now())
        self._now = now
        self._turns = turns
        self._patience = patience
        self._virtual_time = 0.0
        self._queue_length = 0
        self._hand_size = 1
        self._hands: dict[int, list[Queue]] = {}
        self._busy: dict[Queue, None] = {}
        """Queues with waiting requests, in the order in which they got them."""

    def configure(self, spec: Mapping[str, Any], limits: Limits) -> None:
        """Take over a PriorityLevelConfiguration's spec.  Who waits in a queue that goes is served all the same."""
        self.exempt = spec["type"] == "Exempt"
        self.quiescing = False
        if limits != self.limits:
            self.limits, self.seats = limits, limits.nominal
        response = (spec.get("limited") or {}).get("limitResponse") or {}
        queuing = response.get("queuing") or {}
        self._queue_length = queuing.get("queueLengthLimit", 0)
        self._hand_size = queuing.get("handSize", 1)
        count = queuing.get("queues", 1)
        if count != len(self.queues):
            self.queues = self.queues[:count] + [Queue(index) for index in range(len(self.queues), count)]
        self._hands.clear()
        self._dispatch()

    # --- the way of a request

    def arrive(self, flow: Flow, width: int, request: Request | None = None) -> Ticket:
        """Where its `began` is None, `wait` for it; `leave` when it is done.  Raises Rejected."""
        now = self._now()
        if self.exempt:
            ticket = Ticket(flow, width, request, self.queues[0], now)
            self._begin(ticket, now)
            self.demand.set(self.seats_in_use, now)
            return ticket
        ticket = Ticket(flow, width, request, queue := self._choose(flow.hash), now)
        if not queue.executing and not queue.waiting and queue.virtual_start < self._virtual_time:
            queue.virtual_start = self._virtual_time  # time without requests earns nothing
        has_room = self._has_room(width)
        if len(queue.waiting) >= self._queue_length:  # that of a level which does not queue is 0
            if not has_room:
                reason = "queue-full" if self._queue_length else "concurrency-limit"
                flow.statistics.rejected[reason] += 1
                raise Rejected(reason)
            self._begin(ticket, now)
        elif has_room and not self.waiting and self._turns.free:
            self._begin(ticket, now)
        else:
            self._enqueue(ticket)
        self.demand.set(self.seats_in_use + self.seats_waiting, now)
        return ticket

    async def wait(self, ticket: Ticket) -> None:
        """Return when it may begin.  Raises Rejected."""
        ticket.may_begin = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience):
                await ticket.may_begin
        except TimeoutError:
            if ticket.began is None:
                self._give_up(ticket)
                ticket.flow.statistics.rejected["time-out"] += 1
                raise Rejected("time-out") from None
        except asyncio.CancelledError:
            if ticket.began is None:
                self._give_up(ticket)
                ticket.flow.statistics.rejected["cancelled"] += 1
            else:
                self.leave(ticket)
            raise

    def leave(self, ticket: Ticket) -> None:
        """A request that has begun is done."""
        now, queue, width = self._now(), ticket.queue, ticket.width
        assert ticket.began is not None
        took = now - ticket.began
        queue.executing -= 1
        queue.seats_in_use -= width
        queue.virtual_start += (took - EXPECTED_SECONDS) * width
        self.executing -= 1
        self.seats_in_use -= width
        ticket.flow.statistics.executed.observe(took)
        self.demand.set(self.seats_in_use + self.seats_waiting, now)
        if self.waiting:
            self._dispatch()

    # --- the queues

    def _choose(self, value: int) -> Queue:
        """The emptiest queue of a flow's hand."""
        hand = self._hands.get(value)
        if hand is None:
            if len(self._hands) >= 10_000:
                self._hands.clear()
            hand = self._hands[value] = [self.queues[i] for i in deal(value, len(self.queues), self._hand_size)]
        chosen = hand[0]
        least = chosen.seats_waiting + chosen.seats_in_use
        for queue in hand:
            if least == 0:
                break
            load = queue.seats_waiting + queue.seats_in_use
            if load < least:
                chosen, least = queue, load
        return chosen

    def _has_room(self, width: int) -> bool:
        # What is wider than all seats begins when it is alone.
        return self.seats_in_use + width <= self.seats or not self.seats_in_use

    def _begin(self, ticket: Ticket, now: float) -> None:
        queue, width = ticket.queue, ticket.width
        ticket.began = now
        queue.executing += 1
        queue.seats_in_use += width
        self.executing += 1
        self.seats_in_use += width
        ticket.flow.statistics.begun.observe(now - ticket.arrived)
        if not self.exempt:
            self._virtual_time = max(self._virtual_time, queue.virtual_start)
            queue.virtual_start += ticket.work
            self.virtual_start += width / (self.seats or 1)
            self._turns.take()

    def _enqueue(self, ticket: Ticket) -> None:
        queue = ticket.queue
        queue.waiting.append(ticket)
        queue.seats_waiting += ticket.width
        self._busy.setdefault(queue)
        self.waiting += 1
        self.seats_waiting += ticket.width
        ticket.flow.statistics.waiting += 1
        if self._has_room(ticket.width):
            self._turns.join(self)

    def _remove(self, ticket: Ticket) -> None:
        queue = ticket.queue
        queue.seats_waiting -= ticket.width
        if not queue.waiting:
            self._busy.pop(queue, None)
        self.waiting -= 1
        self.seats_waiting -= ticket.width
        ticket.flow.statistics.waiting -= 1

    def _give_up(self, ticket: Ticket) -> None:
        ticket.queue.waiting.remove(ticket)
        self._remove(ticket)
        self.demand.set(self.seats_in_use + self.seats_waiting, self._now())
        self._dispatch()

    def _dispatch(self) -> None:
        while self.waiting:
            if not self._turns.free:
                self._turns.join(self)
                return
            if not self.dispatch_one():
                return

    def dispatch_one(self) -> bool:
        """Let the request begin that is due first.  Whether one did."""
        if not self._busy:
            return False
        queue = min(self._busy, key=_virtual_start)
        ticket = queue.waiting[0]
        if not self._has_room(ticket.width):
            return False
        queue.waiting.popleft()
        self._remove(ticket)
        self._begin(ticket, self._now())
        if ticket.may_begin is not None and not ticket.may_begin.done():
            ticket.may_begin.set_result(None)
        return True

    def reseat(self, seats: int) -> None:
        """Give it another number of seats."""
        self.seats = seats
        self._dispatch()
