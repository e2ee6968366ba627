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
    pace.took("large", 0.001, 100)
    assert pace.delay("large", 0.03, 100) == 0.03


def test_a_change_after_the_rest_is_taken_up_at_once() -> None:
    pace = Pace()
    pace.took("large", 0.025, 100)
    assert pace.delay("large", 0.03, 100.2) == pytest.approx(0.05)
    assert pace.delay("large", 0.03, 100.3) == 0.03
