"""One noisy flow cannot starve another: neither of seats nor of the processor."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.flow_control.priority_level import Rejected, Ticket
from apiserver.flow_control.turns import Turns
from tests.flow_control.levels import EXEMPT, REJECTING, Clock, Loop, arrivals, begun, flow, level, queueing


def test_who_comes_later_and_asks_for_little_is_next() -> None:
    clock = Clock()
    busy = level(queueing(), seats=4, clock=clock)
    noisy = arrivals(busy, flow(busy, "noisy"), 200)
    quiet = busy.arrive(flow(busy, "quiet"), 1)
    assert (begun(noisy), quiet.began) == (4, None)
    for left, ticket in enumerate(noisy[:3], start=1):
        clock.seconds = float(left)
        busy.leave(ticket)
    assert quiet.began == 3.0  # each of the noisy flow's six queues has had one before
    assert begun(noisy) == 6


def test_two_flows_that_want_everything_get_half_each() -> None:
    clock = Clock()
    busy = level(queueing(length=1000), seats=2, clock=clock)
    names = ("a", "b")
    flows = {name: flow(busy, name) for name in names}
    running: list[tuple[str, Ticket]] = []
    waiting = [("a", ticket) for ticket in arrivals(busy, flows["a"], 300)]
    waiting += [("b", ticket) for ticket in arrivals(busy, flows["b"], 300)]
    served = dict.fromkeys(names, 0)
    for _ in range(200):
        running += [each for each in waiting if each[1].began is not None]
        waiting = [each for each in waiting if each[1].began is None]
        clock.seconds += 0.01
        name, ticket = running.pop(0)
        served[name] += 1
        busy.leave(ticket)
    # Two hands of six queues each: what they share of their queues is the only unfairness.
    assert abs(served["a"] - served["b"]) <= 20


def test_who_asks_for_long_requests_gets_fewer_of_them() -> None:
    """Seat-seconds are shared, not requests."""
    clock = Clock()
    busy = level(queueing(queues=2, hand_size=1, length=1000), seats=1, clock=clock)
    lasts = {"short": 0.01, "long": 0.09}
    flows = {}
    for name in lasts:  # one queue for each
        number = 0
        while any(
            busy._choose(each.hash) is busy._choose(flow(busy, f"{name}{number}").hash) for each in flows.values()
        ):
            number += 1
        flows[name] = flow(busy, f"{name}{number}")
    waiting = [(name, ticket) for name in lasts for ticket in arrivals(busy, flows[name], 300)]
    served = dict.fromkeys(lasts, 0)
    for _ in range(100):
        name, ticket = next(each for each in waiting if each[1].began is not None)
        waiting.remove((name, ticket))
        clock.seconds += lasts[name]
        served[name] += 1
        busy.leave(ticket)
    assert served["short"] == pytest.approx(90, abs=3)


def test_the_processor_is_shared_even_where_seats_are_plenty() -> None:
    loop = Loop()
    plenty = level(queueing(), seats=100, turns=Turns(loop.call_soon, at_once=4))
    noisy = arrivals(plenty, flow(plenty, "noisy"), 200)
    quiet = plenty.arrive(flow(plenty, "quiet"), 1)
    assert (begun(noisy), quiet.began) == (4, None)
    loop.turn()
    assert quiet.began is not None
    assert begun(noisy) == 7
    for ticket in noisy[:4]:
        plenty.leave(ticket)
    while loop.soon:
        loop.turn()
    assert begun(noisy) == 103  # all seats but the quiet one's, and those that have left


def test_levels_take_turns_by_their_seats() -> None:
    loop, clock = Loop(), Clock()
    turns = Turns(loop.call_soon, at_once=4)
    large, small = (level(queueing(), seats, clock, turns) for seats in (90, 30))
    many, few = arrivals(large, flow(large, "x"), 80), arrivals(small, flow(small, "x"), 25)
    for _ in range(9):
        loop.turn()
    assert begun(many) + begun(few) == 40
    assert begun(few) == pytest.approx(10, abs=2)


def test_a_full_queue_turns_away_and_says_so() -> None:
    full = level(queueing(queues=1, hand_size=1, length=2), seats=1)
    one = flow(full, "one")
    arrivals(full, one, 3)
    with pytest.raises(Rejected, match="queue-full"):
        full.arrive(one, 1)
    assert one.statistics.rejected == {"queue-full": 1}
    assert (full.executing, full.waiting) == (1, 2)


def test_a_full_queue_turns_nobody_away_who_could_sit_down() -> None:
    """Waiting for a turn is this server's own: Kubernetes would have begun the request."""
    loop = Loop()
    plenty = level(queueing(queues=1, hand_size=1, length=1), seats=10, turns=Turns(loop.call_soon, at_once=1))
    assert begun(arrivals(plenty, flow(plenty, "one"), 5)) == 4


def test_a_level_without_queues_turns_away_at_once() -> None:
    limited = level(REJECTING, seats=2)
    one = flow(limited, "one")
    tickets = arrivals(limited, one, 2)
    with pytest.raises(Rejected, match="concurrency-limit"):
        limited.arrive(one, 1)
    limited.leave(tickets[0])
    assert limited.arrive(one, 1).began is not None


def test_an_exempt_level_has_no_limit() -> None:
    exempt = level(EXEMPT, seats=0)
    tickets = arrivals(exempt, flow(exempt, "one"), 1000)
    assert begun(tickets) == 1000
    for ticket in tickets:
        exempt.leave(ticket)
    assert (exempt.executing, exempt.seats_in_use) == (0, 0)


def test_wide_requests_hold_as_many_seats_and_are_not_passed_by() -> None:
    wide = level(queueing(queues=1, hand_size=1), seats=5)
    one = flow(wide, "one")
    first, second, third = wide.arrive(one, 3), wide.arrive(one, 4), wide.arrive(one, 1)
    assert [ticket.began is not None for ticket in (first, second, third)] == [True, False, False]
    wide.leave(first)
    assert [ticket.began is not None for ticket in (second, third)] == [True, True]


def test_what_is_wider_than_the_level_begins_alone() -> None:
    narrow = level(queueing(), seats=2)
    one = flow(narrow, "one")
    wide = narrow.arrive(one, 10)
    behind = narrow.arrive(one, 1)
    assert (wide.began is not None, behind.began) == (True, None)
    narrow.leave(wide)
    assert behind.began is not None


def test_time_without_requests_earns_nothing() -> None:
    clock = Clock()
    busy = level(queueing(queues=64, hand_size=1), seats=1, clock=clock)
    steady, returning = flow(busy, "steady"), flow(busy, "returning")
    for _ in range(100):
        (ticket,) = arrivals(busy, steady, 1)
        clock.seconds += 1
        busy.leave(ticket)
    occupied = busy.arrive(steady, 1)
    burst, one_more = arrivals(busy, returning, 10), busy.arrive(steady, 1)
    order = []
    running = occupied
    for _ in range(11):
        clock.seconds += 1
        busy.leave(running)
        running = next(each for each in [*burst, one_more] if each.began is not None and each not in order)
        order.append(running)
    assert order.index(one_more) <= 2


async def test_who_waits_is_woken_when_it_is_their_turn() -> None:
    busy = level(queueing(), seats=1)
    one = flow(busy, "one")
    first, second = arrivals(busy, one, 2)
    waiting = asyncio.create_task(busy.wait(second))
    await asyncio.sleep(0)
    assert not waiting.done()
    busy.leave(first)
    await waiting
    assert second.began is not None


async def test_waiting_ends_after_a_while() -> None:
    busy = level(queueing(), seats=1, patience=0.0)
    one = flow(busy, "one")
    _, second = arrivals(busy, one, 2)
    with pytest.raises(Rejected, match="time-out"):
        await busy.wait(second)
    assert (busy.waiting, one.statistics.rejected["time-out"]) == (0, 1)


async def test_who_goes_away_makes_room_for_the_next() -> None:
    busy = level(queueing(queues=1, hand_size=1), seats=1)
    one = flow(busy, "one")
    first, second, third = arrivals(busy, one, 3)
    leaving = asyncio.create_task(busy.wait(second))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    busy.leave(first)
    assert (second.began, third.began is not None, busy.waiting) == (None, True, 0)


def test_fewer_queues_and_more_seats_lose_nobody() -> None:
    changing = level(queueing(queues=64, hand_size=6), seats=1)
    tickets = [changing.arrive(flow(changing, str(number)), 1) for number in range(50)]
    changing.configure(queueing(queues=2, hand_size=1), changing.limits)
    changing.reseat(10)
    assert begun(tickets) == 10
    waiting = list(tickets)
    while ticket := next((each for each in waiting if each.began is not None), None):
        waiting.remove(ticket)
        changing.leave(ticket)
    assert not waiting
    assert (changing.executing, changing.waiting, changing.seats_in_use) == (0, 0, 0)
