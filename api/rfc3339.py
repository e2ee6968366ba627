"""Times as the API writes them: RFC 3339 in UTC, the year always with four digits (`strftime` leaves out zeros)."""

from __future__ import annotations

from datetime import UTC, datetime


def to_second(time: datetime) -> str:
    """ "2026-01-02T03:04:05Z": a Time."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def to_microsecond(time: datetime) -> str:
    """ "2026-01-02T03:04:05.678901Z": a MicroTime."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
