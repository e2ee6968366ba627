"""Seats are shared out by shares, lent by those who need less, and borrowed within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.flow_control.bootstrap_configuration import LEVELS
from apiserver.flow_control.concurrency import Demand, Limits, allocate, share_out
from apiserver.flow_control.seat_demand import SeatDemand
from apiserver.flow_control.shuffle_sharding import deal, flow_hash


def limited(shares: int, **more: Any) -> dict[str, Any]:
    return {"type": "Limited", "limited": {"nominalConcurrencyShares": shares, **more}}


def test_the_built_in_levels_of_600_seats() -> None:
    """What apiserver_flowcontrol_nominal_limit_seats and its like say on a fresh Kubernetes 1.36."""
    limits = share_out(600, LEVELS)
    assert {name: each.nominal for name, each in limits.items()} == {
        "exempt": 0, "catch-all": 13, "system": 74, "node-high": 98, "leader-election": 25, "workload-high": 98,
        "workload-low": 245, "global-default": 49,
    }  # fmt: skip
    assert limits["workload-low"] == Limits(245, 24, 600)  # 220.5 are lent, rounded up
    assert limits["leader-election"].lower == 25


def test_borrowing_can_be_limited() -> None:
    limits = share_out(100, {"a": limited(50, borrowingLimitPercent=20), "b": limited(50, borrowingLimitPercent=0)})
    assert (limits["a"].upper, limits["b"].upper) == (60, 50)


def test_seats_go_to_where_they_are_wanted_and_come_back() -> None:
    limits = share_out(100, {"a": limited(50, lendablePercent=80), "b": limited(50)})
    idle, busy = Demand(limits["a"], 0, 0.0), Demand(limits["b"], 200, 200.0)
    assert allocate(100, {"a": idle, "b": busy}) == {"a": 10, "b": 90}
    both = {"a": Demand(limits["a"], 200, 200.0), "b": busy}
    assert allocate(100, both) == {"a": 50, "b": 50}


def test_nobody_borrows_beyond_their_limit() -> None:
    limits = share_out(100, {"a": limited(50, lendablePercent=100), "b": limited(50, borrowingLimitPercent=10)})
    demands = {"a": Demand(limits["a"], 0, 0.0), "b": Demand(limits["b"], 500, 500.0)}
    assert allocate(100, demands)["b"] == 55


def test_too_few_seats_are_shared_by_what_cannot_be_lent() -> None:
    demands = {"a": Demand(Limits(50, 40, 100), 50, 50.0), "b": Demand(Limits(50, 20, 100), 50, 50.0)}
    assert allocate(80, demands) == {"a": 45, "b": 35}
    assert allocate(50, demands) == {"a": 40, "b": 20}


def test_demand_is_remembered_and_fades() -> None:
    demand = SeatDemand(0.0)
    demand.set(10, 0.0)
    demand.set(0, 5.0)
    assert demand.close_period(10.0, 10.0) == 10
    assert demand.smoothed == pytest.approx(5 + 5)  # the average and one deviation
    before = demand.smoothed
    assert demand.close_period(10.0, 20.0) == 0
    assert demand.smoothed == pytest.approx(0.977 * before)


def test_hands_are_of_different_queues_and_every_queue_is_dealt() -> None:
    hands = [deal(flow_hash("schema", str(number)), 64, 6) for number in range(2000)]
    assert all(len(set(hand)) == 6 and max(hand) < 64 for hand in hands)
    dealt = [card for hand in hands for card in hand]
    counts = [dealt.count(queue) for queue in range(64)]
    assert min(counts) > 130  # 187.5 on average
    assert max(counts) < 250
    assert deal(5, 1, 1) == (0,)
    assert sorted(deal(12345, 4, 4)) == [0, 1, 2, 3]
