"""When a CronJob's jobs are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api import cron
from api.batch_v1 import CronJob

_MANY = 100
_LATE = 0.1
"""Seconds after a scheduled time at which to look: clocks differ a little."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class NoTimes(ValueError):
    """A schedule that is well-formed, but not of this world: 31 February.  The message is what Kubernetes says."""


@dataclass(frozen=True)
class Due:
    """since: The time from which on runs were looked for.
    last: The latest time that has passed since; None when there is none.
    missed: About how many have, if not just one.
    """

    since: datetime
    last: datetime | None
    missed: int

    @property
    def too_many(self) -> bool:
        return self.missed > _MANY


class Times:
    """The times of a CronJob.  Raises `cron.ScheduleError` for a schedule or a time zone that is none."""

    def __init__(self, cron_job: CronJob) -> None:
        self._spec = cron_job.spec
        self._start = cron_job.status.lastScheduleTime or cron_job.metadata.creationTimestamp or _BEGINNING
        self._schedule = cron.parse(cron_job.spec.schedule)
        self._zone = cron.time_zone(cron_job.spec.timeZone or "")

    def due(self, now: datetime, *, within_deadline: bool = True) -> Due:
        """What has become due since the last run, as far as it may still start.  Raises NoTimes."""
        since, deadline = self._start, self._spec.startingDeadlineSeconds
        if within_deadline and deadline is not None:
            since = max(since, _before(now, deadline))
        first = self._next(since)
        if now < first:
            return Due(since, None, 0)
        second = self._next(first)
        if now < second:
            return Due(since, first, 0)
        interval = round((second - first).total_seconds())
        missed = int((now - first).total_seconds()) // interval + 1
        # From shortly before the last time there would be if all were as far apart as the first two.
        time, last = self._next(first + timedelta(seconds=(missed - 2) * interval)), None
        while time <= now:
            time, last = self._next(time), time
        return Due(since, last, missed)

    def seconds_to_next(self, now: datetime) -> float:
        """How long to wait for the next time."""
        try:
            due = self.due(now, within_deadline=False)
            after = due.last or (now if due.missed else due.since)
        except NoTimes:
            after = now
        return (self._next(after) - now).total_seconds() + _LATE

    def _next(self, after: datetime) -> datetime:
        time = self._schedule.next(after, self._zone)
        if time is None:
            raise NoTimes("time difference between two schedules is less than 1 second")
        return time

    def shown(self, time: datetime) -> str:
        """RFC 3339 in the CronJob's time zone."""
        return time.astimezone(self._zone).isoformat(timespec="seconds").replace("+00:00", "Z")


def _before(now: datetime, seconds: int) -> datetime:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return _BEGINNING
