"""Who is turned away is told to stay away the longer, the longer it goes on."""

from __future__ import annotations

from apiserver.flow_control.retry_after import RetryAfter


def told(of: RetryAfter, second: float, count: int) -> int:
    """What the last of so many is told who are turned away in one second."""
    return [of.rejected(second + index / (count + 1)) for index in range(count)][-1]


def test_one_who_is_turned_away_comes_back_after_a_second() -> None:
    assert RetryAfter().rejected(1000.5) == 1


def test_a_spike_raises_it_once_and_a_long_overload_again_and_again() -> None:
    of = RetryAfter()
    assert told(of, 1000, 100) == 1
    assert told(of, 1001, 100) == 2
    assert told(of, 1002, 100) == 2  # two seconds have to pass first
    assert told(of, 1003, 100) == 4
    assert [told(of, second, 100) for second in range(1004, 1100)][-1] == 32


def test_it_falls_when_few_are_turned_away() -> None:
    of = RetryAfter()
    for second in range(1000, 1010):
        told(of, second, 100)
    assert told(of, 1100, 1) == 7
    assert told(of, 1101, 1) == 6
    assert [told(of, second, 1) for second in range(1200, 1300, 10)][-1] == 1
