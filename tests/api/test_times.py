"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.coordination_v1 import Lease
from api.rfc3339 import to_microsecond, to_second


@pytest.mark.parametrize(
    ("time", "second", "microsecond"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678901Z"),
        (datetime(1, 1, 1, 0, 0, 2, tzinfo=UTC), "0001-01-01T00:00:02Z", "0001-01-01T00:00:02.000000Z"),
        (
            datetime(999, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "0998-12-31T23:00:00Z",
            "0998-12-31T23:00:00.000000Z",
        ),
    ],
)
def test_times_are_in_utc_and_years_have_four_digits(time: datetime, second: str, microsecond: str) -> None:
    assert (to_second(time), to_microsecond(time)) == (second, microsecond)


def test_what_is_written_of_an_early_time_can_be_read_again() -> None:
    """ "[sig-node] Lease lease API should be available [Conformance]" acquires one in the year 1."""
    document = {"spec": {"acquireTime": "0001-01-01T00:00:02.000000Z"}}
    written = Lease.from_dict(document).to_dict()
    assert written["spec"] == document["spec"]
    assert Lease.from_dict(written).to_dict() == written
