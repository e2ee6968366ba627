"""Durations as Kubernetes' flags and objects write them: "300ms", "1m30s", "2h45m"."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")

_LARGEST = 2**63 / 1e9  # Go counts nanoseconds in 64 bits


def parse_duration(text: str) -> float:
    """Seconds.  Raises ValueError for anything but a Go duration."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"{text!r} is not a duration such as 1m30s")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration_problem(text: str) -> str:
    """Why Go takes a text for no duration, in its words; "" for one."""
    rest, at = text[1:] if text[:1] in ("+", "-") else text, 0
    while found := _PART.match(rest, at):
        at = found.end()
    if rest == "0" or (rest and at == len(rest)):
        fits = abs(parse_duration(text)) < _LARGEST
        return "" if fits else f'time: invalid duration "{text}"'
    number = re.compile(r"[0-9]*\.?[0-9]*").match(rest, at)
    digits = number[0] if number else ""
    if not digits.strip("."):
        return f'time: invalid duration "{text}"'
    unit = re.compile(r"[^.0-9]*").match(rest, at + len(digits))
    if unit is None or not unit[0]:
        return f'time: missing unit in duration "{text}"'
    return f'time: unknown unit "{unit[0]}" in duration "{text}"'
