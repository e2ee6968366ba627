"""Schedules of CronJobs: when, in the notation of cron.

Five fields, minute hour day-of-month month day-of-week, each a list of numbers, names, ranges and steps; or one of
"@hourly", "@daily", "@weekly", "@monthly", "@yearly" and "@every 1h30m".  Texts are understood, and refused, as by
github.com/robfig/cron (v3), which Kubernetes uses:
https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.duration import duration_problem, parse_duration

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_INTEGER = re.compile(r"[+-]?[0-9]+")
_YEARS_AHEAD = 5
"""A schedule that has no time in so many years (30 February) has none."""


class ScheduleError(ValueError):
    """The text is no schedule; the message is what Kubernetes answers."""


@dataclass(frozen=True, slots=True)
class _Field:
    least: int
    most: int
    names: dict[str, int]


_FIELDS = (_Field(0, 59, {}), _Field(0, 23, {}), _Field(1, 31, {}), _Field(1, 12, _MONTHS), _Field(0, 6, _DAYS))


@dataclass(frozen=True, slots=True)
class _Times:
    """The numbers that a field allows; `any` where it is `*`."""

    allowed: frozenset[int]
    any: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due.  `zone` is the one the text itself names ("TZ=Asia/Tokyo 0 5 * * *"), if any."""

    minutes: _Times
    hours: _Times
    days: _Times
    months: _Times
    weekdays: _Times
    zone: tzinfo | None = None

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first time after `after` (which has a time zone), in UTC; None when there is none in five years.

        The fields are meant in `zone`, unless the schedule names one.  A time that the clock leaves out is left out,
        and one that it shows twice comes twice.
        """
        zone = self.zone or zone
        time = after.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        last_year = time.year + _YEARS_AHEAD
        while True:
            local = time.astimezone(zone)
            midnight = local.replace(hour=0, minute=0, fold=0)
            if local.year > last_year:
                return None
            if local.month not in self.months.allowed:
                month = midnight.replace(day=1) + timedelta(days=32)
                time = month.replace(day=1).astimezone(UTC)
            elif not self._is_day(local):
                time = (midnight + timedelta(days=1)).astimezone(UTC)
            elif local.hour not in self.hours.allowed:
                time += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes.allowed:
                later = min((minute for minute in self.minutes.allowed if minute > local.minute), default=60)
                time += timedelta(minutes=later - local.minute)
            else:
                return time

    def _is_day(self, local: datetime) -> bool:
        day, weekday = local.day in self.days.allowed, local.isoweekday() % 7 in self.weekdays.allowed
        return day and weekday if self.days.any or self.weekdays.any else day or weekday


@dataclass(frozen=True, slots=True)
class Every:
    """Due again and again after the same time."""

    period: timedelta

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first time after `after`, in UTC."""
        return after.astimezone(UTC).replace(microsecond=0) + self.period


def parse(text: str) -> Schedule | Every:
    """Read a schedule.  Raises ScheduleError."""
    if not text:
        raise ScheduleError("empty spec string")
    zone: tzinfo | None = None
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, space, rest = text.partition(" ")
        start = text.index("=") + 1
        if not space:  # where Kubernetes' parser stumbles, it says so in these words
            raise ScheduleError("invalid schedule format: runtime error: slice bounds out of range [:-1]")
        try:
            zone = time_zone(name[start:])
        except ScheduleError as error:
            raise ScheduleError(f"provided bad location {name[start:]}: {error}") from None
        text = rest.strip()
    if text.startswith("@"):
        if text.startswith(_EVERY):
            return Every(_duration(text))
        if text not in _NAMED:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _NAMED[text]
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(words)}: [{' '.join(words)}]")
    minutes, hours, days, months, weekdays = (_times(word, field) for word, field in zip(words, _FIELDS, strict=True))
    return Schedule(minutes, hours, days, months, weekdays, zone)


def time_zone(name: str) -> tzinfo:
    """A time zone by its IANA name.  Raises ScheduleError."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"unknown time zone {name}") from None


def _times(text: str, field: _Field) -> _Times:
    allowed: set[int] = set()
    everything = False
    for part in filter(None, text.split(",")):
        numbers, star = _range(part, field)
        allowed.update(numbers)
        everything |= star
    return _Times(frozenset(allowed), everything)


def _range(text: str, field: _Field) -> tuple[range, bool]:
    """One number, range or step, and whether it is `*`."""
    bounds, *steps = text.split("/")
    first, *others = bounds.split("-")
    if first in ("*", "?"):
        start, end, star = field.least, field.most, True
    else:
        start, star = _number(first, field), False
        if len(others) > 1:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _number(others[0], field) if others else start
    step = 1
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if steps:
        step = _integer(steps[0])
        if not others:
            end = field.most  # "3/5" is "3-59/5"
        star &= step <= 1
    if start < field.least:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({field.least}): {text}")
    if end > field.most:
        raise ScheduleError(f"end of range ({end}) above maximum ({field.most}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step), star


def _number(text: str, field: _Field) -> int:
    named = field.names.get(text.lower())
    return _integer(text) if named is None else named


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text[:32])
    if not -(2**63) <= number < 2**63:
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if number < 0:
        raise ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number


def _duration(text: str) -> timedelta:
    given = text.removeprefix(_EVERY)
    if problem := duration_problem(given):
        raise ScheduleError(f"failed to parse duration {text}: {problem}")
    return timedelta(seconds=max(1, int(parse_duration(given))))
