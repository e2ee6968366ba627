"""How the wait before another try grows, and when it starts afresh."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.clock import ManualClock
from kubelet.backoff import Backoff, go_duration


async def test_the_wait_doubles_up_to_five_minutes() -> None:
    clock = ManualClock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(8):
        ended = clock.now()
        waits.append(backoff.remaining("pod_main", ended))
        await clock.advance(waits[-1])
        backoff.next("pod_main", ended)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


async def test_ten_quiet_minutes_reset_it() -> None:
    clock = ManualClock()
    backoff = Backoff(clock)
    backoff.next("a", clock.now())
    backoff.next("a", clock.now())
    await clock.advance(601)
    assert backoff.remaining("a", clock.now()) == 0
    backoff.next("a", clock.now())
    assert backoff.delay("a") == timedelta(seconds=10)


def test_a_pods_keys_are_forgotten_together() -> None:
    backoff = Backoff(ManualClock())
    for key in ("1_a", "1_b", "2_a"):
        backoff.next(key, ManualClock().now())
    backoff.forget("1")
    assert [backoff.delay(key).total_seconds() for key in ("1_a", "1_b", "2_a")] == [0, 0, 10]


@pytest.mark.parametrize(
    ("seconds", "text"), [(10, "10s"), (0.25, "0.25s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s"), (0, "0s")]
)
def test_durations_read_as_in_go(seconds: float, text: str) -> None:
    assert go_duration(timedelta(seconds=seconds)) == text
