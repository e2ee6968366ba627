"""Parts of timestamps and durations.  Times of day are UTC where no time zone is named.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#abstract-types
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cel.errors import EvaluationError
from cel.functions import Library
from cel.values import Duration, Timestamp

_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)")


def _local(moment: datetime, zone: str) -> datetime:
    """The moment as a clock in the zone shows it."""
    if zone in ("", "UTC"):
        return moment
    try:
        match = _OFFSET.fullmatch(zone)
        if match is None:
            return moment.astimezone(ZoneInfo(zone))
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return moment - offset if match[1] == "-" else moment + offset
    except OverflowError:
        raise EvaluationError("timestamp overflow") from None
    except (ValueError, OSError, KeyError):
        raise EvaluationError(f"unknown time zone {zone}") from None


def _part(part: Callable[[datetime], int]) -> Callable[..., int]:
    def of(value: Timestamp, zone: str = "UTC") -> int:
        return part(_local(value.datetime(), zone))

    return of


def _truncated(units: int) -> Callable[[Duration], int]:
    """Whole units of so many nanoseconds."""
    return lambda value: abs(value.nanoseconds) // units * (-1 if value.nanoseconds < 0 else 1)


TIME = Library()
for _name, _of in {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}.items():
    TIME.add(_name, "timestamp.() -> int", "timestamp.(string) -> int", call=_part(_of))
TIME.add("getHours", "duration.() -> int", call=_truncated(3_600_000_000_000))
TIME.add("getMinutes", "duration.() -> int", call=_truncated(60_000_000_000))
TIME.add("getSeconds", "duration.() -> int", call=_truncated(1_000_000_000))
TIME.add("getMilliseconds", "duration.() -> int", call=_truncated(1_000_000))
