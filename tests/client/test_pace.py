"""Controllers gather changes for longer the more work they make."""

from __future__ import annotations

import pytest

from client.controller import Pace


def test_what_is_quick_waits_no_longer_than_it_must() -> None:
    pace = Pace()
    pace.took("small", 0.0005, 100)
    assert pace.delay("small", 0.03, 100) == 0.03
    assert pace.delay("never seen", 0.03, 100) == 0.03


def test_what_takes_long_rests_in_proportion_up_to_three_seconds() -> None:
    pace = Pace()
    pace.took("large", 0.025, 100)
    assert pace.delay("large", 0.03, 100) == pytest.approx(0.25)
    assert pace.delay("large", 0.03, 100, rest=30) == pytest.approx(0.75)
    pace.took("large", 5.0, 100)
    assert pace.delay("large", 0.03, 100) == 3.0


def test_one_that_found_nothing_to_do_does_not_make_the_next_quick() -> None:
    pace = Pace()
    pace.took("large", 0.02, 100)
    pace.took("large", 0.001, 100)
    assert pace.delay("large", 0.03, 100) == pytest.approx(0.1)
    pace.failed("large")
    assert pace.delay("large", 0.03, 100) == pytest.approx(0.1)
    for _ in range(4):
        pace.took("large", 0.001, 100)
    assert pace.delay("large", 0.03, 100) == 0.03, "it has become small"


def test_a_change_after_the_rest_waits_only_for_others_like_it() -> None:
    pace = Pace()
    pace.took("large", 0.02, 100)
    assert pace.delay("large", 0.03, 100.1, rest=30) == pytest.approx(0.5)
    assert pace.delay("large", 0.03, 101, rest=30) == pytest.approx(0.2)
    pace.took("larger", 5.0, 100)
    assert pace.delay("larger", 0.03, 104) == pytest.approx(0.25)


def test_a_change_during_the_work_waits_for_the_rest_after_it() -> None:
    pace = Pace()
    pace.began("large")
    assert pace.delay("large", 0.03, 100) == 0.03, "nobody knows yet how long it takes"
    pace.took("large", 0.025, 100)
    pace.began("large")
    assert pace.delay("large", 0.03, 102, rest=30) == pytest.approx(0.75)
    pace.took("large", 0.025, 102)
    assert pace.delay("large", 0.03, 103, rest=30) == pytest.approx(0.25)
