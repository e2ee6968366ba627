"""Ages as `kubectl` shows them: "5s", "3m20s", "47h", "2y10d"."""

from __future__ import annotations

from datetime import datetime, timedelta


def human_duration(duration: timedelta) -> str:
    """At most two units, fewer the longer it is.  More than a second in the future is "<invalid>"."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    if hours < 24 * 365 * 8:
        return _two(hours // 24 // 365, "y", hours // 24 % 365, "d")
    return f"{hours // 24 // 365}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def since(time: datetime | None, now: datetime) -> str:
    """How long ago a time was; "<unknown>" when there is none."""
    return "<unknown>" if time is None else human_duration(now - time)
