"""Schedules of CronJobs: what can be written, and when it is due."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cron import Schedule, ScheduleError, parse, time_zone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # a Friday


def _next(text: str, after: datetime = NOW, zone: str = "") -> str:
    due = parse(text).next(after, time_zone(zone))
    assert due is not None
    return f"{due.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * *", "2026-01-02 03:05:00"),
        ("4 3 * * *", "2026-01-03 03:04:00"),
        ("*/15 * * * *", "2026-01-02 03:15:00"),
        ("5-20/7 3 * * *", "2026-01-02 03:05:00"),
        ("50/5 * * * *", "2026-01-02 03:50:00"),
        ("0 0 1 * *", "2026-02-01 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 ? * mon", "2026-01-05 00:00:00"),
        ("0 0 13 * FRI", "2026-01-09 00:00:00"),  # a day of either kind, when both are given
        ("0 0 */2 * FRI", "2026-01-03 00:00:00"),  # "*/2" is no star
        ("0 12 * Jun,dec *", "2026-06-01 12:00:00"),
        ("@hourly", "2026-01-02 04:00:00"),
        ("@weekly", "2026-01-04 00:00:00"),
        ("@yearly", "2027-01-01 00:00:00"),
        ("@every 1h30m", "2026-01-02 04:34:05"),
        ("TZ=Asia/Tokyo 0 5 * * *", "2026-01-02 20:00:00"),
    ],
)
def test_when_a_schedule_is_due(text: str, due: str) -> None:
    assert _next(text) == due


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), "2026-03-30 00:30:00"),  # 02:30 does not come on the 29th
        (datetime(2026, 10, 24, 12, tzinfo=UTC), "2026-10-25 00:30:00"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25 01:30:00"),  # and comes twice on the 25th of October
    ],
)
def test_clocks_that_are_put_forward_and_back(after: datetime, due: str) -> None:
    assert _next("30 2 * * *", after, "Europe/Berlin") == due


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 31 2 *").next(NOW) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every", "unrecognized descriptor: @every"),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5x", 'failed to parse duration @every 5x: time: unknown unit "x" in duration "5x"'),
        ("TZ=Nowhere 0 5 * * *", "provided bad location Nowhere: unknown time zone Nowhere"),
    ],
)
def test_what_is_no_schedule(text: str, complaint: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value) == complaint


@given(st.text("0123456789*/,-? @everyTZ=:hms", max_size=30))
def test_whatever_is_written_is_a_schedule_or_refused(text: str) -> None:
    with suppress(ScheduleError):
        due = parse(text).next(NOW)
        assert due is None or due > NOW


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 28))
def test_what_is_due_is_as_written(minute: int, hour: int, day: int) -> None:
    schedule = parse(f"{minute} {hour} {day} * *")
    assert isinstance(schedule, Schedule)
    due = schedule.next(NOW)
    assert due is not None
    assert due > NOW
    assert (due.minute, due.hour, due.day, due.second) == (minute, hour, day, 0)
